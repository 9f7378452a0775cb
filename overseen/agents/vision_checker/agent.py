"""The vision checker: quality and metadata first, then earlier claims, then a model that can see, if there is one."""

import json
from collections.abc import Sequence
from typing import Any

from overseen.agents.agent import Attachment, CallTools, Conclude, Move, Situation
from overseen.agents.documents import Reading, file_call, results_by_call
from overseen.agents.facts import FactMaker
from overseen.agents.vision_checker.facts import SeenPhoto, photo_facts
from overseen.domain.calls import CallResult, ToolCall
from overseen.domain.findings import Finding, Verdict
from overseen.domain.messages import ImageInput, Message, MessageRole
from overseen.guardrails.check import Guardrails, Subject
from overseen.models.types import ModelPort, ModelRequest
from overseen.prompts import PromptLibrary

_MOST_PHOTOS = 20
_MAX_MAILS = 20
_MOST_SEEN = 4
_MAIL = "message/rfc822"
_MOST_TOKENS = 90
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "shows": {"type": "string", "minLength": 3, "maxLength": 120},
        "damage_visible": {"type": "boolean"},
    },
    "required": ["shows", "damage_visible"],
    "additionalProperties": False,
}


class VisionChecker:
    """Looks at every photo. `vision` says whether a route of this installation takes images."""

    name = "vision_checker"
    tools = frozenset({"read_document", "inspect_image", "find_duplicate_photos"})
    needs = frozenset({"incident_date", "photographed_papers"})
    produces = frozenset(
        {
            "photos_count",
            "photos_usable",
            "photo_duplicate",
            "photo_before_incident",
            "photo_note",
            "photo_fingerprints",
        }
    )

    def __init__(
        self, models: ModelPort, prompts: PromptLibrary, guardrails: Guardrails, *, vision: bool = False
    ) -> None:
        self._models = models
        self._prompts = prompts
        self._guardrails = guardrails
        self._vision = vision

    async def think(self, situation: Situation) -> Move:
        """Open mails, inspect each photo, compare each with earlier claims, then conclude."""
        done = results_by_call(situation)
        opened, closed = _opened(situation, self.name, done)
        if missing := _missing([reading.call for reading in opened], done):
            return missing
        photos, left_out = _photos(situation, opened)
        inspections = [
            file_call(situation, self.name, "inspect_image", photo, len(opened) + place)
            for place, photo in enumerate(photos)
        ]
        if missing := _missing(inspections, done):
            return missing
        first_comparison = len(opened) + len(photos)
        comparisons = {
            call.call_id: _comparison(situation, self.name, done[call.call_id], first_comparison + place)
            for place, call in enumerate(inspections)
        }
        if missing := _missing([call for call in comparisons.values() if call is not None], done):
            return missing
        seen = [
            await self._look(situation, photo, done[call.call_id], _result(comparisons[call.call_id], done), place)
            for place, (photo, call) in enumerate(zip(photos, inspections, strict=True))
        ]
        findings = [finding for photo in seen for finding in photo.findings.values()]
        findings += self._unseen(seen) + _not_looked_at(left_out, closed)
        findings += await self._dates(situation, seen)
        everything = not left_out and not closed
        facts = photo_facts(FactMaker(situation), seen, everything=everything)
        return Conclude(facts=tuple(facts), findings=tuple(findings))

    async def _look(
        self,
        situation: Situation,
        photo: Attachment,
        inspected: CallResult,
        compared: CallResult | None,
        place: int,
    ) -> SeenPhoto:
        """Everything the checks say about one photo, and what a model sees on it."""
        incident = situation.facts.get("incident_date")
        subject, text = f"photo:{photo.name}", json.dumps(inspected.value)
        findings = {
            "photo_unusable": await self._guardrails.inspect("photo_unusable", Subject(name=subject, text=text)),
            "photo_before_incident": await self._guardrails.inspect(
                "photo_before_incident",
                Subject(name=subject, text=text, context={"incident_date": incident.value if incident else None}),
            ),
        }
        # A photo without fingerprints was compared with nothing, and the check says so.
        against = compared.value if compared is not None else {}
        findings["photo_duplicate"] = await self._guardrails.inspect(
            "photo_duplicate", Subject(name=subject, text=json.dumps(against))
        )
        usable = findings["photo_unusable"].verdict is Verdict.PASS
        shows = await self._describe(situation, photo, place) if usable and place < _MOST_SEEN else None
        return SeenPhoto(attachment=photo, inspected=inspected, compared=compared, findings=findings, shows=shows)

    async def _describe(self, situation: Situation, photo: Attachment, ordinal: int) -> str | None:
        """One sentence of a model that can see; None where no route can."""
        if not self._vision:
            return None
        prompt = self._prompts.get("vision_checker/describe_photo")
        image = ImageInput(blob=photo.blob, media_type=photo.media_type)
        shown = Message(role=MessageRole.USER, text="The photo.", images=(image,))
        answer = await self._models.complete(
            ModelRequest(
                run_id=situation.run_id,
                step_id=situation.step.step_id,
                agent=self.name,
                purpose="describe_photo",
                ordinal=ordinal,
                messages=(*prompt.messages({}), shown),
                schema=_SCHEMA,
                max_tokens=_MOST_TOKENS,
                region=situation.region,
                prompt=prompt.reference,
            )
        )
        said = answer.data or {}
        damage = "Damage can be seen." if said.get("damage_visible") else "No damage can be seen."
        return f"{str(said.get('shows', '')).rstrip('.')}. {damage}"

    async def _dates(self, situation: Situation, seen: Sequence[SeenPhoto]) -> list[Finding]:
        """Whether a photo says it was taken after it was handed in."""
        taken = [
            {"source": photo.attachment.name, "kind": "photo", "dates": [str(photo.value["taken_at"])[:10]]}
            for photo in seen
            if photo.value.get("taken_at")
        ]
        if not taken:
            return []
        today = situation.handed_in.isoformat() if situation.handed_in else None
        text = json.dumps({"handed_in": today, "incident": None, "papers": taken})
        return [await self._guardrails.inspect("dates_fit", Subject(name="photos:dates", text=text))]

    def _unseen(self, seen: Sequence[SeenPhoto]) -> list[Finding]:
        """What nobody looked at. No reason to stop by itself: the playbook's rules do not rest on what photos show."""
        if self._vision or not seen:
            return []
        return [
            Finding(
                check="vision_unavailable",
                verdict=Verdict.PASS,
                subject="photos",
                message="No model can see here, so what the photos show was not compared with the story.",
            )
        ]


