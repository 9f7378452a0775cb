"""Runs jobs in gVisor: a kernel of its own, in user space, between the job and ours. For machines where runsc is.

Slower to start than bubblewrap by some tenths of a second. There are no doors yet, so tools that reach a resource are
refused; what tools only compute or read from files runs here.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from overseen.blocking import run_blocking
from overseen.domain.identifiers import new_id
from overseen.tools.sandbox.answers import Answers, hear_answer
from overseen.tools.sandbox.frames import encode_frame
from overseen.tools.sandbox.judgement import Exchange, judge
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
from overseen.tools.sandbox.runsc_bundle import write_bundle
from overseen.tools.sandbox.runtime import TOOL_DISTRIBUTIONS, Runtime, make_runtime
from overseen.tools.sandbox.sealing import check_walls, wall_probe
from overseen.tools.sandbox.spawning import Ended

_ALWAYS = frozenset(
    {
        Capability.NETWORK_DENY,
        Capability.CPU,
        Capability.DISK,
        Capability.SYSCALL_FILTER,
        Capability.PER_CALL_ISOLATION,
    }
)
_HELLO_SECONDS = 20.0
_DYING_SECONDS = 1.0
_PROOF_SECONDS = 10.0


class RunscBackend:
    """Runs jobs with the `runsc` on the PATH. `folder` is the data folder's `sandbox`."""

    name = "runsc"

    def __init__(
        self, folder: Path, *, concurrency: int = 4, distributions: Sequence[str] = TOOL_DISTRIBUTIONS
    ) -> None:
        self._folder = folder.absolute()
        self._distributions = tuple(distributions)
        self._free = asyncio.Semaphore(concurrency)
        self._starting = asyncio.Lock()
        self._runtime: Runtime | None = None
        self._running: set[asyncio.Task[SandboxResult]] = set()
        self._closed = False

    async def capabilities(self) -> frozenset[Capability]:
        """See the port. Of many processes neither their number nor their memory together is bounded."""
        await self._ready()
        return self._capabilities_for(SandboxProfile())

    def _capabilities_for(self, profile: SandboxProfile) -> frozenset[Capability]:
        return _ALWAYS | ({Capability.MEMORY_TOTAL, Capability.PIDS} if profile.processes == 1 else frozenset())

    async def prepare(self, entry: str, profile: SandboxProfile) -> None:
        """Nothing: workers are not prewarmed here."""

    async def run(self, job: SandboxJob) -> SandboxResult:
        """See the port. Jobs with doors are refused."""
        check_job(job)
        missing = job.profile.needs - self._capabilities_for(job.profile)
        if job.doors or job.egress:
            missing |= {Capability.EGRESS_ALLOW_LIST}
        if missing:
            raise CapabilityMissing(
                backend=self.name, missing=missing, next_step='Set `backend="bubblewrap"` in the tool\'s profile.'
            )
        runtime = await self._ready()
        async with self._free:
            running = asyncio.create_task(self._run(job, runtime))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
            try:
                return await running
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self._closed and not (task is not None and task.cancelling()):
                    raise _unavailable("The sandbox is closed.") from None
                raise

    async def _run(self, job: SandboxJob, runtime: Runtime) -> SandboxResult:
        header = {
            "entry": job.entry,
            "request": job.request,
            "cpu_seconds": job.profile.cpu_seconds,
            "output_bytes": job.profile.output_bytes,
        }
        try:
            pieces = encode_frame(header, job.files)
        except (ValueError, TypeError) as error:
            raise InvalidJob(
                "The request is not JSON.", not_done="The tool was not run.", next_step="Send JSON types only."
            ) from error
        started, answers, exchange = time.monotonic(), Answers(job.profile.output_bytes), Exchange()
        async with self._container(runtime, job.profile) as process:
            await _exchange(process, pieces, job.profile, answers, exchange)
        code = process.returncode if process.returncode is not None else 0
        status = code << 8 if code >= 0 else -code
        seconds = time.monotonic() - started
        # The CPU time of another kernel's processes is unknown; what has passed is the most it can have been.
        ended = Ended(status=status, cpu_seconds=seconds, largest_resident_bytes=0, statistics={})
        result = judge(job, answers, exchange, ended, seconds)
        return SandboxResult(
            value=result.value,
            files=result.files,
            wall_seconds=result.wall_seconds,
            cpu_seconds=None,
            peak_memory_bytes=None,
            log_tail=result.log_tail,
        )

    @asynccontextmanager
    async def _container(self, runtime: Runtime, profile: SandboxProfile) -> AsyncGenerator[asyncio.subprocess.Process]:
        """A container for the length of the block; nothing of it is alive afterwards."""
        folder = Path(await run_blocking(tempfile.mkdtemp, "", "runsc-", self._folder))
        words = [await run_blocking(_launcher), "--root", str(folder / "state"), "--network=none", "--ignore-cgroups"]
        if os.geteuid() != 0:
            words.append("--rootless")
        identifier = new_id("sandbox").replace("_", "-").lower()
        try:
            await run_blocking(write_bundle, folder, runtime, profile)
            process = await asyncio.create_subprocess_exec(
                *(*words, "run", "--bundle", str(folder), identifier),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": "/usr/bin:/bin"},
                start_new_session=True,
            )
            try:
                yield process
            finally:
                await asyncio.shield(asyncio.ensure_future(_end(process)))
        except OSError as error:
            raise _unavailable(f"runsc could not be started: {error.strerror}.") from error
        finally:
            await asyncio.shield(run_blocking(shutil.rmtree, folder, True))

    async def _ready(self) -> Runtime:
        async with self._starting:
            if self._closed:
                raise _unavailable("The sandbox is closed.")
            if self._runtime is None:
                await run_blocking(_launcher)
                runtime = await run_blocking(make_runtime, self._folder, self._distributions, launcher=False)
                check_walls(self.name, (await self._run(wall_probe(), runtime)).value)
                self._runtime = runtime
            return self._runtime

    async def close(self) -> None:
        """See the port."""
        self._closed = True
        running = set(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)


