"""Sums of money in calls: which arguments are the money, what is paid, and what people may type as a sum."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from overseen.domain.call_rules import NO_CALL_RULES, ArgumentRole, CallRules
from overseen.domain.clean_text import clean_text
from overseen.errors import InvalidInput

_LEAST_UNMARKED = 100
_MARK = r"[£€$¥]|[A-Z]{3}\b|(?i:pounds?|euros?|dollars?|pence|p)\b"
_NAMED = re.compile(
    rf"(?:(?<![A-Za-z])(?P<before>[£€$¥]|[A-Z]{{3}})\s?|(?<![\w./-]))(?P<digits>\d{{1,3}}(?:[,.\s'’]\d{{3}})+(?:[.,]\d{{1,2}})?|\d+(?:[.,]\d{{1,2}})?)"
    rf"(?![\d/-]|[.,]\d)\s?(?P<after>{_MARK})?"
)
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


def named_sums(text: str) -> set[Decimal]:
    """Every sum of money that `text` names, however it is written: 2,596.00, 2596, 2.596,00, 2 596 or £50.

    Numbers below 100 without a currency and without two decimals are no sums, nor are parts of dates and identifiers.
    """
    found: set[Decimal] = set()
    for match in _NAMED.finditer(unicodedata.normalize("NFKC", clean_text(text).text)):
        digits, marked = match.group("digits"), bool(match.group("before") or match.group("after"))
        value = _read(digits)
        if marked or value >= _LEAST_UNMARKED or re.search(r"[.,]\d{2}$", digits):
            found.add(value)
    return found


def own_words_problem(text: str, reference: str, paid: Decimal | None) -> str:
    """Why `text` cannot be sent when `paid` is paid, as one sentence; empty when it can.

    `reference` is what the playbook's template makes of that sum. Its lines may stay; a line in somebody's own words
    may name the sum that is paid and no other.
    """
    kept = {line.strip() for line in reference.splitlines()}
    own = "\n".join(line for line in text.splitlines() if line.strip() not in kept)
    others = sorted(named_sums(own) - _dates(reference) - ({paid} if paid is not None else set()))
    shown = "nothing is paid" if paid is None else f"{paid:,.2f} is paid"
    if others:
        return f"names {', '.join(f'{each:,.2f}' for each in others)}, but {shown}"
    return ""


def _dates(reference: str) -> set[Decimal]:
    """Years, policy numbers and the like that the template itself names without a currency: they are no sums."""
    return {Decimal(number) for number in re.findall(r"(?<![\d.,£€$])\d{4}(?=-\d{2}-\d{2})", reference)}


def _read(digits: str) -> Decimal:
    bare = re.sub(r"[\s'’]", "", digits)
    whole, mark, cents = re.fullmatch(r"(.*?)(?:([.,])(\d{1,2}))?", bare).groups()  # type: ignore[union-attr]
    return Decimal(re.sub(r"[.,]", "", whole) + (f".{cents}" if mark else ""))
