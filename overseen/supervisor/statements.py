"""What the supervisor may say to people: statements made only of facts, the ruling and the boundary."""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from decimal import Decimal, InvalidOperation

from overseen.domain.facts import Fact
from overseen.domain.outcomes import BoundaryVerdict, Ruling
from overseen.supervisor.context import fact_value, money

NUMBER = re.compile(r"(?<![\w.,-])(?:[£€$]\s?)?(\d[\d,.]*\d|\d)(?![\w])")
_IDENTIFIER = re.compile(r"\b[A-Z]{3}-\d{4}-[A-Z]{2}\b|\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_OUTCOME_WORDS = {
    "settle": "Settle the claim",
    "deny": "Deny the claim",
    "ask": "Ask the claimant",
    "refer": "A person has to decide",
}
_TERM_WORDS = {"claimed": "sum claimed", "limit": "part above the cover limit"}
_LEVEL_WORDS = {
    "automate": "It may be done without a person.",
    "assist": "A reviewer has to approve it.",
    "human_only": "Only a person may decide it.",
}


def ruling_lines(ruling: Ruling, boundary: BoundaryVerdict | None) -> list[str]:
    """The decision in plain sentences, one a line."""
    lines = [f"{_OUTCOME_WORDS[ruling.outcome.value]}." if ruling.amount is None else payment_line(ruling)]
    lines += [sentence(reason) for reason in ruling.reasons]
    lines += [f"Missing: {item.rstrip('.')}." for item in ruling.missing]
    if boundary is not None:
        lines.append(_LEVEL_WORDS[boundary.level.value])
        lines += [sentence(reason) for reason in boundary.reasons]
    return lines


def payment_line(ruling: Ruling) -> str:
    """How much is paid and how the sum comes about: Pay 480.00 GBP (estimate 730.00, excess -250.00)."""
    terms = ", ".join(f"{label} {amount:.2f}" for label, amount in ruling.sum_terms)
    return (
        f"Pay {ruling.amount:.2f} {ruling.currency} ({terms})."
        if terms
        else f"Pay {ruling.amount:.2f} {ruling.currency}."
    )


def amount_sentence(ruling: Ruling) -> str:
    """The same for the claimant: The amount is 480.00 GBP: the estimate of 730.00 less the excess of 250.00."""
    parts = [
        f"{'' if amount >= 0 else 'less '}the {_TERM_WORDS.get(label, label)} of {abs(amount):.2f}"
        for label, amount in ruling.sum_terms
    ]
    total = f"The amount is {ruling.amount:.2f} {ruling.currency}"
    return f"{total}: {' '.join(parts)}." if parts else f"{total}."


def fact_line(fact: Fact) -> str:
    """One fact as text: incident_date: 2026-10-17 (letter.eml)."""
    return f"{fact.name}: {spoken(fact)} ({fact.source.name})"


def spoken(fact: Fact) -> str:
    """The value as a person would write it."""
    if isinstance(fact.value, bool):
        return "yes" if fact.value else "no"
    return "not stated" if fact.value is None else str(fact.value)


def numbers_in(text: str) -> set[Decimal]:
    """Every free-standing number of the text, so that 1,250.00 and 1250 are the same. Parts of identifiers are not."""
    found: set[Decimal] = set()
    for match in NUMBER.finditer(text):
        try:
            found.add(Decimal(_plain(match.group(1))).normalize())
        except InvalidOperation:
            found.add(Decimal("NaN"))
    return found


def without_numbers(text: str, known: Set[Decimal]) -> str:
    """`text` without the free-standing numbers that are `known`."""

    def cut(match: re.Match[str]) -> str:
        return " " if numbers_in(match.group()) <= known else match.group()

    return NUMBER.sub(cut, text)


def invented_numbers(text: str, known: Iterable[str]) -> list[str]:
    """Numbers of `text` that none of the `known` texts holds, as text; dates in `known` lend their parts."""
    allowed: set[Decimal] = set()
    for line in known:
        allowed |= (
            numbers_in(line)
            | numbers_in(re.sub(r"(?<=\d)-(?=\d)", " ", line))
            | {-number for number in numbers_in(line)}
        )
    return sorted(f"{number:f}" for number in numbers_in(text) if not number.is_nan() and number not in allowed)


def known_lines(facts: Mapping[str, Fact], ruling: Ruling | None, boundary: BoundaryVerdict | None) -> list[str]:
    """All lines a statement may draw from: every fact, the ruling and the boundary."""
    lines = [fact_line(fact) for fact in facts.values()]
    return lines + (ruling_lines(ruling, boundary) if ruling is not None else [])


def unknown_identifiers(text: str, known: Sequence[str]) -> list[str]:
    """Things shaped like policy numbers, accounts or addresses in `text` that no known line holds."""
    shaped = _IDENTIFIER.findall(text)
    everything = " ".join(known)
    return sorted({item for item in shaped if item not in everything})


def amount_known(facts: Mapping[str, Fact], name: str) -> str | None:
    """The fact as a sum with two decimals, or None."""
    amount = money(fact_value(facts, name))
    return None if amount is None else f"{amount:.2f}"


def _plain(number: str) -> str:
    """Drop group separators: a last comma with two digits behind it is a decimal comma."""
    if re.fullmatch(r"\d{1,3}(\.\d{3})*,\d{1,2}", number):
        return number.replace(".", "").replace(",", ".")
    return number.replace(",", "").rstrip(".")


def sentence(text: str) -> str:
    """The text with a full stop, if it has none."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