def _launcher() -> str:
    found = shutil.which("runsc")
    if found is None:
        raise SandboxUnavailable(
            "There is no runsc on the PATH.",
            not_done="The tool was not run.",
            next_step="Install gVisor's runsc, or choose another sandbox with OVERSEEN_SANDBOX_BACKEND.",
        )
    return found


async def _exchange(
    process: asyncio.subprocess.Process,
    pieces: Sequence[bytes],
    profile: SandboxProfile,
    answers: Answers,
    exchange: Exchange,
) -> None:
    sending = asyncio.create_task(_send(process, pieces))
    logging = asyncio.create_task(_overhear(process, answers))
    hearing = asyncio.create_task(hear_answer(_stdout(process), profile, exchange, _HELLO_SECONDS))
    overflow = asyncio.create_task(answers.too_much.wait())
    tasks = {sending, logging, hearing, overflow}
    try:
        await asyncio.wait({hearing, overflow}, return_when=asyncio.FIRST_COMPLETED)
        if hearing.done():
            hearing.result()
            if not exchange.timed_out and not exchange.too_large:
                ending = asyncio.create_task(process.wait())
                await asyncio.wait({ending, overflow}, timeout=_DYING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                ending.cancel()
                await asyncio.wait({logging}, timeout=_DYING_SECONDS)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _stdout(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise _unavailable("runsc has no output to listen to.")
    return process.stdout


async def _send(process: asyncio.subprocess.Process, pieces: Sequence[bytes]) -> None:
    if process.stdin is None:
        return
    # A sandbox that is gone is noticed by who waits for its answer.
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            process.stdin.write(piece)
            await process.stdin.drain()


async def _overhear(process: asyncio.subprocess.Process, answers: Answers) -> None:
    while process.stderr is not None and (piece := await process.stderr.read(1 << 16)):
        answers.overhear(piece.decode(errors="replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill runsc, with which its sandbox dies. The end of its output proves it: the sandbox held the other end."""
    if process.returncode is None:
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_PROOF_SECONDS):
            for stream in (process.stdout, process.stderr):
                while stream is not None and await stream.read(1 << 16):
                    pass
            await process.wait()
    except TimeoutError:
        raise _unavailable("The end of a sandbox could not be proven.") from None


def _unavailable(message: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        message, not_done="There is no result.", next_step="Try again; if it stays so, run `overseen doctor`."
    )
