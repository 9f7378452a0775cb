"""What `read_document` and `inspect_image` take and return. Not imported inside sandboxes."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from overseen.domain.calls import Effect
from overseen.tools.sandbox.port import SandboxProfile
from overseen.tools.types import ToolSpec

_MIB = 1 << 20
Fraction = Annotated[float, Field(ge=0, le=1)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FileArguments(_Shape):
    """`file` is the name under which a file was handed in with the call."""

    file: Annotated[str, Field(min_length=1, max_length=128)]


class Refusal(_Shape):
    """Why a file was not read.

    `code` is one of: empty, encrypted, truncated, damaged, mislabelled, executable, archive, unsupported, not_text,
    too_many_pages, too_many_pixels, too_much_text.
    """

    code: str
    message: str


class Problem(_Shape):
    """Something a person should know about a file that was read nevertheless."""

    code: str
    message: str


class Word(_Shape):
    """A word on a page.

    The box is in fractions of the page's width and height from its upper left corner; `start` and `end` are offsets in
    the document's text. `confidence` is 1.0 where the word was written, not recognised.
    """

    text: str
    x: Fraction
    y: Fraction
    width: Fraction
    height: Fraction
    start: int
    end: int
    confidence: Fraction


class Page(_Shape):
    """A page.

    Its size is in points for PDFs and pixels for pictures; `text` is `document.text[start:end]`; `image` names the
    output file that shows it. `read_by` is text (there was a text layer) or ocr.
    """

    number: int
    width: float
    height: float
    start: int
    end: int
    text: str
    words: list[Word]
    image: str | None
    read_by: Literal["text", "ocr"]


class MailPart(_Shape):
    """A file that came with a mail: `name` as the sender called it, cleaned; `file` names the output that holds it."""

    name: str
    file: str
    media_type: str
    size: int


class Removed(_Shape):
    """Deceptive characters taken out of the text, by kind."""

    control_characters: int
    direction_overrides: int
    invisible_characters: int


class HiddenText(_Shape):
    """Words that nobody sees who opens the file; they are no part of `text`. `kind` says in plain words why."""

    kind: str
    page: int | None
    text: str


class ReadDocumentResult(_Shape):
    """A document as text with the place of every word; when it was not read, `refused` is set and the rest empty."""

    kind: Literal["none", "mail", "text", "pdf", "scan", "image"]
    refused: Refusal | None
    text: str
    pages: list[Page]
    attachments: list[MailPart]
    problems: list[Problem]
    hidden: list[HiddenText]
    metadata: dict[str, str]
    removed: Removed


class Quality(_Shape):
    """Measures of a photo.

    `log_sharpness` is the natural log of the variance of the Laplacian; `mean` and `deviation` are of grey values
    0..255; `dark` and `bright` are the fractions of pixels below 16 and above 239.
    """

    log_sharpness: float
    mean: float
    deviation: float
    dark: Fraction
    bright: Fraction


class PhotoMetadata(_Shape):
    """What the camera wrote."""

    make: str | None = None
    model: str | None = None
    software: str | None = None
    has_location: bool = False
    changed_at: str | None = None
    exif_damaged: bool = False


class InspectImageResult(_Shape):
    """Whether a photo can be judged, and by what to know it again. Measures are None when it could not be decoded."""

    usable: bool
    problems: list[Problem]
    refused: Refusal | None
    media_type: str | None
    width: int | None
    height: int | None
    quality: Quality | None
    phash: str | None
    dhash: str | None
    taken_at: str | None
    metadata: PhotoMetadata
    image: str | None


DOCUMENT_TOOLS = (
    ToolSpec(
        name="read_document",
        description="Read a mail, text, PDF, scan or photographed page as text with the place of every word.",
        effect=Effect.READ,
        arguments=FileArguments,
        result=ReadDocumentResult,
        profile=SandboxProfile(
            wall_seconds=200.0,
            cpu_seconds=200.0,
            memory_bytes=2048 * _MIB,
            threads=64,
            scratch_bytes=96 * _MIB,
            output_bytes=64 * _MIB,
            # One waits with what most documents need, in some 30 MB; the reader of scans would take as much again.
            warm_imports=("pypdfium2", "PIL.Image", "numpy"),
            prewarmed=1,
        ),
        entry="overseen.tools.builtin.read_document:run",
        file_arguments=("file",),
    ),
    ToolSpec(
        name="inspect_image",
        description="Measure a photo's quality, read its metadata and compute its perceptual hashes.",
        effect=Effect.READ,
        arguments=FileArguments,
        result=InspectImageResult,
        profile=SandboxProfile(
            wall_seconds=60.0,
            cpu_seconds=60.0,
            memory_bytes=1024 * _MIB,
            threads=32,
            scratch_bytes=64 * _MIB,
            output_bytes=16 * _MIB,
            warm_imports=("PIL.Image", "numpy", "imagehash"),
            prewarmed=1,
        ),
        entry="overseen.tools.builtin.inspect_image:run",
        file_arguments=("file",),
    ),
)
