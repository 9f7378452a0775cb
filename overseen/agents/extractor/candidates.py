"""Candidates: what in a text could be the answer to a question, found by patterns. Which one is it, a model says."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from overseen.agents.documents import Document
from overseen.domain.facts import Span


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A stretch of a document and the value it stands for (ISO date, Decimal, normalised number, name).

    `mark` is what the model chooses by: D1, A2. `certainty` is below 1 where the reading itself is a guess (a year
    that was not written, a day told as "yesterday").
    """

    mark: str
    value: str | Decimal
    document: Document
    span: Span
    certainty: float = 1.0
    currency: str | None = None


def numbered(prefix: str, found: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The same candidates with marks D1, D2 ... in reading order."""
    return tuple(
        Candidate(
            mark=f"{prefix}{number}",
            value=item.value,
            document=item.document,
            span=item.span,
            certainty=item.certainty,
            currency=item.currency,
        )
        for number, item in enumerate(found, start=1)
    )


def chosen(candidates: Iterable[Candidate], mark: object) -> Candidate | None:
    """The candidate with that mark, or None (none, unknown)."""
    return next((item for item in candidates if item.mark == mark), None)


def span_of(text: str, start: int, end: int) -> Span:
    """The span `text[start:end]` without white space at its edges."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start=start, end=end, quote=text[start:end])
