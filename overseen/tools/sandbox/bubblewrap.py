"""The default backend: Linux namespaces through bwrap, a syscall filter, resource limits, and cgroups where they can be
had.

What holds and what does not: the job shares the machine's kernel. As root every sandbox runs as a user of its own;
otherwise as ours, in namespaces that show it nothing of ours.
"""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overseen.blocking import run_blocking
from overseen.tools.sandbox.cgroups import CgroupParents, Leaf, count_event, find_cgroup_parents
from overseen.tools.sandbox.command import launch_command, most_tasks
from overseen.tools.sandbox.frames import FrameError
from overseen.tools.sandbox.pool import WarmKind, WarmPool
from overseen.tools.sandbox.port import (
    Capability,
    CapabilityMissing,
    InvalidJob,
    SandboxJob,
    SandboxLimitExceeded,
    SandboxProfile,
    SandboxResult,
    SandboxUnavailable,
    ToolCrashed,
    check_job,
)
from overseen.tools.sandbox.runtime import TOOL_DISTRIBUTIONS, Runtime, make_runtime
from overseen.tools.sandbox.seccomp import build_filter
from overseen.tools.sandbox.slots import Slot, Slots, choose_range
from overseen.tools.sandbox.spawning import Ended, Launch, SpawnerProcess
from overseen.tools.sandbox.worker import AnswerTooLarge, Worker, WorkerGone

_ALWAYS = frozenset(
    {
        Capability.NETWORK_DENY,
        Capability.EGRESS_ALLOW_LIST,
        Capability.CREDENTIAL_INJECTION,
        Capability.PIDS,
        Capability.CPU,
        Capability.DISK,
        Capability.SYSCALL_FILTER,
        Capability.PER_CALL_ISOLATION,
    }
)
_OPEN_FILES = 256
_WARM_CPU_SECONDS = 60
_HELLO_BYTES = 1024
_HELLO_SECONDS = 60.0
_DYING_SECONDS = 0.5
"""How long a sandbox may take to end by itself. Killed, it would take cause of death and used CPU time with it."""


@dataclass(frozen=True, kw_only=True)
class _Machinery:
    """What is set up once, before the first job."""

    runtime: Runtime
    spawner: SpawnerProcess
    cgroups: CgroupParents | None
    slots: Slots | None


@dataclass(kw_only=True)
class _Exchange:
    """What was seen of one job before its worker was ended."""

    header: dict[str, Any] | None = None
    files: dict[str, bytes] | None = None
    started: bool = False
    timed_out: bool = False
    too_large: bool = False
    garbled: str | None = None


