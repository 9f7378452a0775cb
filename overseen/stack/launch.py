"""`up`, `down` and `status` from the outside: starts the stack process in the background and watches stack.json."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil

from overseen.errors import Conflict, Unavailable
from overseen.settings import make_private_folder
from overseen.stack.processes import ProcessMark, last_lines
from overseen.stack.state import PartState, PartStatus, StackState, locked, read_state, write_state

_POLL_SECONDS = 0.1
# The stack process needs this long, at most, to import itself and write its first stack.json.
_FIRST_SIGN_SECONDS = 30.0
_DOWN_SECONDS = 90.0
_STARTS = 4

Say = Callable[[str], None]


def bring_up(home: Path, *, model: bool, say: Say) -> Iterator[StackState]:
    """Start the stack of `home`, or join one that runs; yields its state again and again until all is ready.

    Another `up` of the same folder is waited for. Raises Unavailable when the stack process ended or a part failed
    for good. Blocks.
    """
    make_private_folder(home)
    make_private_folder(home / "logs")
    lock = home / "up.lock"
    try:
        with locked(lock, wait=False):
            yield from _bring_up_locked(home, model=model)
    except Conflict:
        say("Another `overseen up` or `down` is at work in this folder; waiting for it.")
        with locked(lock, wait=True):
            yield from _bring_up_locked(home, model=model)


def take_down(home: Path, say: Say) -> bool:
    """Stop the stack of `home`; False when none ran. Blocks up to 90 s; nothing survives it."""
    if not home.exists():
        return False
    with locked(home / "up.lock", wait=True):
        state = read_state(home)
        marks = [status.mark for status in reversed(list(state.parts.values()))]
        ran = state.running or any(mark is not None and mark.alive for mark in marks)
        if state.stack is not None and state.running:
            say("Stopping: the worker finishes what it holds, then the servers go.")
            state.stack.end(seconds=_DOWN_SECONDS)
        for mark in marks:
            if mark is not None and mark.alive:
                mark.end(first=signal.SIGINT)
        if read_state(home).stack is not None:
            _mark_stopped(home)
        return ran


def describe(home: Path) -> dict[str, Any]:
    """What runs, as `overseen status --json` prints it."""
    state = read_state(home)
    parts: list[dict[str, Any]] = []
    for status in state.parts.values():
        mark = status.mark
        process = mark.process() if mark is not None else None
        shown = status.state
        if not state.running and shown is not PartState.STOPPED:
            shown = PartState.STOPPED
        known = {**asdict(status), "state": shown.value, "rss_megabytes": None}
        if process is not None:
            known["rss_megabytes"] = resident_megabytes(process)
        parts.append(known)
    return {
        "home": str(home),
        "running": state.running,
        "ready": state.ready,
        "url": page_address(state),
        "stack": asdict(state.stack) if state.stack and state.running else None,
        "parts": parts,
    }


def page_address(state: StackState) -> str | None:
    """Where pages are, when they are served."""
    port = state.settings.get("web", {}).get("port")
    return f"http://127.0.0.1:{port}" if port and state.running else None


def resident_megabytes(process: psutil.Process) -> float | None:
    """Memory of a process and its children, shared pages counted once each (PSS where the kernel tells, else RSS)."""
    try:
        total = 0
        for member in (process, *process.children(recursive=True)):
            try:
                total += member.memory_full_info().pss
            except (psutil.AccessDenied, AttributeError):
                total += member.memory_info().rss
        return round(total / 2**20, 1)
    except psutil.NoSuchProcess:
        return None


def _bring_up_locked(home: Path, *, model: bool) -> Iterator[StackState]:
    state = read_state(home)
    mark = state.stack if state.running else None
    if mark is not None and state.failed:
        # Something was mended since, or it would fail again and say so: either way a fresh start tells.
        mark.end(seconds=_DOWN_SECONDS)
        mark = None
    if mark is None:
        mark = _start(home, model=model)
    end = time.monotonic() + _FIRST_SIGN_SECONDS
    while True:
        state = read_state(home)
        if state.stack == mark and state.parts:
            yield state
            if state.ready:
                return
            for part in (*state.failed, *_hopeless(state)):
                raise Unavailable(
                    f"The part {part.name} could not be started: {part.detail}",
                    not_done="The other parts run on.",
                    next_step="Mend it and run `overseen up` again.",
                )
        elif time.monotonic() > end:
            raise Unavailable("The stack process gave no sign.", next_step=f"Read {home / 'logs' / 'stack.log'}.")
        if not mark.alive:
            raise Unavailable(
                f"The stack process ended: {last_lines(home / 'logs' / 'stack.log')}",
                next_step=f"Read {home / 'logs' / 'stack.log'}, then run `overseen up` again.",
            )
        time.sleep(_POLL_SECONDS)


def _hopeless(state: StackState) -> Iterator[PartStatus]:
    """Parts that never became ready in several starts; the stack goes on trying, but nobody should wait for them."""
    for part in state.parts.values():
        if part.ready_seconds is None and part.restarts >= _STARTS:
            yield part


def _start(home: Path, *, model: bool) -> ProcessMark:
    command = [sys.executable, "-m", "overseen.stack.supervisor", str(home)]
    if not model:
        command.append("--no-model")
    descriptor = os.open(home / "logs" / "stack.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            cwd=home,
            env={**os.environ, "OVERSEEN_HOME": str(home)},
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    mark = ProcessMark.of(process.pid)
    if mark is None:
        raise Unavailable("The stack process ended at once.", next_step=f"Read {home / 'logs' / 'stack.log'}.")
    return mark


def _mark_stopped(home: Path) -> None:
    """After a stack process that could not say so itself."""
    state = read_state(home)
    parts = {
        name: replace(part, state=PartState.STOPPED, pid=None, started_at=None) for name, part in state.parts.items()
    }
    write_state(home, replace(state, stack=None, parts=parts, settings={}))
