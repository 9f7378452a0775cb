"""Adding up an itemised bill: its lines are found here, the sums are done by the tool `compute`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from overseen.agents.agent import Situation
from overseen.agents.documents import Document, results_by_call
from overseen.agents.extractor.candidates import Candidate
from overseen.agents.extractor.facts import money_text
from overseen.domain.calls import CallResult, ToolCall
from overseen.domain.findings import Finding, Verdict

_CHECK = "bill_lines_add_up"
_COLUMNS = re.compile(
    r"\b(?:description|item|qty|quantity|unit|price|amount|leistung|menge|einzelpreis|betrag|art[íi]culo|cant|precio"
    r"|importe|d[ée]signation|quantit[ée]|prix|montant|omschrijving|aantal|prijs|bedrag)\b",
    re.IGNORECASE,
)
_LEAST_COLUMNS = 2
_SUM = re.compile(
    r"^\W*(?:sub-?\s?total|total|netto|zwischensumme|gesamt\w*|summe|sous-total|base imponible|totale|imponibile|totaal"
    r"|subtotaal)\b",
    re.IGNORECASE,
)
_LESS = re.compile(
    r"discount|rabatt|nachlass|remise|descuento|korting|sconto|\bless\b|\bcredit\b|[-−–]\s?[£€$]?\s?\d"
    r"|\(\s?[£€$]?\s?\d[\d.,]*\s?\)|\d\s?[-−](?:\s|$)|\bCR\b",
    re.IGNORECASE,
)
_QUANTITY = re.compile(r"(?<![\w.,])(\d{1,5}(?:[.,]\d{1,3})?)\s*$")

SCRIPT = """
from decimal import Decimal

cent = Decimal("0.02")
lines = arguments["lines"]
total = sum([Decimal(line["amount"]) for line in lines], Decimal("0.00"))
wrong = []
for place, line in enumerate(lines):
    if "unit_price" in line:
        product = Decimal(line["quantity"]) * Decimal(line["unit_price"])
        if abs(product - Decimal(line["amount"])) > cent:
            wrong.append(place + 1)
result = {"sum": str(total), "agrees": abs(total - Decimal(arguments["stated"])) <= cent, "wrong_lines": wrong}
"""
"""Runs in the interpreter of `compute`: exact sums, never a float."""


@dataclass(frozen=True, kw_only=True)
class ItemisedBill:
    """The lines of a bill, each {"amount"} and where stated {"quantity", "unit_price"}, and the sum below them."""

    document: Document
    lines: tuple[Mapping[str, str], ...]
    stated: Decimal


@dataclass(frozen=True, kw_only=True)
class Sums:
    """The bills to add up, the calls that do it, and their results once they are there."""

    bills: tuple[ItemisedBill, ...]
    calls: tuple[ToolCall, ...]
    results: tuple[CallResult | None, ...]

    @property
    def missing(self) -> tuple[ToolCall, ...]:
        """The calls still to be made."""
        return tuple(call for call, result in zip(self.calls, self.results, strict=True) if result is None)

    def findings(self) -> list[Finding]:
        """Whether the lines of each bill add up to the sum it states."""
        return [
            _finding(bill, result) for bill, result in zip(self.bills, self.results, strict=True) if result is not None
        ]


def plan_sums(situation: Situation, agent: str, bills: Sequence[ItemisedBill], after: int) -> Sums:
    """One call for each bill; their ordinals start at `after`. The same situation gives the same calls."""
    done = results_by_call(situation)
    calls = tuple(
        ToolCall(
            run_id=situation.run_id,
            step_id=situation.step.step_id,
            agent=agent,
            tool="compute",
            arguments={
                "code": SCRIPT,
                "arguments": {"lines": [dict(line) for line in bill.lines], "stated": money_text(bill.stated)},
            },
            ordinal=after + place,
        )
        for place, bill in enumerate(bills)
    )
    return Sums(bills=tuple(bills), calls=calls, results=tuple(done.get(call.call_id) for call in calls))


def itemised(document: Document, amounts: Sequence[Candidate]) -> ItemisedBill | None:
    """The lines between the heads of the columns and the first sum below; None where they are not plain to see.

    Recognised text is left out: a digit read wrongly would look like a bill that does not add up.
    """
    if document.recognised:
        return None
    lines: list[Mapping[str, str]] = []
    under_heads, start = False, 0
    for text in document.text.split("\n"):
        end = start + len(text)
        here = [item for item in amounts if start <= item.span.start < end]
        if not under_heads:
            under_heads = not here and len({word.lower() for word in _COLUMNS.findall(text)}) >= _LEAST_COLUMNS
        elif here and _SUM.match(text):
            return ItemisedBill(document=document, lines=tuple(lines), stated=_value(here[-1])) if lines else None
        elif here:
            line = _line(text, here, start)
            if line is None:
                return None
            lines.append(line)
        elif _LESS.search(text):
            return None  # a sum that is taken off is none of the amounts
        start = end + 1
    return None


def _line(text: str, here: Sequence[Candidate], start: int) -> Mapping[str, str] | None:
    """The last sum on the line is its amount; the one before it a unit price where a quantity stands before that."""
    last = here[-1]
    if _LESS.search(text) or text[last.span.end - start :].strip(" £€$.-"):
        return None
    line = {"amount": money_text(last.value)}
    if len(here) == 2:
        quantity = _QUANTITY.search(text[: here[0].span.start - start])
        if quantity is not None:
            line |= {"quantity": quantity[1].replace(",", "."), "unit_price": money_text(here[0].value)}
    return line


def _value(item: Candidate) -> Decimal:
    return Decimal(item.value)


def _finding(bill: ItemisedBill, result: CallResult) -> Finding:
    answer: Any = result.value.get("result") if isinstance(result.value, Mapping) else None
    subject = f"document:{bill.document.name}"
    if not isinstance(answer, Mapping):
        return Finding(
            check=_CHECK, verdict=Verdict.ABSTAIN, subject=subject, message="The lines of the bill were not added up."
        )
    evidence = {
        "lines": len(bill.lines),
        "sum": answer["sum"],
        "stated": money_text(bill.stated),
        "call_id": result.call_id,
    }
    if not answer["agrees"]:
        message = "The lines of the bill do not add up to the sum it states."
    elif answer["wrong_lines"]:
        message = "On a line of the bill quantity and price do not give its amount."
        evidence["wrong_lines"] = answer["wrong_lines"]
    else:
        return Finding(
            check=_CHECK,
            verdict=Verdict.PASS,
            subject=subject,
            message="The lines of the bill add up to the sum it states.",
            evidence=evidence,
        )
    return Finding(check=_CHECK, verdict=Verdict.FLAG, subject=subject, message=message, evidence=evidence)
