"""What may be handed in. Pure functions over names and bytes; they look at the first layer only and decode nothing.

Everything that passes here is still content of a stranger: it is opened in a sandbox.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from overseen.domain.clean_text import clean_line, cut_text
from overseen.domain.content_kinds import content_type, image_size, is_encrypted_pdf, is_truncated_pdf
from overseen.errors import InvalidInput

MOST_BYTES = 25 * 1024 * 1024
"""Largest file, in bytes."""
MOST_FILES = 20
"""Most files with one message."""
MOST_PIXELS = 50_000_000
"""Largest picture, width times height."""
MOST_NAME = 120

ACCEPTED_TYPES = frozenset(
    {
        "application/pdf",
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/gif",
        "image/tiff",
        "image/bmp",
        "message/rfc822",
        "text/plain",
    }
)
_ACCEPTED_NAMES = "PDF, JPEG, PNG, WebP, GIF, TIFF or BMP pictures, mails (.eml) and plain text"

_REASONS = {
    "application/x-executable": "is a program, whatever its name says. Programs are never accepted",
    "application/zip": "is an archive. Unpack it and hand in the files themselves",
    "application/x-archive": "is an archive. Unpack it and hand in the files themselves",
    "application/vnd.office": "is an office document. Save it as PDF and hand in the PDF",
    "application/x-ole": "is an Outlook message or an old office document. Save it as .eml or PDF",
    "image/heic": "is a HEIC picture. Save it as JPEG (on an iPhone: Settings, Camera, Formats, Most Compatible)",
    "text/html": "is a web page. Save it as PDF",
    "image/svg+xml": "is an SVG drawing. Save it as PDF or PNG",
}
_FAMILIES = {
    "pdf": "pdf",
    "txt": "text",
    "eml": "text",
    "jpg": "image",
    "jpeg": "image",
    "png": "image",
    "webp": "image",
    "gif": "image",
    "tif": "image",
    "tiff": "image",
    "bmp": "image",
}


@dataclass(frozen=True, kw_only=True)
class AcceptedFile:
    """A file that may be stored.

    `name` is cleaned, for people to read; `media_type` is what the content is, not what was said.
    """

    name: str
    media_type: str
    content: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)


def clean_name(name: str) -> str:
    """A name safe to show: no folders, no control or direction characters, at most 120 characters, never empty."""
    line = clean_line(re.split(r"[/\\]", name)[-1])
    line = re.sub(r'[<>:"|?*]', "_", line).lstrip(". ").rstrip(". ")
    stem, dot, ending = line.rpartition(".")
    if dot and len(ending) <= 10:
        line = cut_text(stem, MOST_NAME - len(ending) - 1) + dot + ending
    return cut_text(line, MOST_NAME) or "attachment"


def accept_attachment(name: str, content: bytes) -> AcceptedFile:
    """The file, cleaned and typed by its content. Raises InvalidInput saying what is wrong and what to do."""
    shown = clean_name(name)
    if not content:
        raise _no(shown, "is empty. Choose the file again")
    check_size(shown, len(content))
    found = content_type(content)
    if found not in ACCEPTED_TYPES:
        raise _no(shown, _REASONS.get(found or "", f"is of a kind that cannot be read. Hand in {_ACCEPTED_NAMES}"))
    said = _FAMILIES.get(shown.rpartition(".")[2].lower())
    if said is not None and said != _family(found):
        raise _no(shown, f"is not what its name says: the content is {found}. Give it the right name or save it anew")
    if found == "application/pdf" and is_encrypted_pdf(content):
        raise _no(shown, "is protected with a password. Save a copy without protection and hand that in")
    if found == "application/pdf" and is_truncated_pdf(content):
        raise _no(shown, "is cut off: its end is missing. Download or scan it again")
    size = image_size(content)
    if size is not None and size[0] * size[1] > MOST_PIXELS:
        raise _no(
            shown,
            f"has {size[0]:,} x {size[1]:,} pixels; {MOST_PIXELS // 1_000_000} million is the most. "
            "Make the picture smaller",
        )
    return AcceptedFile(name=shown, media_type=found, content=content)


def accept_attachments(files: Sequence[tuple[str, bytes]]) -> tuple[AcceptedFile, ...]:
    """All files or none. Raises InvalidInput for the first that cannot be accepted, or when there are too many."""
    check_count(len(files))
    return tuple(accept_attachment(name, content) for name, content in files)


def check_count(count: int) -> None:
    """Raises InvalidInput when more files came than one message may have; ask before reading them."""
    if count > MOST_FILES:
        raise InvalidInput(
            f"{count} files are too many; {MOST_FILES} is the most with one message.",
            not_done="Nothing was stored.",
            next_step="Hand in the most important ones first and the others with a second message.",
        )


def check_size(name: str, size: int) -> None:
    """Raises InvalidInput when a file is too large; ask as soon as the size is known."""
    if size > MOST_BYTES:
        raise _no(clean_name(name), f"has {size / 1024 / 1024:.1f} MB; {MOST_BYTES // 1024 // 1024} MB is the most")


def _family(media_type: str) -> str:
    if media_type == "application/pdf":
        return "pdf"
    return "image" if media_type.startswith("image/") else "text"


def _no(name: str, reason: str) -> InvalidInput:
    said, _, advice = f"{reason}.".partition(". ")
    return InvalidInput(
        f"The file {name!r} {said.rstrip('.')}.",
        not_done="Nothing was stored.",
        next_step=advice or "Hand in a smaller file.",
    )
