"""How an act reached the house: through a page, the API or the command line, and there by which user of the machine.

Set once at each door; the journal stamps it on every entry that is written meanwhile, so no act can leave it out.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class Channel(StrEnum):
    """A door through which people and their programs act."""

    PAGE = "page"
    API = "api"
    COMMAND_LINE = "command_line"


@dataclass(frozen=True, kw_only=True)
class ActOrigin:
    """`os_user` is the user of the machine who runs the command; None where nobody's process acts."""

    channel: Channel
    os_user: str | None = None

    def named(self) -> dict[str, str]:
        """What the journal writes down: {channel} or {channel, os_user}."""
        return {"channel": self.channel.value} | ({"os_user": self.os_user} if self.os_user else {})


_current: ContextVar[ActOrigin | None] = ContextVar("act_origin", default=None)


@contextmanager
def acting_through(origin: ActOrigin) -> Generator[None]:
    """What is done in the block reaches the house through `origin`."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)


def current_origin() -> ActOrigin | None:
    """The origin of what is being done now; None in a worker, which acts for nobody in particular."""
    return _current.get()
