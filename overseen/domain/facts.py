"""Facts: named, typed values of a run, with where they came from and how sure we are."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

FactValue = str | int | float | bool | None | Decimal
"""Money and ratios are Decimal in memory and strings in JSON; dates are ISO strings (YYYY-MM-DD)."""


class Trust(StrEnum):
    """How far a value may be believed, by who could have written it."""

    RECORD = "record"
    """Read from a system of record with leased credentials."""
    RULE = "rule"
    """Computed by deterministic rules."""
    PERSON = "person"
    """Stated or corrected by a reviewer."""
    REQUESTER = "requester"
    """Stated by the requester in the chat."""
    DOCUMENT = "document"
    """Read from a document or photo that an outsider wrote."""
    MODEL = "model"
    """The model's own invention: equals nothing that was read."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of a document's text: `text[start:end] == quote`, offsets in characters of the text as read."""

    start: int
    end: int
    quote: str


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle on a page or photo. x, y, width and height are fractions (0..1) of the page's width and height."""

    page: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a fact came from.

    `kind` is one of: document, photo, message, record, rule, person, model.
    `name` is what a person calls it (letter.eml, policies, coverage.json).
    `blob` is the SHA-256 of the attachment it was read from; `text_blob` of the extracted text that `span` points into.
    `call_id` names the tool call that read it.
    """

    kind: str
    name: str
    blob: str | None = None
    text_blob: str | None = None
    span: Span | None = None
    boxes: tuple[Box, ...] = ()
    call_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One named value. `confidence` is 0..1, or None where nothing measures it (records, rules, people are 1.0)."""

    name: str
    value: FactValue
    source: Source
    trust: Trust
    confidence: float | None
    step_id: str
    fact_id: str


def confidence_or_one(fact: Fact) -> float:
    """The confidence to compare with a threshold; an unmeasured value of untrusted origin counts as 0."""
    if fact.confidence is not None:
        return fact.confidence
    return 0.0 if fact.trust in (Trust.DOCUMENT, Trust.MODEL) else 1.0
