"""Evidence: what facts were read from, with the span or the box of each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sqlalchemy import select

from overseen.api.reading.decoding import read_json, read_text
from overseen.blocking import run_blocking
from overseen.domain.facts import Fact, Source
from overseen.errors import NotFound
from overseen.playbooks import FactDefinition, load_playbook
from overseen.store import BlobStore, Database
from overseen.store.file_names import read_file_names
from overseen.store.tables import Attachment, CallRecord, Run

_IMAGES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
_CONTEXT_CHARACTERS = 110
# What `read_document` calls its pages and `inspect_image` its picture.
_PAGE_FILE = re.compile(r"(?:page-(?P<number>\d+)|photo)\.(?:jpe?g|png)")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of text and the facts read from it (fact ids), none for text between."""

    text: str
    fact_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MarkedBox:
    """A box of one fact, in fractions of the page."""

    fact_id: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class PageImage:
    """One page or photo. `blob` is the picture's SHA-256; `number` counts from 1."""

    number: int
    blob: str
    boxes: tuple[MarkedBox, ...]


@dataclass(frozen=True, kw_only=True)
class SourceView:
    """One thing facts were read from, ready to be shown. `kind` as in `overseen.domain.facts.Source`."""

    key: str
    kind: str
    name: str
    facts: tuple[Fact, ...]
    segments: tuple[Segment, ...] = ()
    pages: tuple[PageImage, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """A quote with a little of the text around it."""

    before: str
    quote: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All sources of a run.

    `source_of` maps fact id -> source key, `excerpts` fact id -> quote in its context. `titles` (by fact name) and
    `money` (fact names) are what the playbook says of its facts.
    """

    sources: tuple[SourceView, ...]
    source_of: Mapping[str, str] = field(default_factory=dict[str, str])
    excerpts: Mapping[str, Excerpt] = field(default_factory=dict[str, Excerpt])
    titles: Mapping[str, str] = field(default_factory=dict[str, str])
    money: frozenset[str] = frozenset()

    def source(self, key: str) -> SourceView | None:
        """The source with that key."""
        return next((source for source in self.sources if source.key == key), None)


def segmented(text: str, facts: Sequence[Fact]) -> tuple[Segment, ...]:
    """`text` cut at the ends of every span, so that overlapping spans can all be marked."""
    spans = [
        (fact.source.span.start, fact.source.span.end, fact.fact_id)
        for fact in facts
        if fact.source.span is not None and 0 <= fact.source.span.start < fact.source.span.end <= len(text)
    ]
    cuts = sorted({0, len(text), *(start for start, _, _ in spans), *(end for _, end, _ in spans)})
    return tuple(
        Segment(
            text=text[left:right],
            fact_ids=tuple(fact_id for start, end, fact_id in spans if start <= left and right <= end),
        )
        for left, right in pairwise(cuts)
    )


def excerpt(text: str, source: Source) -> Excerpt | None:
    """The quoted span with some text before and after, on one line."""
    if source.span is None:
        return None
    start, end = source.span.start, source.span.end
    before = " ".join(text[max(0, start - _CONTEXT_CHARACTERS) : start].split())
    after = " ".join(text[end : end + _CONTEXT_CHARACTERS].split())
    spaced_before = f"{before} " if before and text[start - 1 : start].isspace() else before
    spaced_after = f" {after}" if after and text[end : end + 1].isspace() else after
    return Excerpt(before=spaced_before, quote=source.span.quote, after=spaced_after)


class EvidenceReader:
    """Reads what facts came from. Access is the caller's business."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    async def evidence(self, run_id: str, facts: Sequence[Fact], playbook: str) -> Evidence:
        """The sources of `facts` in the order of the attachments, then messages, records and rules."""
        attachments, results = await self._of_run(run_id)
        own_names = await read_file_names(self._blobs, attachments)
        names = {item.blob: own_names[item.attachment_id] for item in attachments}
        grouped: dict[tuple[str, str, str | None], list[Fact]] = {}
        for fact in facts:
            grouped.setdefault(_key(fact.source, names), []).append(fact)
        for attachment in attachments:
            if not any(blob == attachment.blob for _, _, blob in grouped) and attachment.media_type in _IMAGES:
                grouped[("photo", own_names[attachment.attachment_id], attachment.blob)] = []
        order = {attachment.blob: position for position, attachment in enumerate(attachments)}
        keys = sorted(grouped, key=lambda key: (order.get(key[2] or "", len(order)), key[0], key[1]))
        sources: list[SourceView] = []
        source_of: dict[str, str] = {}
        excerpts: dict[str, Excerpt] = {}
        for number, (kind, name, blob) in enumerate(keys, start=1):
            members = tuple(grouped[(kind, name, blob)])
            text = await self._text(members)
            sources.append(
                SourceView(
                    key=f"source-{number}",
                    kind=kind,
                    name=name,
                    facts=members,
                    segments=segmented(text, members) if text else (),
                    pages=await self._pages(blob, members, attachments, results),
                )
            )
            for fact in members:
                source_of[fact.fact_id] = f"source-{number}"
                quoted = excerpt(text, fact.source) if text else None
                if quoted is not None:
                    excerpts[fact.fact_id] = quoted
        definitions = await run_blocking(_definitions, playbook)
        return Evidence(
            sources=tuple(sources),
            source_of=source_of,
            excerpts=excerpts,
            titles={definition.name: definition.title for definition in definitions},
            money=frozenset(definition.name for definition in definitions if definition.type == "money"),
        )

    async def image(self, run_id: str, sha256: str) -> tuple[bytes, str]:
        """A picture that belongs to the run: an image attachment or a page a tool drew. Raises NotFound."""
        attachments, results = await self._of_run(run_id)
        known = {item.blob for item in attachments}
        known |= {blob for result in results.values() for blob in _blobs_of(result).values()}
        media_type = await self._blobs.media_type_of(sha256) if sha256 in known else ""
        if media_type not in _IMAGES:
            raise NotFound("The run has no such picture.")
        return await self._blobs.get(sha256), media_type

    async def _of_run(self, run_id: str) -> tuple[Sequence[Attachment], dict[str, Any]]:
        async with self._database.read() as session:
            attachments = (
                await session.scalars(
                    select(Attachment)
                    .join(Run, Run.task_id == Attachment.task_id)
                    .where(Run.run_id == run_id)
                    .order_by(Attachment.position, Attachment.attachment_id)
                )
            ).all()
            calls = (
                await session.execute(
                    select(CallRecord.call_id, CallRecord.result_blob).where(
                        CallRecord.run_id == run_id, CallRecord.result_blob.is_not(None)
                    )
                )
            ).all()
        return attachments, {call_id: await read_json(self._blobs, blob) for call_id, blob in calls}

    async def _text(self, facts: Sequence[Fact]) -> str | None:
        for fact in facts:
            if fact.source.text_blob is not None:
                return await read_text(self._blobs, fact.source.text_blob)
        return None

    async def _pages(
        self, blob: str | None, facts: Sequence[Fact], attachments: Sequence[Attachment], results: Mapping[str, Any]
    ) -> tuple[PageImage, ...]:
        drawn: dict[int, str] = {}
        for fact in facts:
            for name, page_blob in _blobs_of(results.get(fact.source.call_id or "")).items():
                numbered = _PAGE_FILE.match(name)
                if numbered:
                    drawn[int(numbered.group("number") or 1)] = page_blob
        if not drawn and any(item.blob == blob and item.media_type in _IMAGES for item in attachments):
            drawn = {1: blob or ""}
        return tuple(
            PageImage(number=number, blob=page_blob, boxes=_boxes(facts, number))
            for number, page_blob in sorted(drawn.items())
        )


def _key(source: Source, names: Mapping[str, str]) -> tuple[str, str, str | None]:
    """What is one source: a file is one however its facts name it; anything else is told apart by kind and name."""
    if source.blob is not None and source.blob in names:
        return ("photo" if source.kind == "photo" else "document", names[source.blob], source.blob)
    return (source.kind, source.name, source.blob)


def _definitions(playbook: str) -> tuple[FactDefinition, ...]:
    """What the playbook says of its facts; nothing for a playbook that is no longer installed."""
    try:
        return load_playbook(playbook).facts
    except NotFound:
        return ()


def _boxes(facts: Sequence[Fact], page: int) -> tuple[MarkedBox, ...]:
    return tuple(
        MarkedBox(fact_id=fact.fact_id, x=box.x, y=box.y, width=box.width, height=box.height)
        for fact in facts
        for box in fact.source.boxes
        if box.page == page
    )


def _blobs_of(result: Any) -> Mapping[str, str]:
    blobs = result.get("blobs") if isinstance(result, dict) else None
    return blobs if isinstance(blobs, dict) else {}
