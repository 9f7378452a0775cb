"""Sums of money in calls: which arguments are the money, what is paid, and what people may type as a sum."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from overseen.domain.call_rules import NO_CALL_RULES, ArgumentRole, CallRules
from overseen.errors import InvalidInput

_SUM = re.compile(r"[0-9]{1,10}(\.[0-9]{1,2})?")


class CallLike(Protocol):
    """A call that is proposed, edited or made."""

    @property
    def tool(self) -> str:
        """Name of the tool."""
        ...

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Its arguments, resolved."""
        ...


def parse_amount(value: object, *, named: str) -> Decimal:
    """The sum in `value`, text such as 1590.50. Raises InvalidInput naming the argument for everything else.

    Signs, exponents, separators, NaN, numbers that are no text and more than two decimals are refused, not mended.
    """
    if not isinstance(value, str) or not _SUM.fullmatch(value):
        raise InvalidInput(
            f"{named} is not a sum of money: {str(value)[:40]!r}.",
            not_done="No decision was stored.",
            next_step="Write digits and at most two decimals, like 1590.50: no sign, no separators, at most 10 digits.",
        )
    return Decimal(value).quantize(Decimal("0.01"))


def money_arguments(rules: Mapping[str, CallRules], calls: Iterable[CallLike]) -> list[tuple[CallLike, str]]:
    """Every argument of `calls` that the playbook calls money and that is there."""
    return [
        (call, name)
        for call in calls
        for name in rules.get(call.tool, NO_CALL_RULES).names(ArgumentRole.MONEY)
        if name in call.arguments
    ]


def sum_paid(rules: Mapping[str, CallRules], calls: Iterable[CallLike]) -> Decimal | None:
    """What `calls` pay in all, None when none of them pays. Raises InvalidInput for a sum that is none."""
    sums = [
        parse_amount(call.arguments[name], named=f"{call.tool}.{name}")
        for call, name in money_arguments(rules, calls)
        if rules[call.tool].pays
    ]
    return sum(sums, Decimal(0)) if sums else None
