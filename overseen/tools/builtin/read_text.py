"""Plain text."""

from typing import Any

from overseen.domain.content_kinds import decode_text
from overseen.tools.builtin.page_text import Removed
from overseen.tools.builtin.refusals import DocumentRefused

MOST_CHARACTERS = 400_000
"""Longest text of one document."""


def check_length(length: int) -> None:
    """Raises DocumentRefused for a text longer than anyone could read."""
    if length > MOST_CHARACTERS:
        raise DocumentRefused(
            "too_much_text", f"The document holds {length:,} characters of text; {MOST_CHARACTERS:,} is the most."
        )


def read_text(content: bytes) -> dict[str, Any]:
    """The text of a plain text file, whatever its encoding. Raises DocumentRefused for bytes that are no text."""
    decoded = decode_text(content)
    if decoded is None:
        raise DocumentRefused("not_text", "The file holds no text.")
    removed = Removed()
    text = removed.clean(decoded)
    check_length(len(text))
    return {"kind": "text", "text": text, "pages": [], "removed": removed.as_dict()}
