"""What code can work out about a bill: the line that says total, and whether its parts add up to it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from overseen.agents.documents import Document
from overseen.agents.extractor.candidates import Candidate

_TOTAL = re.compile(
    r"\b(?:grand\s+total|total(?:\s+(?:due|to pay|payable|incl\w*|including)[\w .%]*)?|amount due|balance due|to pay"
    r"|gesamt(?:betrag|summe)?"
    r"|rechnungsbetrag|endbetrag|summe|total ttc|total a pagar|totale|razem|do zapłaty|totaal)\b",
    re.IGNORECASE,
)
_NOT_TOTAL = re.compile(
    r"\bsub-?\s?total|zwischensumme|sous-total|subtotal|netto|excl|ex\.?\s?vat|before vat|hours\b", re.IGNORECASE
)
_CENTS = Decimal("0.02")


@dataclass(frozen=True, kw_only=True)
class BillTotal:
    """The total as code sees it; `proven` when subtotal and tax add up to it."""

    total: Candidate
    proven: bool
    parts: tuple[Decimal, ...]


def find_total(document: Document, amounts: Sequence[Candidate]) -> BillTotal | None:
    """The sum on the last line that says total; None when no line does."""
    labelled = [item for item in amounts if _says_total(document.text, item)]
    proofs = [(item, parts) for item in labelled if (parts := _parts(item, amounts))]
    if proofs:
        # Sums that add up beat any sentence further down that claims another total.
        total, parts = max(proofs, key=lambda proof: Decimal(proof[0].value))
        return BillTotal(total=total, proven=True, parts=parts)
    if not labelled:
        return None
    total = max(labelled, key=lambda item: (Decimal(item.value), item.span.start))
    return BillTotal(total=total, proven=False, parts=())


def stated_parts(document: Document, amounts: Sequence[Candidate], total: Candidate) -> tuple[Decimal, ...]:
    """Subtotal and tax as the bill states them, where it states both; they should add up to the total."""
    subtotal = [
        item
        for item in amounts
        if re.search(r"sub-?\s?total|zwischensumme|netto|sous-total", _line_before(document.text, item), re.IGNORECASE)
    ]
    tax = [
        item
        for item in amounts
        if re.search(r"\b(vat|mwst|ust|tva|iva|btw)\b", _line_before(document.text, item), re.IGNORECASE)
        and item is not total
    ]
    if not subtotal or not tax:
        return ()
    return Decimal(subtotal[-1].value), Decimal(tax[-1].value)


def _says_total(text: str, amount: Candidate) -> bool:
    """Whether the words before the sum, on its line or on a line of their own, say total."""
    before = _line_before(text, amount)
    return bool(_TOTAL.search(before)) and not _NOT_TOTAL.search(before)


def _line_before(text: str, amount: Candidate) -> str:
    start = text.rfind("\n", 0, amount.span.start) + 1
    line = text[start : amount.span.start]
    if line.strip(" :£€$"):
        return line
    previous = text.rfind("\n", 0, max(0, start - 1)) + 1
    return text[previous:start]


def _parts(total: Candidate, amounts: Sequence[Candidate]) -> tuple[Decimal, ...]:
    """Two stated sums that add up to the total (net and tax), or all sums before it that do."""
    whole = Decimal(total.value)
    others = [Decimal(item.value) for item in amounts if item is not total and Decimal(item.value) < whole]
    for one in others:
        for other in others:
            if one > other and abs(one + other - whole) <= _CENTS:
                return one, other
    return ()
