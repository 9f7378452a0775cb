"""The default backend: Linux namespaces through bwrap, a syscall filter, resource limits, and cgroups where they can be
had.

What holds and what does not: the job shares the machine's kernel. As root every sandbox runs as a user of its own;
otherwise as ours, in namespaces that show it nothing of ours.
"""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from overseen.blocking import run_blocking
from overseen.tools.sandbox.frames import FrameError
from overseen.tools.sandbox.furnishing import furnish
from overseen.tools.sandbox.judgement import Exchange, judge
from overseen.tools.sandbox.machinery import Machinery, start_machinery
from overseen.tools.sandbox.pool import WarmKind, WarmPool
from overseen.tools.sandbox.port import (
    Capability,
    CapabilityMissing,
    InvalidJob,
    SandboxJob,
    SandboxProfile,
    SandboxResult,
    SandboxUnavailable,
    check_job,
)
from overseen.tools.sandbox.runtime import TOOL_DISTRIBUTIONS
from overseen.tools.sandbox.sealing import check_walls, wall_probe
from overseen.tools.sandbox.spawning import Ended
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
T = TypeVar("T")

_HELLO_BYTES = 1024
_HELLO_SECONDS = 60.0
_DYING_SECONDS = 0.5
"""How long a sandbox may take to end by itself. Killed, it would take cause of death and used CPU time with it."""

_CLOSING_SECONDS = 15.0
"""How long sandboxes may take to end when all is closed. Those that did not end then end with the spawner."""


class BubblewrapBackend:
    """Runs jobs in bwrap. `folder` is the data folder's `sandbox`; doors must be sockets below `doors_folder`."""

    name = "bubblewrap"

    def __init__(
        self,
        folder: Path,
        *,
        concurrency: int = 4,
        most_prewarmed: int = 12,
        distributions: Sequence[str] = TOOL_DISTRIBUTIONS,
        use_cgroups: bool = True,
    ) -> None:
        self._folder = folder.absolute()
        self._distributions = tuple(distributions)
        self._use_cgroups = use_cgroups
        self._free = asyncio.Semaphore(concurrency)
        self._pool = WarmPool(self._start_warm, self._end, most=most_prewarmed)
        self._starting = asyncio.Lock()
        self._machinery: Machinery | None = None
        self._endings: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def doors_folder(self) -> Path:
        """Where callers put the sockets they offer as doors."""
        return self._folder / "doors"

    async def capabilities(self) -> frozenset[Capability]:
        """See the port. The figures are of a profile with one process, which needs no cgroups to bound memory."""
        return self._capabilities_for(SandboxProfile(), await self._ready())

    def _capabilities_for(self, profile: SandboxProfile, machinery: Machinery) -> frozenset[Capability]:
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
        if job.egress:
            raise InvalidJob(
                "On this machine the way out is a door, not an egress rule.",
                not_done="The tool was not run.",
                next_step='Offer a door, or set `backend="e2b"` in the tool\'s profile.',
            )
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
        exchange = Exchange(started=warm)
        try:
            await self._offer_doors(job, worker)
            await self._exchange(job, worker, exchange)
        finally:
            ended = await self._end(worker)
        return judge(job, worker, exchange, ended, time.monotonic() - started)

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

    async def _exchange(self, job: SandboxJob, worker: Worker, exchange: Exchange) -> None:
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

    async def _converse(self, job: SandboxJob, worker: Worker, exchange: Exchange) -> None:
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
        """End a worker even while we are being cancelled. What it held is freed in the background."""
        ending = self._beside(worker.end())
        ending.add_done_callback(lambda _: self._beside(worker.clear()))
        return await asyncio.shield(ending)

    def _beside(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        return task

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
        place = await run_blocking(furnish, machinery, profile, warm=warm, entry_module=entry_module)
        try:
            return await Worker.start(spawner=machinery.spawner, place=place, log_bytes=profile.output_bytes)
        except BaseException:
            place.clear()
            raise

    async def _ready(self) -> Machinery:
        async with self._starting:
            if self._closed:
                raise _unavailable("The sandbox is closed.")
            if self._machinery is not None and self._machinery.spawner.alive:
                return self._machinery
            if self._machinery is not None:
                dead, self._machinery = self._machinery, None
                await dead.spawner.close()
            self._machinery = await start_machinery(self._folder, self._distributions, use_cgroups=self._use_cgroups)
            try:
                await self._probe()
            except BaseException:
                machinery, self._machinery = self._machinery, None
                await machinery.spawner.close()
                raise
            return self._machinery

    async def _probe(self) -> None:
        """Look at the walls from inside; refuse to work when one is missing."""
        job = wall_probe()
        check_walls(self.name, (await self._run(job, WarmKind(entry_module="", profile=job.profile))).value)

    async def close(self) -> None:
        """See the port."""
        if self._closed:
            return
        self._closed = True
        await self._pool.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._everything_ended()
        if self._machinery is not None:
            await self._machinery.spawner.close()
        await self._everything_ended()

    async def _everything_ended(self) -> None:
        while self._endings:
            await asyncio.wait(set(self._endings))


def _unavailable(message: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        message, not_done="There is no result.", next_step="Try again; if it stays so, run `overseen doctor`."
    )
