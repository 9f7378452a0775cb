"""What can go wrong with a tool call.

::

    Refused
    └── ToolRefused     a rule said no before anything happened; `rule` names it
    OverseenError
    └── ToolFailed      the tool ran, or may have run, and gave no usable result; `effect_known` says what is certain
"""

from typing import Literal

from overseen.errors import OverseenError, Refused, WhoActs

EffectKnown = Literal["no", "yes", "unknown"]
"""Whether the effect of a failed call happened."""

Rule = Literal["policy", "plan_lock", "approval", "budget", "lease", "capability", "stopped"]
"""The rules that can refuse a call, as the journal names them."""


class ToolRefused(Refused):
    """A rule of the house said no to a tool call; nothing was done and the refusal is recorded.

    Use `ToolFailed` when the tool itself went wrong.
    """

    code = "tool_refused"

    def __init__(self, message: str, *, rule: Rule, not_done: str = "", next_step: str = "", **context: object) -> None:
        super().__init__(message, not_done=not_done or "The tool was not called.", next_step=next_step, **context)
        self.rule: Rule = rule


class ToolFailed(OverseenError):
    """The tool ran, or may have run, and gave no usable result.

    `effect_known` is "no" when its effect certainly did not happen, "yes" when it did, "unknown" otherwise. Making the
    same call again is safe in every case: its idempotency key is the same.
    """

    code = "tool_failed"
    who_acts = WhoActs.OPERATOR

    def __init__(
        self,
        message: str,
        *,
        effect_known: EffectKnown,
        not_done: str = "",
        next_step: str = "",
        **context: object,
    ) -> None:
        super().__init__(message, not_done=not_done, next_step=next_step, **context)
        self.effect_known: EffectKnown = effect_known
