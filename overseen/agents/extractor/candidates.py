"""Candidates: what in a text could be the answer to a question, found by patterns. Which one is it, a model says."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from overseen.agents.documents import Document
from overseen.domain.facts import Span


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A stretch of a document and the value it stands for (ISO date, Decimal, normalised number, name).

    `certainty` is below 1 where the reading itself is a guess (a year that was not written, a day told as "yesterday");
    `otherwise` is the value of a second reading where the words allow one.
    """

    value: str | Decimal
    document: Document
    span: Span
    certainty: float = 1.0
    currency: str | None = None
    otherwise: str | None = None

    @property
    def said(self) -> str:
        """The words as they stand, on one line: what a model copies when it chooses."""
        return " ".join(self.span.quote.split())


def each_value_once(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The most certain candidate of each value, else the first, in reading order of the values."""
    found: dict[str, Candidate] = {}
    for item in candidates:
        value = str(item.value).casefold()
        if value not in found or item.certainty > found[value].certainty:
            found[value] = item
    return tuple(found.values())


def chosen(candidates: Iterable[Candidate], said: object) -> Candidate | None:
    """The candidate with those words, or None (none, unknown)."""
    return next((item for item in candidates if item.said == said), None)


def span_of(text: str, start: int, end: int) -> Span:
    """The span `text[start:end]` without white space at its edges."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start=start, end=end, quote=text[start:end])