class BubblewrapBackend:
    """Runs jobs in bwrap. `folder` is the data folder's `sandbox`; doors must be sockets below `doors_folder`."""

    name = "bubblewrap"

    def __init__(
        self,
        folder: Path,
        *,
        concurrency: int = 4,
        most_prewarmed: int = 8,
        distributions: Sequence[str] = TOOL_DISTRIBUTIONS,
        use_cgroups: bool = True,
    ) -> None:
        self._folder = folder.absolute()
        self._distributions = tuple(distributions)
        self._use_cgroups = use_cgroups
        self._free = asyncio.Semaphore(concurrency)
        self._pool = WarmPool(self._start_warm, most=most_prewarmed)
        self._starting = asyncio.Lock()
        self._machinery: _Machinery | None = None
        self._endings: set[asyncio.Task[Ended]] = set()
        self._closed = False

    @property
    def doors_folder(self) -> Path:
        """Where callers put the sockets they offer as doors."""
        return self._folder / "doors"

    async def capabilities(self) -> frozenset[Capability]:
        """See the port. The figures are of a profile with one process, which needs no cgroups to bound memory."""
        return self._capabilities_for(SandboxProfile(), await self._ready())

    def _capabilities_for(self, profile: SandboxProfile, machinery: _Machinery) -> frozenset[Capability]:
        if machinery.cgroups is not None or profile.processes == 1:
            return _ALWAYS | {Capability.MEMORY_TOTAL}
        return _ALWAYS

    async def prepare(self, entry: str, profile: SandboxProfile) -> None:
        """Start the prewarmed workers of a tool before its first call; a no-op when the profile asks for none."""
        await self._ready()
        await self._pool.prepare(WarmKind(entry_module=entry.partition(":")[0], profile=profile))

    async def run(self, job: SandboxJob) -> SandboxResult:
        """See the port."""
        check_job(job)
        machinery = await self._ready()
        missing = job.profile.needs - self._capabilities_for(job.profile, machinery)
        if missing:
            raise CapabilityMissing(
                backend=self.name,
                missing=missing,
                next_step="Give the service its own cgroup (systemd: Delegate=yes), set the profile to one process, "
                "or choose another sandbox.",
            )
        kind = WarmKind(entry_module=job.entry.partition(":")[0], profile=job.profile)
        async with self._free:
            try:
                return await self._run(job, kind)
            finally:
                self._pool.refill(kind)

    async def _run(self, job: SandboxJob, kind: WarmKind) -> SandboxResult:
        started = time.monotonic()
        worker = self._pool.take(kind)
        warm = worker is not None
        if worker is None:
            worker = await self._start(job.profile, warm=False)
        exchange = _Exchange(started=warm)
        try:
            await self._offer_doors(job, worker)
            await self._exchange(job, worker, exchange)
        finally:
            ended = await self._end(worker)
        return _judge(job, worker, exchange, ended, time.monotonic() - started)

    async def _offer_doors(self, job: SandboxJob, worker: Worker) -> None:
        for name, path in job.doors.items():
            try:
                await run_blocking(worker.offer_door, name, path)
            except OSError as error:
                raise InvalidJob(
                    f"The door {name!r} cannot be offered: {error.strerror}.",
                    not_done="The tool was not run.",
                    next_step=f"Listen on a unix socket below {self.doors_folder}.",
                ) from error

    async def _exchange(self, job: SandboxJob, worker: Worker, exchange: _Exchange) -> None:
        conversation = asyncio.create_task(self._converse(job, worker, exchange))
        overflow = asyncio.create_task(worker.until_log_overflows())
        try:
            done, _ = await asyncio.wait(
                {conversation, overflow}, timeout=job.profile.wall_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            exchange.timed_out = not done
            if conversation in done:
                conversation.result()
        finally:
            conversation.cancel()
            overflow.cancel()
            await asyncio.wait({conversation, overflow})

    async def _converse(self, job: SandboxJob, worker: Worker, exchange: _Exchange) -> None:
        header = {
            "entry": job.entry,
            "request": job.request,
            "cpu_seconds": job.profile.cpu_seconds,
            "output_bytes": job.profile.output_bytes,
        }
        sending = asyncio.create_task(worker.send(header, job.files))
        try:
            if not exchange.started:
                await worker.receive(_HELLO_BYTES)
                exchange.started = True
            exchange.header, exchange.files = await worker.receive(job.profile.output_bytes)
            await worker.until_ended(_DYING_SECONDS)
        except AnswerTooLarge:
            exchange.too_large = True
        except FrameError as error:
            exchange.garbled = str(error)
        except WorkerGone:
            await worker.until_ended(_DYING_SECONDS)
        finally:
            sending.cancel()
            await asyncio.wait({sending})
        if sending.done() and not sending.cancelled() and (error := sending.exception()) is not None:
            raise InvalidJob(
                "The request is not JSON.", not_done="The tool was not run.", next_step="Send JSON types only."
            ) from error

    async def _end(self, worker: Worker) -> Ended:
        """End a worker even while we are being cancelled."""
        ending = asyncio.create_task(worker.end())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        return await asyncio.shield(ending)

    async def _start_warm(self, kind: WarmKind) -> Worker:
        worker = await self._start(kind.profile, warm=True, entry_module=kind.entry_module)
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                await worker.receive(_HELLO_BYTES)
                await worker.receive(_HELLO_BYTES)
        except (WorkerGone, FrameError, AnswerTooLarge, TimeoutError) as error:
            await self._end(worker)
            raise _unavailable("A prewarmed sandbox did not become ready.") from error
        except BaseException:
            await self._end(worker)
            raise
        return worker

    async def _start(self, profile: SandboxProfile, *, warm: bool, entry_module: str | None = None) -> Worker:
        machinery = self._machinery
        if machinery is None or self._closed:
            raise _unavailable("The sandbox is closed.")
        slot = machinery.slots.take() if machinery.slots is not None else None
        doors = await run_blocking(_make_doors_folder, self.doors_folder, slot)
        view = machinery.spawner.view
        leaf = Leaf()
        if machinery.cgroups is not None:
            leaf = machinery.cgroups.leaf(memory_bytes=profile.memory_bytes, tasks=most_tasks(profile) + 2)
        launch = Launch(
            argv=launch_command(
                machinery.runtime, view, f"{view}/doors/{doors.name}", profile, warm=warm, entry_module=entry_module
            ),
            uid=slot.uid if slot is not None else None,
            limits=_limits(profile, own_user=slot is not None),
            cgroups=leaf.folders,
            statistics=leaf.statistics,
        )
        syscall_filter = _open_filter(profile)
        try:
            return await Worker.start(
                spawner=machinery.spawner,
                launch=launch,
                syscall_filter=syscall_filter,
                slot=slot,
                doors=doors,
                log_bytes=profile.output_bytes,
            )
        except BaseException:
            doors.rmdir()
            if slot is not None:
                slot.release()
            raise
        finally:
            os.close(syscall_filter)

    async def _ready(self) -> _Machinery:
        async with self._starting:
            if self._closed:
                raise _unavailable("The sandbox is closed.")
            if self._machinery is not None and self._machinery.spawner.alive:
                return self._machinery
            as_root = os.geteuid() == 0
            runtime = await run_blocking(make_runtime, self._folder, self._distributions)
            spawner = await SpawnerProcess.start(self._folder, make_view=as_root)
            self._machinery = _Machinery(
                runtime=runtime,
                spawner=spawner,
                cgroups=await run_blocking(find_cgroup_parents) if self._use_cgroups else None,
                slots=Slots(choose_range()) if as_root else None,
            )
            try:
                await self._probe()
            except BaseException:
                self._machinery = None
                await spawner.close()
                raise
            return self._machinery

    async def _probe(self) -> None:
        """Look at the walls from inside; refuse to work when one is missing."""
        profile = SandboxProfile(scratch_bytes=1 << 20, output_bytes=1 << 16, wall_seconds=20.0)
        job = SandboxJob(call_id="probe", entry="overseen.tools.sandbox.probe:run", request={}, profile=profile)
        seen = (await self._run(job, WarmKind(entry_module="", profile=profile))).value
        wrong = [
            name
            for name, bad in (
                ("kernel settings can be written", seen["kernel_settings_writable"]),
                ("there is a network", seen["network"]),
                ("it holds capabilities", seen["capabilities"]),
                ("it could gain privileges", not seen["no_new_privileges"]),
                ("the syscall filter is off", not seen["syscall_filter"]),
                ("it sees other processes", seen["processes"] > 2),
            )
            if bad
        ]
        if wrong:
            raise SandboxUnavailable(
                f"bubblewrap does not seal here: {'; '.join(wrong)}.",
                not_done="No tool was run.",
                next_step="Run Overseen as an ordinary user or as real root, or choose another sandbox.",
            )

    async def close(self) -> None:
        """See the port."""
        if self._closed:
            return
        self._closed = True
        await self._pool.close()
        if self._endings:
            await asyncio.wait(self._endings)
        if self._machinery is not None:
            await self._machinery.spawner.close()


def _make_doors_folder(parent: Path, slot: Slot | None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="call-", dir=parent))
    if slot is not None:
        os.chown(folder, slot.uid, slot.uid)
    return folder


