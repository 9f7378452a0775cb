"""What the supervisor knows of a part."""

import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx

from overseen.errors import Unavailable
from overseen.stack.model import Report


class Part(Protocol):
    """A program the stack runs, or a step it takes (`spawn` returns None).

    name: as `overseen status` shows it. after: parts that must be ready first. after_prepared: parts whose `prepare`
    must be done first, because it says where they will be. log: where its output goes. ready_within_seconds: how long
    `check` may fail after `spawn`. audit_file: what it writes that must not be lost; it begins another one at SIGHUP.
    """

    name: str
    after: tuple[str, ...]
    after_prepared: tuple[str, ...]
    log: Path
    stop_signal: signal.Signals
    audit_file: Path | None
    ready_within_seconds: float

    @property
    def port(self) -> int | None:
        """On 127.0.0.1; None when it does not listen."""
        ...

    async def prepare(self, report: Report) -> Mapping[str, Any]:
        """Files, downloads, ports; returns settings that must be in stack.json before the program starts."""
        ...

    def spawn(self) -> subprocess.Popen[bytes] | None:
        """Start it. Called from the main thread."""
        ...

    async def check(self) -> None:
        """Raise Unavailable while it does not work."""
        ...

    async def announce(self) -> Mapping[str, Any]:
        """Called when it works; returns settings for stack.json."""
        ...


async def expect_answer(what: str, url: str, log: Path) -> None:
    """Unavailable unless `url` answers with less than 500 within 5 s."""
    async with httpx.AsyncClient(timeout=5.0) as client:
        try:
            answer = await client.get(url)
        except httpx.HTTPError as error:
            raise Unavailable(f"{what} does not answer: {type(error).__name__}.", next_step=f"Read {log}.") from error
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"{what} answers {answer.status_code}.", next_step=f"Read {log}.")
