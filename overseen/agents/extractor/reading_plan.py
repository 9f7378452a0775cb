"""Which files are read, in which order: documents, what was inside mails however deep, then photos."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from overseen.agents.agent import Attachment, Situation
from overseen.agents.documents import Reading, file_call, results_by_call
from overseen.domain.calls import ToolCall

_MAX_DOCUMENTS = 20
_MAX_PHOTOS = 6
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
    reading = _Rounds(situation, agent)
    papers = [item for item in situation.attachments if _is_paper(item)]
    while papers:
        if missing := reading.take(papers, _MAX_DOCUMENTS - len(reading.readings)):
            return ReadingPlan(readings=tuple(reading.readings), missing=missing, left_out=())
        # A mail may hold mails, so what they held is looked through until nothing new turns up.
        papers = [item for item in reading.unread(_enclosed(reading.readings)) if _is_paper(item)]
    # Any picture may be a letter, also where a bill was found: what it tells must not go unread.
    missing = reading.take(all_photos(situation, reading.readings), _MAX_PHOTOS)
    left_out = () if missing else tuple(reading.left_out.values())
    return ReadingPlan(readings=tuple(reading.readings), missing=missing, left_out=left_out)


class _Rounds:
    """The files taken so far, round by round, each content once."""

    def __init__(self, situation: Situation, agent: str) -> None:
        self.readings: list[Reading] = []
        self.left_out: dict[str, Attachment] = {}
        self._situation = situation
        self._agent = agent
        self._done = results_by_call(situation)

    def take(self, files: Iterable[Attachment], limit: int) -> tuple[ToolCall, ...]:
        """Take up to `limit` of the files and leave out the others; the calls that the next round waits for."""
        wanted = self.unread(files)
        self.left_out |= {item.blob: item for item in wanted[max(0, limit) :]}
        for attachment in wanted[: max(0, limit)]:
            call = file_call(self._situation, self._agent, "read_document", attachment, len(self.readings))
            self.readings.append(Reading(attachment=attachment, call=call, result=self._done.get(call.call_id)))
        return tuple(reading.call for reading in self.readings if reading.result is None)

    def unread(self, files: Iterable[Attachment]) -> list[Attachment]:
        """Those that were neither taken nor left out before."""
        known = {reading.attachment.blob for reading in self.readings} | set(self.left_out)
        found: dict[str, Attachment] = {}
        for item in files:
            if item.blob not in known:
                found.setdefault(item.blob, item)
        return list(found.values())


def all_photos(situation: Situation, readings: Iterable[Reading]) -> list[Attachment]:
    """Every picture handed in, alone or inside a mail, each content once."""
    found: dict[str, Attachment] = {}
    for item in (*situation.attachments, *_enclosed(readings)):
        if item.is_photo:
            found.setdefault(item.blob, item)
    return list(found.values())


def called_like_a_paper(attachment: Attachment) -> bool:
    """Whether a file is called like a letter, bill or scan."""
    return bool(_PAPER_NAME.search(attachment.name))


def _is_paper(attachment: Attachment) -> bool:
    """Everything that is no picture, and pictures that are called like a paper."""
    return not attachment.is_photo or called_like_a_paper(attachment)


def _enclosed(readings: Iterable[Reading]) -> list[Attachment]:
    return [attachment for reading in readings for attachment in reading.enclosed()]
