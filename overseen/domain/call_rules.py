"""What a playbook says of its calls: which argument is the money and who receives it, what an editor may change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from overseen.domain.outcomes import Outcome

_STRICT: dict[str, Any] = {"extra": "forbid"}


class ArgumentRole(StrEnum):
    """What an argument of a call with an effect is."""

    VALUE = "value"
    """Names what the call is about: a number, a day."""
    MONEY = "money"
    """The one sum of the case, as text with at most two decimals."""
    CURRENCY = "currency"
    RECIPIENT = "recipient"
    """Where money or a letter goes: an account, an address."""
    TEXT = "text"
    """Words that somebody outside reads."""
    STATUS = "status"
    """One word for how the case ended."""


class Otherwise(StrEnum):
    """What becomes of a value that equals none of the facts it may come from."""

    REFUSED = "refused"
    SECOND_PERSON = "second_person"


@dataclass(frozen=True, kw_only=True)
class ArgumentRules:
    """One argument. `facts` name those whose value it may have. `when_paid` is the status that says money was paid."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    role: ArgumentRole
    facts: tuple[str, ...] = ()
    otherwise: Otherwise = Otherwise.REFUSED
    when_paid: str | None = None


@dataclass(frozen=True, kw_only=True)
class CallRules:
    """A call with an effect. `pays`: money leaves by it. `done` and `not_done` tell people whether it was made.

    An argument that is not named may only be what the rules made it.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    done: str
    not_done: str
    pays: bool = False
    arguments: Mapping[str, ArgumentRules] = field(default_factory=dict[str, ArgumentRules])

    def names(self, role: ArgumentRole) -> tuple[str, ...]:
        """The arguments with that role."""
        return tuple(name for name, rules in self.arguments.items() if rules.role is role)


@dataclass(frozen=True, kw_only=True)
class EditRules:
    """What a reviewer may put in place of a proposal alone.

    `may_add` are tools the rules did not propose; every other one needs a second person. `at_most` names the fact that
    is the most that may be paid, whoever decides.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    at_most: str
    may_add: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """What the safety floor lets pass for one outcome, and why; the journal says so each time.

    `checks` are names of checks that may refuse or abstain, `unsure` facts that may be uncertain: both count only where
    nothing is paid. `arguments` (tool.argument) may come from the requester and their papers, for sums up to `up_to`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    outcome: Outcome
    why: str
    checks: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    up_to: Decimal | None = None


NO_CALL_RULES = CallRules(done="", not_done="")
"""For a tool of which the playbook says nothing."""
