"""The vision checker."""

import json
from typing import Any

import pytest

from overseen.agents.agent import CallTools
from overseen.agents.vision_checker.agent import VisionChecker
from overseen.guardrails import standard_suite
from overseen.prompts import PromptLibrary
from overseen.testing import ScriptedModel
from tests.unit.agents.situations import (
    MemoryTools,
    attachment,
    conclude,
    known,
    read_result,
    situation,
    values,
    verdicts,
)

PROMPTS = PromptLibrary()
PROMPTS.get("vision_checker/describe_photo").messages({})
SUITE = standard_suite()
PHOTO = attachment("door.jpg", "image/jpeg")
OTHER = attachment("door 2.jpg", "image/jpeg")
FACTS = {"incident_date": known("incident_date", "2026-10-14")}


def inspected(**changes: Any) -> dict[str, Any]:
    usual = {"usable": True, "problems": [], "phash": "a" * 16, "dhash": "b" * 16, "taken_at": "2026-10-14T17:14:09"}
    return {"inspect_image": {**usual, **changes}}


def tools(photos: dict[str, dict[str, Any]], matches: list[dict[str, Any]] | None = None) -> MemoryTools:
    return MemoryTools({"find_duplicate_photos": {"matches": matches or []}}, photos)


def checker(model: ScriptedModel | None = None, *, vision: bool = False) -> VisionChecker:
    return VisionChecker(model or ScriptedModel({}), PROMPTS, SUITE, vision=vision)


async def test_a_good_photo_passes_every_check() -> None:
    agent = checker()
    found = await conclude(agent, situation(agent, attachments=(PHOTO,), facts=FACTS), tools({PHOTO.blob: inspected()}))
    seen = values(found)
    assert (seen["photos_count"], seen["photos_usable"]) == (1, 1)
    assert (seen["photo_duplicate"], seen["photo_before_incident"]) == (False, False)
    assert json.loads(seen["photo_fingerprints"]) == [{"name": "1-door.jpg", "phash": "a" * 16, "dhash": "b" * 16}]
    assert set(verdicts(found).values()) == {"pass"}


async def test_it_says_that_no_model_looked_at_the_photo() -> None:
    agent = checker()
    found = await conclude(agent, situation(agent, attachments=(PHOTO,), facts=FACTS), tools({PHOTO.blob: inspected()}))
    assert "No model looked at what the photos show." in values(found)["photo_note"]
    assert verdicts(found)["vision_unavailable"] == "pass"


async def test_a_blurred_photo_is_counted_but_not_usable() -> None:
    agent = checker()
    blurred = inspected(usable=False, problems=[{"code": "blurred", "message": "The picture is blurred."}])
    photos = {PHOTO.blob: inspected(), OTHER.blob: blurred}
    found = await conclude(agent, situation(agent, attachments=(PHOTO, OTHER), facts=FACTS), tools(photos))
    assert (values(found)["photos_count"], values(found)["photos_usable"]) == (2, 1)
    assert [finding.subject for finding in found.findings if finding.verdict.value == "flag"] == ["photo:door 2.jpg"]


async def test_a_photo_that_cannot_be_decoded_is_not_compared() -> None:
    agent = checker()
    broken = inspected(usable=False, phash=None, dhash=None, taken_at=None)
    answers = tools({PHOTO.blob: broken})
    found = await conclude(agent, situation(agent, attachments=(PHOTO,), facts=FACTS), answers)
    assert [call.tool for call in answers.made] == ["inspect_image"]
    assert values(found)["photos_usable"] == 0
    assert "photo_fingerprints" not in values(found)


async def test_a_photo_of_an_earlier_claim_is_a_duplicate() -> None:
    agent = checker()
    matches = [{"claim_id": "CLM-2026-0007", "photo_name": "blue_door.jpg", "distance": 2}]
    answers = tools({PHOTO.blob: inspected()}, matches)
    found = await conclude(agent, situation(agent, attachments=(PHOTO,), facts=FACTS), answers)
    assert values(found)["photo_duplicate"] is True
    assert verdicts(found)["photo_duplicate"] == "block"


async def test_a_photo_older_than_the_incident_is_noticed() -> None:
    agent = checker()
    answers = tools({PHOTO.blob: inspected(taken_at="2026-08-30T13:05:02")})
    found = await conclude(agent, situation(agent, attachments=(PHOTO,), facts=FACTS), answers)
    assert values(found)["photo_before_incident"] is True


async def test_photographed_papers_are_no_photos_of_damage() -> None:
    agent = checker()
    receipt = attachment("receipt.png", "image/png")
    facts = {**FACTS, "photographed_papers": known("photographed_papers", receipt.blob)}
    start = situation(agent, attachments=(PHOTO, receipt), facts=facts)
    found = await conclude(agent, start, tools({PHOTO.blob: inspected()}))
    assert values(found)["photos_count"] == 1


