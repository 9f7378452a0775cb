"""The background process that keeps the parts running: `python -m overseen.stack.supervisor HOME [--no-model]`."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from overseen.blocking import run_blocking
from overseen.errors import Misconfigured, OverseenError, Unavailable
from overseen.settings import make_private_folder
from overseen.stack.audit_files import pack, set_aside
from overseen.stack.files import rotate_log
from overseen.stack.part import Part
from overseen.stack.parts import build_parts
from overseen.stack.processes import ProcessMark, last_lines
from overseen.stack.state import PartState, PartStatus, StackState, changed, locked, read_state, write_state

_LOG = logging.getLogger("overseen.stack")
_WATCH_SECONDS = 0.2
_CHECK_SECONDS = 10.0
# A part that is busy may miss a check; three in a row is taken as hung.
_CHECKS_MISSED = 3
_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
_STEADY_SECONDS = 60.0
_STOP_SECONDS = 15.0
_LOG_SECONDS = 30.0
_PROGRESS_SECONDS = 0.25
_AUDIT_FILE_BYTES = 64 << 20


class StackSupervisor:
    """Starts parts in order, starts again what died, publishes stack.json, stops everything in reverse order."""

    def __init__(self, home: Path, parts: tuple[Part, ...]) -> None:
        self._home = home
        self._parts = parts
        self._started = time.monotonic()
        self._stopping = asyncio.Event()
        self._prepared = {part.name: asyncio.Event() for part in parts}
        self._ready = {part.name: asyncio.Event() for part in parts}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._status = {part.name: PartStatus(name=part.name, since=time.time()) for part in parts}
        self._settings: dict[str, dict[str, Any]] = {}
        self._ports = dict(read_state(home).ports)
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Until `stop` is called. Raises what the supervisor's own code does wrong, after stopping everything."""
        await self._publish()
        keepers = [asyncio.create_task(self._keep(part), name=part.name) for part in self._parts]
        rotating = asyncio.create_task(self._rotate_logs())
        stopping: asyncio.Task[Any] = asyncio.create_task(self._stopping.wait())
        try:
            waiting: set[asyncio.Task[Any]] = {stopping, rotating, *keepers}
            while not stopping.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            tasks: tuple[asyncio.Task[Any], ...] = (*keepers, rotating, stopping)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop_parts()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping.set()

    async def _keep(self, part: Part) -> None:
        for name in part.after:
            await self._ready[name].wait()
        for name in part.after_prepared:
            await self._prepared[name].wait()
        failures = 0
        while True:
            try:
                process = await self._start(part)
                if process is None:
                    return
                began = time.monotonic()
                why = await self._watch(part, process)
                failures = 0 if time.monotonic() - began > _STEADY_SECONDS else failures + 1
            except Misconfigured as error:
                _LOG.error("%s: %s", part.name, error)
                await self._set(part, PartState.FAILED, str(error), pid=None, started_at=None)
                return
            except OverseenError as error:
                failures += 1
                why = str(error)
            await self._end(part)
            _LOG.warning("%s: %s", part.name, why)
            restarts = self._status[part.name].restarts + 1
            await self._set(part, PartState.RESTARTING, why, pid=None, started_at=None, restarts=restarts)
            await asyncio.sleep(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS)) - 1])

    async def _start(self, part: Part) -> subprocess.Popen[bytes] | None:
        """Prepare, start and announce `part`; returns its process when it is ready, None for a step."""
        await self._set(part, PartState.PREPARING)
        await self._offer(part, await self._prepare(part))
        self._prepared[part.name].set()
        process = part.spawn()
        mark = ProcessMark.of(process.pid) if process is not None else None
        if process is not None:
            self._processes[part.name] = process
            _LOG.info("%s: started, pid %d, port %s", part.name, process.pid, part.port)
        if part.port is not None:
            self._ports[part.name] = part.port
        await self._set(
            part,
            PartState.STARTING,
            pid=mark.pid if mark else None,
            started_at=mark.started_at if mark else None,
            port=part.port,
        )
        await self._until_ready(part, process)
        await self._offer(part, await part.announce())
        first = self._status[part.name].ready_seconds
        seconds = round(time.monotonic() - self._started, 2) if first is None else first
        await self._set(part, PartState.READY, ready_seconds=seconds)
        self._ready[part.name].set()
        _LOG.info("%s: ready", part.name)
        return process

    async def _prepare(self, part: Part) -> Mapping[str, Any]:
        last = 0.0
        writes: set[asyncio.Task[None]] = set()

        def report(detail: str, progress: float | None) -> None:
            nonlocal last
            if time.monotonic() - last < _PROGRESS_SECONDS:
                return
            last = time.monotonic()
            write = asyncio.create_task(self._set(part, PartState.PREPARING, detail, progress=progress))
            writes.add(write)
            write.add_done_callback(writes.discard)

        try:
            return await part.prepare(report)
        finally:
            await asyncio.gather(*writes)

    async def _until_ready(self, part: Part, process: subprocess.Popen[bytes] | None) -> None:
        end = time.monotonic() + part.ready_within_seconds
        while True:
            if process is not None and process.poll() is not None:
                raise Unavailable(
                    f"It ended with code {process.returncode} while starting: {last_lines(part.log, 1)}",
                    next_step=f"Read {part.log}.",
                )
            try:
                return await part.check()
            except Unavailable as error:
                if time.monotonic() > end:
                    raise Unavailable(
                        f"Not ready after {part.ready_within_seconds:.0f} s. {error}", next_step=f"Read {part.log}."
                    ) from error
            await asyncio.sleep(0.05)

    async def _watch(self, part: Part, process: subprocess.Popen[bytes]) -> str:
        """Returns why `part` must be started again: it ended, or no longer answers."""
        missed = 0
        checked = time.monotonic()
        while process.poll() is None:
            await asyncio.sleep(_WATCH_SECONDS)
            if time.monotonic() - checked < _CHECK_SECONDS:
                continue
            checked = time.monotonic()
            try:
                await part.check()
                missed = 0
            except Unavailable as error:
                missed += 1
                _LOG.warning("%s: missed check %d: %s", part.name, missed, error)
                if missed >= _CHECKS_MISSED:
                    return f"It did not answer {missed} times: {error}"
        return f"It ended with code {process.returncode}."

    async def _offer(self, part: Part, settings: Mapping[str, Any]) -> None:
        """Put what `part` offers into stack.json; when it moved, end whatever had read the old place."""
        if not settings:
            return
        known = self._settings.get(part.name, {})
        merged = {**known, **settings}
        self._settings[part.name] = merged
        if known and self._ready[part.name].is_set() and merged != known:
            for other in self._parts:
                if part.name in (*other.after, *other.after_prepared) and other.name in self._processes:
                    _LOG.info("%s: started again because %s moved", other.name, part.name)
                    await self._end(other)
        await self._publish()

    async def _end(self, part: Part) -> None:
        process = self._processes.get(part.name)
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(part.stop_signal)
            try:
                await run_blocking(process.wait, _STOP_SECONDS)
            except subprocess.TimeoutExpired:
                _LOG.warning("%s: did not stop within %.0f s and was killed", part.name, _STOP_SECONDS)
                process.kill()
                await run_blocking(process.wait)

    async def _stop_parts(self) -> None:
        self._settings.clear()
        for part in reversed(self._parts):
            await self._end(part)
            await self._set(part, PartState.STOPPED, pid=None, started_at=None)
            _LOG.info("%s: stopped", part.name)
        await self._publish(running=False)

    async def _set(self, part: Part, state: PartState, detail: str = "", **more: Any) -> None:
        self._status[part.name] = changed(self._status[part.name], state, detail, **more)
        await self._publish()

    async def _publish(self, *, running: bool = True) -> None:
        settings: dict[str, Any] = {}
        for offered in self._settings.values():
            settings.update(offered)
        state = StackState(
            stack=ProcessMark.of(os.getpid()) if running else None,
            parts=dict(self._status),
            settings=settings,
            ports=dict(self._ports),
        )
        async with self._writing:
            await run_blocking(write_state, self._home, state)

    async def _rotate_logs(self) -> None:
        while True:
            try:
                for log in {self._home / "logs" / "stack.log", *(part.log for part in self._parts)}:
                    await run_blocking(rotate_log, log)
                for part in self._parts:
                    if part.audit_file is not None:
                        await self._set_aside(part, part.audit_file)
            except OSError as error:
                # A full disk, say: no reason to stop what still works.
                _LOG.warning("logs could not be set aside: %s", error)
            await asyncio.sleep(_LOG_SECONDS)

    async def _set_aside(self, part: Part, audit_file: Path) -> None:
        # Packed a round later: what was under way when it was set aside has been written by then.
        await run_blocking(pack, audit_file)
        if await run_blocking(set_aside, audit_file, largest_bytes=_AUDIT_FILE_BYTES):
            process = self._processes.get(part.name)
            if process is not None and self._status[part.name].state is PartState.READY:
                process.send_signal(signal.SIGHUP)


