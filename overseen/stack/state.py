"""stack.json: what runs, where, and the settings processes of this machine read. The stack process writes it."""

import fcntl
import json
import os
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from overseen.errors import Conflict
from overseen.stack.files import read_json, write_private
from overseen.stack.processes import ProcessMark


class PartState(StrEnum):
    """Where a part is in its life."""

    WAITING = "waiting"
    PREPARING = "preparing"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class PartStatus:
    """What is known of one part.

    detail: what it is doing, or why it failed. progress: 0 to 1 of a long preparation. pid, started_at: its process,
    if it has one. ready_seconds: from the start of the stack until it was ready. restarts: how often it was started
    again. since: when it came into this state (seconds since 1970).
    """

    name: str
    state: PartState = PartState.WAITING
    detail: str = ""
    progress: float | None = None
    pid: int | None = None
    started_at: float | None = None
    port: int | None = None
    ready_seconds: float | None = None
    restarts: int = 0
    since: float = 0.0

    @property
    def mark(self) -> ProcessMark | None:
        """Its process, which may have ended by now."""
        if self.pid is None or self.started_at is None:
            return None
        return ProcessMark(pid=self.pid, started_at=self.started_at)

    @classmethod
    def read(cls, name: str, kept: Mapping[str, Any]) -> "PartStatus":
        """From stack.json."""
        known = {key: value for key, value in kept.items() if key in cls.__dataclass_fields__ and key != "name"}
        known["state"] = PartState(known.get("state", PartState.WAITING))
        return cls(name=name, **known)


@dataclass(frozen=True, kw_only=True)
class StackState:
    """The content of stack.json. `ports` are preferred by the next start, so that links and bookmarks stay true."""

    stack: ProcessMark | None
    parts: Mapping[str, PartStatus]
    settings: Mapping[str, Any]
    ports: Mapping[str, int]

    @property
    def running(self) -> bool:
        """Whether the stack process lives."""
        return self.stack is not None and self.stack.alive

    @property
    def ready(self) -> bool:
        """Whether it lives and every part is ready."""
        return self.running and bool(self.parts) and all(part.state is PartState.READY for part in self.parts.values())

    @property
    def failed(self) -> tuple[PartStatus, ...]:
        """The parts that were given up."""
        return tuple(part for part in self.parts.values() if part.state is PartState.FAILED)


def read_state(home: Path) -> StackState:
    """What stack.json says; empty when there is none."""
    content = read_json(home / "stack.json")
    stack = content.get("stack")
    return StackState(
        stack=ProcessMark(pid=stack["pid"], started_at=stack["started_at"]) if stack else None,
        parts={name: PartStatus.read(name, kept) for name, kept in content.get("processes", {}).items()},
        settings=content.get("settings", {}),
        ports=content.get("ports", {}),
    )


def write_state(home: Path, state: StackState) -> None:
    """Replace stack.json (0600), whole or not at all. Blocks."""
    content = {
        "stack": asdict(state.stack) if state.stack else None,
        "processes": {
            name: {key: value for key, value in asdict(part).items() if key != "name"}
            for name, part in state.parts.items()
        },
        "settings": state.settings,
        "ports": state.ports,
    }
    write_private(home / "stack.json", json.dumps(content, indent=1, default=str))


def changed(part: PartStatus, state: PartState, detail: str = "", **more: Any) -> PartStatus:
    """`part` in another state, stamped with the time."""
    return replace(part, state=state, detail=detail, progress=more.pop("progress", None), since=time.time(), **more)


@contextmanager
def locked(path: Path, *, wait: bool) -> Generator[None]:
    """Hold the lock file `path` for the block; the kernel lets go of it when the process ends, however it ends.

    Raises Conflict when it is held and `wait` is false. Blocks when `wait` is true.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise Conflict(f"{path} is held by another process.", not_done="Nothing was started.") from error
        yield
    finally:
        os.close(descriptor)
