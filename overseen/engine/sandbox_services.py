"""What a worker does for its sandboxes beside its work: try them, warm them up, end what dead workers rented."""

import asyncio
import contextlib
import fcntl
import os
import sys
import time
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from overseen.blocking import run_blocking
from overseen.engine.liveness import WorkerLiveness
from overseen.engine.sandboxes import build_e2b, local_name, verdict_file
from overseen.engine.services import Turn
from overseen.settings import Settings
from overseen.tools.sandbox.proven import ProvenBackend
from overseen.tools.sandbox.selection import SelectingBackend
from overseen.tools.sandbox.verdicts import Verdict
from overseen.tools.types import ToolSpec

_SETTLING_SECONDS = 3.0
_WHOLE_TABLE_AFTER_SECONDS = 120.0
_WHOLE_TABLE_SECONDS = 900.0


class AttackService:
    """Keeps the verdict on this machine's sandbox.

    The first turn finds out the essential part, if nobody did before, and warms up workers for `tools`; the whole table
    is run later, once, by a process of its own at the lowest priority. Its row: backend, attacks, lost (names),
    complete (whether it was the whole table) and at (when it was run).
    """

    name = "attacks"
    interval_seconds = 60.0

    def __init__(self, *, settings: Settings, sandboxes: SelectingBackend, tools: Sequence[ToolSpec]) -> None:
        self._settings = settings
        self._sandboxes = sandboxes
        self._tools = tools
        self._since = time.monotonic()
        self._warmed = False

    async def turn(self) -> Turn:
        """See Service. Raises SandboxUnavailable."""
        if not self._warmed:
            # What starts together with the worker goes first; a job that comes sooner does not wait for this.
            await asyncio.sleep(_SETTLING_SECONDS)
        name = local_name(self._settings)
        backend = await self._sandboxes.backend(name)
        if not isinstance(backend, ProvenBackend):
            return Turn(ok=True, detail={"backend": name})
        await backend.trust()
        if not self._warmed:
            self._warmed = True
            for tool in self._tools:
                await self._sandboxes.prepare(tool.entry, tool.profile)
        verdict = await backend.verdict()
        due = time.monotonic() - self._since > _WHOLE_TABLE_AFTER_SECONDS
        if verdict is not None and not verdict.complete and due:
            await self._run_whole_table(name)
            verdict = await backend.verdict()
        return _told(name, verdict)

    async def _run_whole_table(self, name: str) -> None:
        path = await run_blocking(verdict_file(name, self._settings).path)
        async with _alone_on_this_machine(path) as mine:
            if not mine:
                return
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "overseen.engine.attack_table", str(self._settings.home)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                async with asyncio.timeout(_WHOLE_TABLE_SECONDS):
                    await process.wait()
            except TimeoutError:
                return  # A machine this busy is tried again at the next turn.
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


@asynccontextmanager
async def _alone_on_this_machine(path: Path) -> AsyncGenerator[bool]:
    """Whether no other worker of this machine is at it."""
    lock = await run_blocking(_try_lock, path.with_suffix(".lock"))
    try:
        yield lock is not None
    finally:
        if lock is not None:
            await run_blocking(os.close, lock)


def _try_lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _told(name: str, verdict: Verdict | None) -> Turn:
    if verdict is None:
        return Turn(ok=False, detail={"backend": name, "message": "It was not tried yet."})
    detail = {
        "backend": name,
        "attacks": verdict.attacks,
        "lost": sorted(verdict.lost),
        "complete": verdict.complete,
        "at": verdict.at,
    }
    return Turn(ok=not verdict.lost, detail=detail)


class RentedMachinesService:
    """Ends machines at E2B whose worker died. Its row: ended."""

    name = "rented_machines"
    interval_seconds = 60.0

    def __init__(self, *, settings: Settings, liveness: WorkerLiveness, worker_id: str) -> None:
        self._backend = build_e2b(settings, worker_id)
        self._liveness = liveness

    async def turn(self) -> Turn:
        """See Service. Raises SandboxUnavailable."""
        return Turn(ok=True, detail={"ended": await self._backend.sweep(self._dead)})

    async def _dead(self, workers: Collection[str]) -> set[str]:
        return await self._liveness.dead(workers)
