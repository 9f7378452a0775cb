"""The root of every error Overseen raises, and the few that many rooms share.

::

    OverseenError
    ├── InvalidInput        the requester can mend it
    ├── NotFound            the id names nothing the caller may see
    ├── Forbidden           the caller's role does not allow it
    ├── Conflict            someone else got there first; read again and decide anew
    ├── Refused             a rule of the house said no; nothing was done
    ├── Unavailable         a part is down or too slow; trying again may work
    ├── Misconfigured       the operator must change a setting
    └── Defect              the code is wrong; a developer must look
"""

from enum import StrEnum
from typing import ClassVar


class WhoActs(StrEnum):
    """Who can do something about an error."""

    REQUESTER = "requester"
    REVIEWER = "reviewer"
    OPERATOR = "operator"
    DEVELOPER = "developer"
    NOBODY = "nobody"


class OverseenError(Exception):
    """Root of all errors. `message` says what happened, `not_done` what was not done, `next_step` what to do."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    who_acts: ClassVar[WhoActs] = WhoActs.DEVELOPER

    def __init__(self, message: str, *, not_done: str = "", next_step: str = "", **context: object) -> None:
        super().__init__(message)
        self.message = message
        self.not_done = not_done
        self.next_step = next_step
        self.context = context

    def __str__(self) -> str:
        return " ".join(part for part in (self.message, self.not_done, self.next_step) if part)

    def as_dict(self) -> dict[str, object]:
        """The error as the API and the JSON output of the command line show it."""
        return {
            "code": self.code,
            "message": self.message,
            "not_done": self.not_done,
            "next_step": self.next_step,
            "retryable": self.retryable,
            "who_acts": self.who_acts.value,
        }


class InvalidInput(OverseenError):
    """What was handed in cannot be used; nothing was stored. Use `Refused` when a rule is the reason."""

    code = "invalid_input"
    who_acts = WhoActs.REQUESTER


class NotFound(OverseenError):
    """The id names nothing, or nothing that the caller may see."""

    code = "not_found"
    who_acts = WhoActs.REQUESTER


class Forbidden(OverseenError):
    """The caller's role does not allow this."""

    code = "forbidden"
    who_acts = WhoActs.REQUESTER


class Conflict(OverseenError):
    """The thing changed since the caller read it; nothing was done."""

    code = "conflict"
    who_acts = WhoActs.REVIEWER


class Refused(OverseenError):
    """A rule of the house said no (no grant, no approval, no capability). The refusal is recorded; nothing was done."""

    code = "refused"
    who_acts = WhoActs.REVIEWER


class Unavailable(OverseenError):
    """A part is down, sealed or too slow. The same call may go through later."""

    code = "unavailable"
    retryable = True
    who_acts = WhoActs.OPERATOR


class Misconfigured(OverseenError):
    """A setting is missing or wrong; the message names it."""

    code = "misconfigured"
    who_acts = WhoActs.OPERATOR


class Defect(OverseenError):
    """The code broke its own promise. Never raised for anything a user or the outside world did."""

    code = "defect"