def _open_filter(profile: SandboxProfile) -> int:
    """A descriptor at the filter's first byte. Each sandbox gets one of its own: bwrap reads it to the end."""
    descriptor = os.memfd_create("overseen-syscall-filter")
    os.write(descriptor, build_filter(single_process=profile.processes == 1))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _limits(profile: SandboxProfile, *, own_user: bool) -> dict[str, int]:
    limits = {
        "address_space": profile.memory_bytes,
        "file_size": profile.scratch_bytes,
        "open_files": _OPEN_FILES,
        # A ceiling; the runner lowers it to the job's share once imports are loaded.
        "cpu": int(profile.cpu_seconds) + _WARM_CPU_SECONDS,
        "core": 0,
        "locked_memory": 0,
        "message_queues": 0,
    }
    if own_user:
        # For a user with other processes this would count those too; the runner then sets it inside.
        limits["processes"] = most_tasks(profile) + 2
    return limits


def _unavailable(message: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        message, not_done="There is no result.", next_step="Try again; if it stays so, run `overseen doctor`."
    )


def _judge(job: SandboxJob, worker: Worker, exchange: _Exchange, ended: Ended, wall_seconds: float) -> SandboxResult:
    """The result, or the one error that says best why there is none."""
    profile, log = job.profile, worker.log_tail
    if exchange.timed_out:
        raise SandboxLimitExceeded("wall_seconds", allowed=profile.wall_seconds, log_tail=log)
    if exchange.too_large or (worker.log_overflowed and exchange.header is None):
        raise SandboxLimitExceeded("output_bytes", allowed=profile.output_bytes, log_tail=log)
    if exchange.garbled is not None:
        raise ToolCrashed("garbled", error_type=exchange.garbled, log_tail=log)
    if exchange.header is None:
        raise _cause_of_death(job, exchange, ended, log)
    if "error" in exchange.header:
        raise _raised(exchange.header["error"], profile, log)
    if "value" not in exchange.header:
        raise ToolCrashed("garbled", error_type="a frame without a value", log_tail=log)
    peak = ended.statistics.get("peak_memory", "").strip()
    return SandboxResult(
        value=exchange.header["value"],
        files=exchange.files or {},
        wall_seconds=wall_seconds,
        cpu_seconds=ended.cpu_seconds,
        peak_memory_bytes=int(peak) if peak.isdigit() else ended.largest_resident_bytes or None,
        log_tail=log,
    )