def _opened(situation: Situation, agent: str, done: dict[str, CallResult]) -> tuple[list[Reading], list[Attachment]]:
    """The mails, those inside mails too, as far as they are opened; and those that cannot be or are too many."""
    opened: list[Reading] = []
    closed: list[Attachment] = []
    waiting = [item for item in situation.attachments if item.media_type == _MAIL]
    while waiting:
        mail = waiting.pop(0)
        if any(reading.attachment.blob == mail.blob for reading in opened):
            continue
        if len(opened) == _MAX_MAILS:
            closed.append(mail)
            continue
        call = file_call(situation, agent, "read_document", mail, len(opened))
        reading = Reading(attachment=mail, call=call, result=done.get(call.call_id))
        opened.append(reading)
        if reading.failed or reading.problems:
            closed.append(mail)
        waiting += [part for part in reading.enclosed() if part.media_type == _MAIL]
    return opened, closed


def _photos(situation: Situation, opened: Sequence[Reading]) -> tuple[list[Attachment], list[Attachment]]:
    """Photos to look at, each content once, without those that are papers; and those that are too many."""
    papers = situation.facts.get("photographed_papers")
    skip = set(str(papers.value).split()) if papers is not None else set[str]()
    found: dict[str, Attachment] = {}
    for item in (*situation.attachments, *(part for reading in opened for part in reading.enclosed())):
        if item.is_photo and item.blob not in skip:
            found.setdefault(item.blob, item)
    photos = list(found.values())
    return photos[:_MOST_PHOTOS], photos[_MOST_PHOTOS:]


def _comparison(situation: Situation, agent: str, inspected: CallResult, ordinal: int) -> ToolCall | None:
    """The call that compares a photo with earlier claims; a photo that could not be decoded has nothing to compare."""
    value = inspected.value if isinstance(inspected.value, dict) else {}
    if not value.get("phash") or not value.get("dhash"):
        return None
    return ToolCall(
        run_id=situation.run_id,
        step_id=situation.step.step_id,
        agent=agent,
        tool="find_duplicate_photos",
        arguments={"phash": value["phash"], "dhash": value["dhash"]},
        ordinal=ordinal,
    )


def _missing(calls: Sequence[ToolCall], done: dict[str, CallResult]) -> CallTools | None:
    missing = tuple(call for call in calls if call.call_id not in done)
    return CallTools(calls=missing) if missing else None


def _result(call: ToolCall | None, done: dict[str, CallResult]) -> CallResult | None:
    return None if call is None else done.get(call.call_id)


def _not_looked_at(left_out: Sequence[Attachment], closed: Sequence[Attachment]) -> list[Finding]:
    """Photos that are too many, and mails in which there may be more."""
    found: list[Finding] = []
    for items, message in (
        (left_out, f"{len(left_out)} photos were not looked at because there are too many."),
        (closed, f"{len(closed)} mails could not be opened whole, so photos in them were not looked at."),
    ):
        if items:
            found.append(
                Finding(
                    check="photos_looked_at",
                    verdict=Verdict.ABSTAIN,
                    subject="attachments",
                    message=message,
                    evidence={"names": [item.name for item in items[:50]]},
                )
            )
    return found
