"""Forms with files, read as a stream and stopped at the first byte too many."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from overseen.domain.intake import MOST_BYTES, MOST_FILES
from overseen.errors import InvalidInput

_LONGEST_FIELD = 200_000
_MOST_BODY = MOST_FILES * MOST_BYTES // 4
"""All files of one message together, in bytes."""


@dataclass(frozen=True, kw_only=True)
class SentForm:
    """What a form held: text fields by name, and files as (name, content)."""

    fields: dict[str, str]
    files: tuple[tuple[str, bytes], ...]


class FormTooLarge(InvalidInput):
    """A form had more or larger files than are taken in. `fields` are the texts that came before the one too many."""

    def __init__(self, message: str, *, fields: dict[str, str]) -> None:
        super().__init__(message, not_done="Nothing was stored.", next_step="Take out what is too much and send again.")
        self.fields = fields


class _LimitedParser(MultiPartParser):
    """Stops at the file that is too large, before the rest of it is read."""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """See MultiPartParser; counts the bytes of the present file."""
        file = self._current_part.file
        if file is not None:
            self.seen = getattr(self, "seen", 0) + end - start
            if self.seen > MOST_BYTES:
                raise MultiPartException(f"{file.filename or 'A file'} is larger than {_megabytes(MOST_BYTES)} MB.")
        super().on_part_data(data, start, end)

    def on_part_begin(self) -> None:
        """See MultiPartParser; every part counts anew."""
        self.seen = 0
        super().on_part_begin()


async def read_form(request: Request) -> SentForm:
    """The form of `request`. Raises InvalidInput when it has too many files, or they are too large; nothing is kept."""
    _check_length(int(request.headers.get("content-length") or 0))
    parser = _LimitedParser(
        request.headers,
        _counted(request),
        max_files=MOST_FILES,
        max_fields=30,
        max_part_size=_LONGEST_FIELD,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, InvalidInput) as error:
        message = _reason(error.message) if isinstance(error, MultiPartException) else error.message
        raise FormTooLarge(message, fields=_texts(parser.items)) from error
    try:
        fields = _texts(form.multi_items())
        files = [
            (upload.filename or "unnamed", await upload.read())
            for _, upload in form.multi_items()
            if isinstance(upload, UploadFile) and (upload.filename or upload.size)
        ]
    finally:
        await form.close()
    return SentForm(fields=fields, files=tuple(files))


def _texts(items: Iterable[tuple[str, str | UploadFile]]) -> dict[str, str]:
    return {name: value for name, value in items if isinstance(value, str)}


async def _counted(request: Request) -> AsyncGenerator[bytes]:
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        _check_length(total)
        yield chunk


def _check_length(length: int) -> None:
    if length > _MOST_BODY:
        raise FormTooLarge(f"The files together are larger than {_megabytes(_MOST_BODY)} MB.", fields={})


def _megabytes(size: int) -> int:
    return size // (1024 * 1024)


def _reason(message: str) -> str:
    if message.startswith("Too many files"):
        return f"There are more than {MOST_FILES} files."
    return "A text is too long." if message.startswith("Part exceeded") else message