def _raised(described: Any, profile: SandboxProfile, log: str) -> SandboxLimitExceeded | ToolCrashed:
    """What the runner says the tool raised. A stranger may have written it: anything odd is garbled."""
    if not isinstance(described, dict) or not isinstance(described.get("type"), str):
        return ToolCrashed("garbled", error_type="a malformed error", log_tail=log)
    limit = described.get("limit")
    if limit in ("memory_bytes", "processes", "scratch_bytes", "output_bytes"):
        return SandboxLimitExceeded(limit, allowed=float(getattr(profile, limit)), log_tail=log)
    code = described.get("code")
    return ToolCrashed(
        "raised",
        error_type=described["type"][:100],
        detail=str(described.get("detail", ""))[:4096],
        log_tail=log,
        tool_code=code[:100] if isinstance(code, str) else None,
    )


def _cause_of_death(
    job: SandboxJob, exchange: _Exchange, ended: Ended, log: str
) -> SandboxLimitExceeded | ToolCrashed | SandboxUnavailable:
    profile = job.profile
    if not exchange.started:
        # No code of the tool has run: what was printed is bwrap's or the interpreter's.
        return SandboxUnavailable(
            f"A sandbox could not be started: {log.strip()[-400:] or 'it said nothing'}.",
            not_done="The tool was not run.",
            next_step="Run `overseen doctor`; containers need user namespaces, Ubuntu an AppArmor profile for bwrap.",
        )
    if count_event(ended.statistics.get("memory_events", ""), "oom_kill") > 0:
        return SandboxLimitExceeded("memory_bytes", allowed=profile.memory_bytes, log_tail=log)
    code = os.waitstatus_to_exitcode(ended.status) if ended.status is not None else 0
    number = -code if code < 0 else code - 128
    if number == signal.SIGXCPU or (number == signal.SIGKILL and ended.cpu_seconds >= profile.cpu_seconds):
        return SandboxLimitExceeded("cpu_seconds", allowed=profile.cpu_seconds, log_tail=log)
    if number == signal.SIGXFSZ:
        return SandboxLimitExceeded("scratch_bytes", allowed=profile.scratch_bytes, log_tail=log)
    named = signal.Signals(number).name if number in signal.valid_signals() else f"exit status {code}"
    return ToolCrashed("died", error_type=named, log_tail=log)
