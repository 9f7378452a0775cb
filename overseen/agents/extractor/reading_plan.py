"""Which files are read, in which order: documents, then what was inside mails, then photos that may be papers."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from overseen.agents.agent import Attachment, Situation
from overseen.agents.documents import Reading, file_call, results_by_call
from overseen.agents.extractor.cues import bill_kind
from overseen.domain.calls import ToolCall

_MOST_DOCUMENTS = 20
_MOST_PHOTOS = 6
_PAPER_NAME = re.compile(
    r"receipt|invoice|estimate|quot|bill|scan|letter|form|till|page|rechnung|quittung|brief|kosten|facture|re[cç]u|devis",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class ReadingPlan:
    """`readings` are all files looked at so far, `missing` the calls still to be made, `left_out` what was too much."""

    readings: tuple[Reading, ...]
    missing: tuple[ToolCall, ...]
    left_out: tuple[Attachment, ...]


def plan_reading(situation: Situation, agent: str) -> ReadingPlan:
    """Rounds of files, each known only when the one before was read. The same situation gives the same calls."""
    readings: list[Reading] = []
    left_out: list[Attachment] = []
    done = results_by_call(situation)
    rounds: tuple[Callable[[Sequence[Reading]], list[Attachment]], ...] = (
        lambda _: [item for item in situation.attachments if _is_paper(item)],
        lambda read: [item for item in _enclosed(read) if _is_paper(item)],
        lambda read: _photos_to_try(situation, read),
    )
    for place, files in enumerate(rounds):
        limit = _MOST_PHOTOS if place == len(rounds) - 1 else _MOST_DOCUMENTS - len(readings)
        wanted = _unread(files(readings), readings)
        left_out += wanted[max(0, limit) :]
        for attachment in wanted[: max(0, limit)]:
            call = file_call(situation, agent, "read_document", attachment, len(readings))
            readings.append(Reading(attachment=attachment, call=call, result=done.get(call.call_id)))
        missing = tuple(reading.call for reading in readings if reading.result is None)
        if missing:
            return ReadingPlan(readings=tuple(readings), missing=missing, left_out=())
    return ReadingPlan(readings=tuple(readings), missing=(), left_out=tuple(left_out))


def all_photos(situation: Situation, readings: Iterable[Reading]) -> list[Attachment]:
    """Every picture handed in, alone or inside a mail, each content once."""
    found: dict[str, Attachment] = {}
    for item in (*situation.attachments, *_enclosed(readings)):
        if item.is_photo:
            found.setdefault(item.blob, item)
    return list(found.values())


def _is_paper(attachment: Attachment) -> bool:
    """Everything that is no picture, and pictures that are called like a paper."""
    return not attachment.is_photo or bool(_PAPER_NAME.search(attachment.name))


def _enclosed(readings: Iterable[Reading]) -> list[Attachment]:
    return [attachment for reading in readings for attachment in reading.enclosed()]


def _photos_to_try(situation: Situation, readings: Sequence[Reading]) -> list[Attachment]:
    """Pictures are read only where no bill was found so far: reading one costs seconds, and most show damage."""
    documents = [document for reading in readings if (document := reading.document()) is not None]
    if any(bill_kind(document) for document in documents):
        return []
    return all_photos(situation, readings)


def _unread(files: Iterable[Attachment], readings: Sequence[Reading]) -> list[Attachment]:
    known = {reading.attachment.blob for reading in readings}
    found: dict[str, Attachment] = {}
    for item in files:
        if item.blob not in known:
            found.setdefault(item.blob, item)
    return list(found.values())
