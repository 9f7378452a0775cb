"""What was read from attachments: the results of `read_document` as agents look at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from overseen.agents.agent import Attachment, Situation
from overseen.domain.calls import CallResult, FileInput, ToolCall
from overseen.domain.facts import Box, Source, Span, Trust

_SURE_ENOUGH = 1.0


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word on a page: `text[start:end]` of the document, its box in fractions of the page, 0..1 confidence."""

    start: int
    end: int
    box: Box
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text that was read, and where it came from.

    `kind` is document, photo or message; `recognised` says that OCR read it.
    """

    name: str
    kind: str
    text: str
    trust: Trust
    blob: str | None = None
    text_blob: str | None = None
    call_id: str | None = None
    media_type: str = "text/plain"
    recognised: bool = False
    words: tuple[Word, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def source(self, span: Span | None = None) -> Source:
        """Where a fact read at `span` came from; without a span the document as a whole."""
        return Source(
            kind=self.kind,
            name=self.name,
            blob=self.blob,
            text_blob=self.text_blob,
            span=span,
            boxes=self.boxes(span) if span else (),
            call_id=self.call_id,
        )

    def boxes(self, span: Span) -> tuple[Box, ...]:
        """The boxes of the words under the span, those of one line joined."""
        lines: list[Box] = []
        for word in self._under(span):
            last = lines[-1] if lines else None
            if last and last.page == word.box.page and abs(last.y - word.box.y) < max(last.height, word.box.height) / 2:
                lines[-1] = _joined(last, word.box)
            else:
                lines.append(word.box)
        return tuple(lines)

    def recognition(self, span: Span) -> float:
        """How sure OCR was of the words under the span: the least sure one; 1.0 for text that was not recognised."""
        if not self.recognised:
            return _SURE_ENOUGH
        return min((word.confidence for word in self._under(span)), default=_SURE_ENOUGH)

    def _under(self, span: Span) -> list[Word]:
        return [word for word in self.words if word.start < span.end and word.end > span.start]


@dataclass(frozen=True, kw_only=True)
class HiddenText:
    """Words of a file that cannot be seen. `kind` says why (white on white); `page` counts from 1, or is None."""

    kind: str
    text: str
    page: int | None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One attachment, the call that reads it, and the result once it is there."""

    attachment: Attachment
    call: ToolCall
    result: CallResult | None = None

    @property
    def failed(self) -> str | None:
        """Why the file could not be read, or None."""
        if self.result is None or not isinstance(self.result.value, Mapping):
            return None
        problem = self.result.value.get("failed") or self.result.value.get("refused")
        return str(problem.get("message")) if isinstance(problem, Mapping) else None

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read inside the file (attachments of a mail)."""
        if self.result is None or not isinstance(self.result.value, Mapping):
            return ()
        return tuple(str(item.get("message")) for item in self.result.value.get("problems") or ())

    @property
    def hidden(self) -> tuple[HiddenText, ...]:
        """Text of the file that cannot be seen; it is no part of the document's text."""
        if self.result is None or not isinstance(self.result.value, Mapping):
            return ()
        return tuple(
            HiddenText(kind=str(item.get("kind")), text=str(item.get("text")), page=item.get("page"))
            for item in self.result.value.get("hidden") or ()
        )

    @property
    def removed_characters(self) -> int:
        """How many characters that no program shows were taken out of the text."""
        if self.result is None or not isinstance(self.result.value, Mapping):
            return 0
        removed = self.result.value.get("removed") or {}
        return sum(int(removed.get(kind) or 0) for kind in ("direction_overrides", "invisible_characters"))

    def document(self, text_blob: str | None = None) -> Document | None:
        """The text that was read; None when nothing was."""
        if self.result is None or self.failed or not isinstance(self.result.value, Mapping):
            return None
        value = self.result.value
        pages: Sequence[Mapping[str, Any]] = value.get("pages") or ()
        return Document(
            name=self.attachment.name,
            kind="photo" if self.attachment.is_photo else "document",
            text=str(value.get("text") or ""),
            trust=Trust.DOCUMENT,
            blob=self.attachment.blob,
            text_blob=text_blob,
            call_id=self.result.call_id,
            media_type=self.attachment.media_type,
            recognised=any(_recognised(page) for page in pages),
            words=tuple(word for page in pages for word in _words(page)),
            metadata=value.get("metadata") or {},
        )

    def enclosed(self) -> tuple[Attachment, ...]:
        """Files that were inside this one (attachments of a mail), as attachments of their own."""
        if self.result is None or not isinstance(self.result.value, Mapping):
            return ()
        found: list[Attachment] = []
        for place, part in enumerate(self.result.value.get("attachments") or ()):
            blob = self.result.blobs.get(str(part.get("file") or ""))
            if blob:
                found.append(
                    Attachment(
                        attachment_id=f"{self.attachment.attachment_id}-{place}",
                        name=str(part.get("name") or part.get("file")),
                        media_type=str(part.get("media_type") or "application/octet-stream"),
                        size=int(part.get("size") or 0),
                        blob=blob,
                    )
                )
        return tuple(found)


def file_call(situation: Situation, agent: str, tool: str, attachment: Attachment, ordinal: int) -> ToolCall:
    """A call of `tool` on one attachment, which it sees under a name of our making (file-<digest>.<known ending>)."""
    name = f"file-{attachment.blob[:12]}{_ending(attachment)}"
    return ToolCall(
        run_id=situation.run_id,
        step_id=situation.step.step_id,
        agent=agent,
        tool=tool,
        arguments={"file": name},
        files=(FileInput(name=name, blob=attachment.blob),),
        ordinal=ordinal,
    )


def results_by_call(situation: Situation) -> dict[str, CallResult]:
    """The results of the step so far by the id of their call."""
    return {result.call_id: result for result in situation.results}


def message_document(text: str, blob: str) -> Document:
    """The requester's own words as a document of their own."""
    return Document(name="message", kind="message", text=text, trust=Trust.REQUESTER, blob=blob, text_blob=blob)


_ENDINGS = {
    "application/pdf": ".pdf",
    "message/rfc822": ".eml",
    "text/plain": ".txt",
    "text/html": ".html",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/tiff": ".tif",
}


def _ending(attachment: Attachment) -> str:
    """By media type; the requester's own ending only where it is a short plain word."""
    if ending := _ENDINGS.get(attachment.media_type):
        return ending
    own = PurePosixPath(attachment.name).suffix.lower()
    return own if own[1:].isascii() and own[1:].isalnum() and len(own) <= 6 else ""


def _recognised(page: Mapping[str, Any]) -> bool:
    return page.get("read_by", "text") != "text"


def _words(page: Mapping[str, Any]) -> list[Word]:
    """The reader gives boxes as fractions of the page, and offsets into the whole document's text."""
    number = int(page.get("number") or 1)
    return [
        Word(
            start=int(word["start"]),
            end=int(word["end"]),
            box=Box(
                page=number,
                x=float(word["x"]),
                y=float(word["y"]),
                width=float(word["width"]),
                height=float(word["height"]),
            ),
            confidence=_SURE_ENOUGH if word.get("confidence") is None else float(word["confidence"]),
        )
        for word in page.get("words") or ()
    ]


def _joined(one: Box, other: Box) -> Box:
    left, top = min(one.x, other.x), min(one.y, other.y)
    right, bottom = max(one.x + one.width, other.x + other.width), max(one.y + one.height, other.y + other.height)
    return Box(page=one.page, x=left, y=top, width=right - left, height=bottom - top)