async def test_photos_inside_a_mail_are_looked_at() -> None:
    agent = checker()
    mail = attachment("claim.eml", "message/rfc822")
    inside = [{"name": "door.jpg", "file": "attachment-1.jpg", "media_type": "image/jpeg", "size": 9}]
    answers = tools({mail.blob: {"read_document": read_result("Hello", attachments=inside)}, PHOTO.blob: inspected()})
    answers.blobs = {mail.blob: {"attachment-1.jpg": PHOTO.blob}}
    found = await conclude(agent, situation(agent, attachments=(mail,), facts=FACTS), answers)
    assert values(found)["photos_count"] == 1


async def test_the_same_photo_twice_counts_once() -> None:
    agent = checker()
    again = attachment("door.jpg", "image/jpeg")
    move = await agent.think(situation(agent, attachments=(PHOTO, again)))
    assert isinstance(move, CallTools)
    assert len(move.calls) == 1


async def test_no_photo_is_said_to_be_none() -> None:
    agent = checker()
    found = await conclude(agent, situation(agent), tools({}))
    assert values(found)["photos_count"] == 0
    assert values(found)["photo_note"].startswith("No photo was handed in.")


async def test_a_model_that_can_see_says_what_the_photo_shows() -> None:
    model = ScriptedModel({"describe_photo": [{"shows": "A dented car door", "damage_visible": True}]}, vision=True)
    agent = checker(model, vision=True)
    found = await conclude(agent, situation(agent, attachments=(PHOTO,), facts=FACTS), tools({PHOTO.blob: inspected()}))
    assert "A dented car door. Damage can be seen." in values(found)["photo_note"]
    assert model.requests[0].needs_vision


@pytest.mark.parametrize("compared", [True, False])
async def test_a_photo_compared_with_nothing_is_not_said_to_be_new(compared: bool) -> None:
    agent = checker()
    broken = inspected(usable=False, phash=None, dhash=None, taken_at=None)
    photos = {PHOTO.blob: inspected()} | ({} if compared else {OTHER.blob: broken})
    start = situation(agent, attachments=(PHOTO,) if compared else (PHOTO, OTHER), facts=FACTS)
    found = await conclude(agent, start, tools(photos))
    assert values(found).get("photo_duplicate") is (False if compared else None)
    assert verdicts(found)["photo_duplicate"] == ("pass" if compared else "abstain")


async def test_photos_that_are_too_many_to_look_at_leave_signs_of_fraud_open() -> None:
    agent = checker()
    many = tuple(attachment(f"{number}.jpg", "image/jpeg") for number in range(25))
    answers = tools({photo.blob: inspected() for photo in many})
    found = await conclude(agent, situation(agent, attachments=many, facts=FACTS), answers)
    assert not {"photo_duplicate", "photo_before_incident"} & set(values(found))
    assert verdicts(found)["photos_looked_at"] == "abstain"


async def test_a_mail_that_cannot_be_opened_leaves_signs_of_fraud_open() -> None:
    agent = checker()
    mail = attachment("claim.eml", "message/rfc822")
    refused = read_result("", refused={"code": "damaged", "message": "It is damaged."})
    answers = tools({mail.blob: {"read_document": refused}, PHOTO.blob: inspected()})
    found = await conclude(agent, situation(agent, attachments=(mail, PHOTO), facts=FACTS), answers)
    assert "photo_duplicate" not in values(found)
    assert verdicts(found)["photos_looked_at"] == "abstain"


async def test_photos_inside_a_mail_inside_a_mail_are_looked_at() -> None:
    agent = checker()
    outer, inner = attachment("outer.eml", "message/rfc822"), attachment("inner.eml", "message/rfc822")
    mail_part = {"name": "inner.eml", "file": "attachment-1.eml", "media_type": "message/rfc822", "size": 9}
    photo_part = {"name": "door.jpg", "file": "attachment-1.jpg", "media_type": "image/jpeg", "size": 9}
    answers = tools(
        {
            outer.blob: {"read_document": read_result("Hello", attachments=[mail_part])},
            inner.blob: {"read_document": read_result("Hello", attachments=[photo_part])},
            PHOTO.blob: inspected(),
        }
    )
    answers.blobs = {outer.blob: {"attachment-1.eml": inner.blob}, inner.blob: {"attachment-1.jpg": PHOTO.blob}}
    found = await conclude(agent, situation(agent, attachments=(outer,), facts=FACTS), answers)
    assert values(found)["photos_count"] == 1


async def test_a_photo_taken_after_it_was_handed_in_is_flagged() -> None:
    agent = checker()
    answers = tools({PHOTO.blob: inspected(taken_at="2027-01-05T10:00:00")})
    found = await conclude(agent, situation(agent, attachments=(PHOTO,), facts=FACTS), answers)
    assert verdicts(found)["dates_fit"] == "flag"


async def test_a_dated_photo_without_a_date_of_the_incident_cannot_be_judged() -> None:
    agent = checker()
    found = await conclude(agent, situation(agent, attachments=(PHOTO,)), tools({PHOTO.blob: inspected()}))
    assert "photo_before_incident" not in values(found)
    assert verdicts(found)["photo_before_incident"] == "abstain"
