"""The tool `read_document`, as it runs inside the sandbox."""

from collections.abc import Callable
from typing import Any

from overseen.domain.content_kinds import content_type
from overseen.tools.builtin.read_mail import read_mail
from overseen.tools.builtin.read_pdf import read_pdf
from overseen.tools.builtin.read_picture import read_picture
from overseen.tools.builtin.read_text import read_text
from overseen.tools.builtin.refusals import DocumentRefused
from overseen.tools.sandbox.context import ToolContext

_REFUSED: dict[str, tuple[str, str]] = {
    "application/x-executable": ("executable", "The file is a program and was not opened."),
    "application/zip": ("archive", "The file is an archive and was not unpacked."),
    "application/x-archive": ("archive", "The file is an archive and was not unpacked."),
    "application/vnd.office": ("unsupported", "Office documents are not read. Send a PDF."),
    "application/x-ole": ("unsupported", "Outlook messages and old office documents are not read. Send .eml or PDF."),
    "image/heic": ("unsupported", "HEIC pictures are not read. Send a JPEG."),
    "image/svg+xml": ("unsupported", "SVG drawings are not read. Send a PDF or PNG."),
}


def _reader(found: str) -> Callable[[bytes, ToolContext], dict[str, Any]] | None:
    if found == "application/pdf":
        return read_pdf
    if found == "message/rfc822":
        return read_mail
    if found.startswith("image/"):
        return read_picture
    return None


def run(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
    """Read the file named by the argument `file`; a file that cannot be read is answered with `refused`."""
    content = context.file(arguments["file"])
    empty: dict[str, Any] = {
        "kind": "none",
        "refused": None,
        "text": "",
        "pages": [],
        "attachments": [],
        "problems": [],
        "hidden": [],
        "metadata": {},
        "removed": {"control_characters": 0, "direction_overrides": 0, "invisible_characters": 0},
    }
    try:
        return {**empty, **_read(content, context)}
    except DocumentRefused as refusal:
        context.outputs.clear()
        return {**empty, "refused": refusal.as_dict()}


def _read(content: bytes, context: ToolContext) -> dict[str, Any]:
    if not content:
        raise DocumentRefused("empty", "The file is empty.")
    found = content_type(content)
    if found is None:
        raise DocumentRefused("unsupported", "The file is of a kind that cannot be read.")
    if found in _REFUSED:
        raise DocumentRefused(*_REFUSED[found])
    reader = _reader(found)
    return read_text(content) if reader is None else reader(content, context)