def end_leftovers(home: Path, parts: tuple[Part, ...]) -> None:
    """End processes that a killed predecessor left behind. Blocks."""
    signals = {part.name: part.stop_signal for part in parts}
    for name, status in reversed(list(read_state(home).parts.items())):
        mark = status.mark
        if mark is not None and mark.alive:
            _LOG.info("%s: ending pid %d of an earlier stack", name, mark.pid)
            mark.end(first=signals.get(name, signal.SIGTERM), seconds=_STOP_SECONDS)


async def run_stack(home: Path, *, model: bool) -> None:
    """Run the stack of `home` until SIGTERM or SIGINT."""
    make_private_folder(home)
    make_private_folder(home / "logs")
    ports = read_state(home).ports
    parts = build_parts(home, ports, model=model)
    await run_blocking(end_leftovers, home, parts)
    supervisor = StackSupervisor(home, parts)
    for sent in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sent, supervisor.stop)
    await supervisor.run()


def main() -> None:
    """Hold the stack's lock and run it; ends with code 1 when another stack process has the lock."""
    home = Path(sys.argv[1])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        with locked(home / "stack.lock", wait=False):
            asyncio.run(run_stack(home, model="--no-model" not in sys.argv[2:]))
    except OverseenError as error:
        _LOG.error("%s", error)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
