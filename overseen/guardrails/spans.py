"""Finding a quotation in a text: tolerant to white space, case, typographic marks and hyphens at line ends."""

import re
import unicodedata
from dataclasses import dataclass

from overseen.domain.control_tokens import is_unseen
from overseen.domain.facts import Span

_SAME = str.maketrans({"’": "'", "‘": "'", "`": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‑": "-", "\u00ad": ""})
_BREAK = re.compile(r"-\s*\n\s*")


@dataclass(frozen=True)
class _Folded:
    """A text in comparable form, and for each of its characters the offset it came from."""

    text: str
    offsets: tuple[int, ...]


def _fold(text: str) -> _Folded:
    characters: list[str] = []
    offsets: list[int] = []
    breaks = {match.start(): match.end() for match in _BREAK.finditer(text)}
    place = 0
    while place < len(text):
        if place in breaks and place and text[place - 1].isalpha():
            place = breaks[place]
            continue
        mark = text[place].translate(_SAME)
        if not mark.isascii() and is_unseen(mark):
            place += 1
            continue
        if mark.isspace():
            if characters and characters[-1] != " ":
                characters.append(" ")
                offsets.append(place)
        else:
            for letter in unicodedata.normalize("NFKC", mark).casefold():
                characters.append(letter)
                offsets.append(place)
        place += 1
    return _Folded("".join(characters), tuple(offsets))


def locate(text: str, quote: str, near: int | None = None) -> Span | None:
    """Where `quote` stands in `text`, as a span of the text as it is; None when it does not.

    Of several places the one nearest to `near` is taken, or the first. Whole words only: 50 is not found in 250.
    """
    folded = _fold(text)
    wanted = _fold(quote).text.strip()
    if not wanted:
        return None
    places: list[int] = []
    start = folded.text.find(wanted)
    while start >= 0:
        if _stands_free(folded.text, start, start + len(wanted)):
            places.append(start)
        start = folded.text.find(wanted, start + 1)
    if not places:
        return None
    place = places[0] if near is None else min(places, key=lambda item: abs(folded.offsets[item] - near))
    begin, end = folded.offsets[place], folded.offsets[place + len(wanted) - 1] + 1
    return Span(start=begin, end=end, quote=text[begin:end])


def _stands_free(text: str, start: int, end: int) -> bool:
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    joined_before = before.isalnum() and text[start].isalnum()
    return not joined_before and not (after.isalnum() and text[end - 1].isalnum())
