"""Puts words together to a text, remembering where on the page each stretch of it stands. Standard library only."""

from dataclasses import dataclass, field
from typing import Any

from overseen.domain.clean_text import clean_text

Rectangle = tuple[float, float, float, float]
"""x, y, width, height as fractions (0..1) of the page's width and height."""


@dataclass
class Removed:
    """How many deceptive characters were taken out of a document so far."""

    control_characters: int = 0
    direction_overrides: int = 0
    invisible_characters: int = 0

    def clean(self, text: str) -> str:
        """`text` without deceptive characters, which are counted."""
        cleaned = clean_text(text)
        self.control_characters += cleaned.control_characters
        self.direction_overrides += cleaned.direction_overrides
        self.invisible_characters += cleaned.invisible_characters
        return cleaned.text

    def as_dict(self) -> dict[str, int]:
        """The counts as the tool's result shows them."""
        return dict(vars(self))


@dataclass
class DocumentText:
    """The text of a document, growing: words are parted by a space, lines by a line feed, pages by an empty line."""

    removed: Removed = field(default_factory=Removed)
    pages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _pieces: list[str] = field(default_factory=list[str])
    _length: int = 0
    _page_start: int = 0
    _at_line_start: bool = True

    @property
    def text(self) -> str:
        """Everything so far."""
        return "".join(self._pieces)

    @property
    def length(self) -> int:
        """Characters so far."""
        return self._length

    def _add(self, piece: str) -> None:
        self._pieces.append(piece)
        self._length += len(piece)

    def start_page(self, *, width: float, height: float) -> dict[str, Any]:
        """Begin a page of that size (pixels of a picture, points of a PDF) and return it, to be completed."""
        if self.pages:
            self._add("\n" if self._at_line_start else "\n\n")
        self._page_start, self._at_line_start = self._length, True
        page: dict[str, Any] = {
            "number": len(self.pages) + 1,
            "width": round(width, 2),
            "height": round(height, 2),
            "start": self._length,
            "end": self._length,
            "text": "",
            "words": [],
            "image": None,
            "read_by": "text",
        }
        self.pages.append(page)
        return page

    def add_word(self, text: str, rectangle: Rectangle, confidence: float = 1.0) -> None:
        """Put a word at the end of the present line. Words that consist of deceptive characters alone are left out."""
        text = " ".join(self.removed.clean(text).split())
        if not text:
            return
        if not self._at_line_start:
            self._add(" ")
        start = self._length
        self._add(text)
        self._at_line_start = False
        x, y, width, height = (round(min(max(value, 0.0), 1.0), 5) for value in rectangle)
        self.pages[-1]["words"].append(
            {
                "text": text,
                "x": x,
                "y": y,
                "width": width,
                "height": height,
                "start": start,
                "end": self._length,
                "confidence": round(min(max(confidence, 0.0), 1.0), 4),
            }
        )

    def end_line(self) -> None:
        """The next word begins a new line."""
        if not self._at_line_start:
            self._add("\n")
            self._at_line_start = True

    def end_page(self) -> None:
        """Complete the present page."""
        self.end_line()
        page = self.pages[-1]
        page["start"], page["end"] = self._page_start, self._length
        page["text"] = self.text[self._page_start :]
