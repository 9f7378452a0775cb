"""Why a model gave no usable answer.

::

    NoRoute            (Refused)      no route may be used for this request; a person has to do the step
    BudgetExceeded     (Refused)      the run's tokens or money are used up
    RouteUnavailable   (Unavailable)  down, busy, silent or unreadable; the gateway tries again within its retry budget
    OutOfTime          (Refused)      the run's working time is used up; it goes to a person with what is known
    RouteMisconfigured (Misconfigured) the server refuses our key or does not know the model
    ModelError         an answer came, or the request was refused, and trying the same again gives the same
    ├── RequestRejected    the server said no to this very request (too long, schema it cannot do)
    ├── AnswerCut          the answer reached max_tokens or was withheld
    └── SchemaViolation    the answer is no JSON, or not of the schema asked for
"""

from typing import ClassVar

from overseen.errors import Misconfigured, OverseenError, Refused, Unavailable, WhoActs
from overseen.models.types import Usage


class NoRoute(Refused):
    """No route of the settings runs in the run's region (or none can see images): the step falls to a person."""

    code = "no_route"
    who_acts = WhoActs.OPERATOR


class BudgetExceeded(Refused):
    """The playbook's tokens or money for one run would be passed; the request was not sent."""

    code = "budget_exceeded"


class OutOfTime(Refused):
    """The playbook's working time for one run is used up; the call was ended, or not begun."""

    code = "out_of_time"


class RouteUnavailable(Unavailable):
    """A model server is down, busy, silent or not to be understood. `context["route"]` names the route.

    `usage` is what was used on the part of an answer that came.
    """

    code = "route_unavailable"
    usage: Usage | None = None


class RouteMisconfigured(Misconfigured):
    """A model server refuses our key, or does not know the model the settings name."""

    code = "route_misconfigured"


class ModelError(OverseenError):
    """Root of the errors that the same request would meet again. `usage` is what was spent on finding out."""

    code: ClassVar[str] = "model_error"
    who_acts: ClassVar[WhoActs] = WhoActs.REVIEWER

    def __init__(
        self, message: str, *, not_done: str = "", next_step: str = "", usage: Usage | None = None, **context: object
    ) -> None:
        super().__init__(message, not_done=not_done, next_step=next_step, **context)
        self.usage = usage or Usage()


class RequestRejected(ModelError):
    """The server said no to this request: too long, or something in it that it cannot do."""

    code = "request_rejected"
    who_acts = WhoActs.DEVELOPER


class AnswerCut(ModelError):
    """The answer reached its token limit, or the provider withheld it. What came is never repaired into JSON."""

    code = "answer_cut"


class SchemaViolation(ModelError):
    """The answer is not JSON or does not satisfy the schema. `answer_text` is what came: content, never logged."""

    code = "schema_violation"

    def __init__(
        self,
        message: str,
        *,
        answer_text: str,
        not_done: str = "",
        next_step: str = "",
        usage: Usage | None = None,
        **context: object,
    ) -> None:
        super().__init__(message, not_done=not_done, next_step=next_step, usage=usage, **context)
        self.answer_text = answer_text
