import json
from typing import Any

import pytest

from overseen.domain.findings import Verdict
from overseen.guardrails.check import Subject
from overseen.guardrails.photos import judge_photo_before_incident, judge_photo_duplicate, judge_photo_unusable


def subject(content: Any, **context: object) -> Subject:
    return Subject(name="photo:x.jpg", text=json.dumps(content), context=context)


def test_a_photo_that_shows_nothing_says_why() -> None:
    judgement = judge_photo_unusable(
        subject({"usable": False, "problems": [{"code": "blurred", "message": "It is blurred."}]})
    )
    assert judgement.verdict is Verdict.FLAG
    assert judgement.message.endswith("It is blurred.")
    assert judge_photo_unusable(subject({"usable": True})).verdict is Verdict.PASS
    assert judge_photo_unusable(subject({"failed": {"code": "x"}})).verdict is Verdict.ABSTAIN


def test_a_photo_of_an_earlier_claim_is_refused_unless_the_claim_is_this_one() -> None:
    matches = {"matches": [{"claim_id": "CLM-1", "photo_name": "a.jpg", "distance": 2}]}
    assert judge_photo_duplicate(subject(matches)).verdict is Verdict.BLOCK
    assert judge_photo_duplicate(subject(matches, own_claims=["CLM-1"])).verdict is Verdict.PASS
    assert judge_photo_duplicate(subject({"matches": []})).verdict is Verdict.PASS
    assert judge_photo_duplicate(subject({})).verdict is Verdict.ABSTAIN


@pytest.mark.parametrize(
    ("taken_at", "incident", "verdict"),
    [
        ("2026-08-30T13:05:02", "2026-10-09", Verdict.BLOCK),
        ("2026-10-09T00:00:01", "2026-10-09", Verdict.PASS),
        (None, "2026-10-09", Verdict.PASS),
        ("2026-10-09T00:00:01", None, Verdict.ABSTAIN),
        ("soon", "2026-10-09", Verdict.ABSTAIN),
    ],
)
def test_a_photo_older_than_the_incident_is_refused(
    taken_at: str | None, incident: str | None, verdict: Verdict
) -> None:
    assert judge_photo_before_incident(subject({"taken_at": taken_at}, incident_date=incident)).verdict is verdict
