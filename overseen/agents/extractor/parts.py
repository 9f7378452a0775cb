"""Long texts in parts that a small model can read at once. Parts overlap, so that no sentence falls between two."""

from collections.abc import Sequence
from dataclasses import dataclass

from overseen.agents.documents import Document
from overseen.prompts import UntrustedText

PART_LENGTH = 6_000
"""Characters shown of one document at once."""
SHEET_LENGTH = 14_000
"""Characters of all letters together that are shown with one question sheet: half of what a small route takes."""
OVERLAP = 400
MAX_PARTS = 8
"""Further parts that are asked about dangers; what stands behind them is said to be unread."""
_LEAST_SHOWN = 500


@dataclass(frozen=True, kw_only=True)
class Part:
    """`document.text[start:end]`, as a model is shown it."""

    document: Document
    start: int
    end: int

    def shown(self) -> UntrustedText:
        """The part under its document's name."""
        return UntrustedText(label=self.document.name, text=self.document.text[self.start : self.end].strip())


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A document, or some of it, that nobody looked into. `amount` says how much of it in plain words."""

    name: str
    amount: str


def first_parts(documents: Sequence[Document]) -> tuple[Part, ...]:
    """The beginning of each document, as much as goes on one question sheet."""
    parts: list[Part] = []
    room = SHEET_LENGTH
    for document in documents:
        length = min(len(document.text), PART_LENGTH, room)
        if length == len(document.text) or length >= _LEAST_SHOWN:
            parts.append(Part(document=document, start=0, end=length))
            room -= length
    return tuple(parts)


def further_parts(documents: Sequence[Document], first: Sequence[Part]) -> tuple[tuple[Part, ...], tuple[Unread, ...]]:
    """What the question sheet did not show, in parts; and what is too much to be read at all."""
    shown = {id(part.document): part.end for part in first}
    parts: list[Part] = []
    unread: list[Unread] = []
    for document in documents:
        place, length = shown.get(id(document), 0), len(document.text)
        while place < length and len(parts) < MAX_PARTS:
            start = max(0, place - OVERLAP)
            place = min(length, start + PART_LENGTH)
            parts.append(Part(document=document, start=start, end=place))
        if document.text[place:].strip():
            unread.append(Unread(name=document.name, amount=f"{length - place:,} of {length:,} characters"))
    return tuple(parts), tuple(unread)


def both_ends(document: Document) -> tuple[UntrustedText, tuple[Unread, ...]]:
    """A bill as it is shown: whole, or its head and its foot, where totals stand; and what was left out between."""
    text = document.text
    if len(text) <= PART_LENGTH:
        return UntrustedText(label=document.name, text=text.strip()), ()
    head, foot = text[: PART_LENGTH // 3], text[-(PART_LENGTH - PART_LENGTH // 3) :]
    left_out = len(text) - len(head) - len(foot)
    shown = UntrustedText(label=document.name, text=f"{head.strip()}\n[...]\n{foot.strip()}")
    return shown, (Unread(name=document.name, amount=f"{left_out:,} of {len(text):,} characters"),)
