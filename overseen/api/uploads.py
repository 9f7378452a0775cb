"""Forms with files, of pages and of the JSON API, read as a stream and stopped at the first byte too many."""

import re
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from overseen.domain.intake import MOST_BYTES, MOST_FILES
from overseen.domain.strict_json import text_problem
from overseen.errors import InvalidInput

MAX_BODY_BYTES = MOST_FILES * MOST_BYTES // 4
"""All files of one message together."""

_LONGEST_FIELD = 200_000
_PATHS = re.compile(r"/tasks|/tasks/[^/]+/messages|/api/v1/tasks|/api/v1/tasks/[^/]+/messages")


class Malformed(InvalidInput):
    """A request that is not one: a NUL where text belongs, JSON that is none."""

    code = "malformed"


class TooLarge(InvalidInput):
    """A body that is larger than what is taken in here: `most` bytes."""

    code = "too_large"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"What was sent is larger than {_size(most)}.",
            not_done="Nothing was stored.",
            next_step="Take out what is too much and send again.",
        )


class FormTooLarge(InvalidInput):
    """A form had more or larger files than are taken in. `fields` are the texts that came before the one too many."""

    code = "too_large"

    def __init__(self, message: str, *, fields: dict[str, str]) -> None:
        super().__init__(message, not_done="Nothing was stored.", next_step="Take out what is too much and send again.")
        self.fields = fields


@dataclass(frozen=True, kw_only=True)
class SentForm:
    """What a form held: text fields by name, and files as (name, content)."""

    fields: dict[str, str]
    files: tuple[tuple[str, bytes], ...]


def takes_files(method: str, path: str) -> bool:
    """Whether what is sent there may carry files; everything else is small."""
    return method == "POST" and _PATHS.fullmatch(path) is not None


class _LimitedParser(MultiPartParser):
    """Stops at the file that is too large, before the rest of it is read."""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """See MultiPartParser; counts the bytes of the present file."""
        file = self._current_part.file
        if file is not None:
            self.seen = getattr(self, "seen", 0) + end - start
            if self.seen > MOST_BYTES:
                raise MultiPartException(f"{file.filename or 'A file'} is larger than {_size(MOST_BYTES)}.")
        super().on_part_data(data, start, end)

    def on_part_begin(self) -> None:
        """See MultiPartParser; every part counts anew."""
        self.seen = 0
        super().on_part_begin()


async def read_form(request: Request) -> SentForm:
    """The form of `request`. Raises InvalidInput when it has too many files, or they are too large; nothing is kept."""
    parser = _parser(request)
    try:
        form = await parser.parse()
    except (MultiPartException, InvalidInput) as error:
        message = _reason(error.message) if isinstance(error, MultiPartException) else error.message
        fields = _texts(parser.items) if isinstance(parser, MultiPartParser) else {}
        raise FormTooLarge(message, fields=fields) from error
    try:
        fields = _texts(form.multi_items())
        files = [
            (upload.filename or "unnamed", await upload.read())
            for _, upload in form.multi_items()
            if isinstance(upload, UploadFile) and (upload.filename or upload.size)
        ]
    finally:
        await form.close()
    for text in (*fields, *fields.values(), *(name for name, _ in files)):
        if problem := text_problem(text):
            raise Malformed(f"The form {problem}.", not_done="Nothing was stored.", next_step="Take it out.")
    return SentForm(fields=fields, files=tuple(files))


def _parser(request: Request) -> MultiPartParser | FormParser:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return FormParser(request.headers, request.stream())
    return _LimitedParser(
        request.headers, _counted(request), max_files=MOST_FILES, max_fields=30, max_part_size=_LONGEST_FIELD
    )


def _texts(items: Iterable[tuple[str, str | UploadFile]]) -> dict[str, str]:
    return {name: value for name, value in items if isinstance(value, str)}


async def _counted(request: Request) -> AsyncGenerator[bytes]:
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > MAX_BODY_BYTES:
            raise TooLarge(MAX_BODY_BYTES)
        yield chunk


def _size(size: int) -> str:
    return f"{size // 1024**2} MB" if size >= 1024**2 else f"{size // 1024} kB"


def _reason(message: str) -> str:
    if message.startswith("Too many files"):
        return f"There are more than {MOST_FILES} files."
    return "A text is too long." if message.startswith("Part exceeded") else message
