"""A scripted model that reads like a good one: it picks the mark behind what is true about the case."""

import re
from collections.abc import Mapping
from typing import Any

from overseen.models.types import ModelRequest
from overseen.testing import ScriptedModel

TRUTH: Mapping[str, str] = {
    "incident_date": "14 October 2026",
    "policy_number": "CAR-2214-KL",
    "claimed_amount": "742.80",
    "account": "60317752",
    "claimant": "Priya Raman",
    "total_to_pay": "742.80",
}


def mark_behind(text: str, wanted: str, marks: list[str]) -> str:
    """The last of `marks` that stands behind `wanted` in the text (totals come last); none when there is none."""
    found = [
        mark
        for mark in marks
        if re.search(rf"{re.escape(wanted)}(?:\s*\[[A-Z]\d+\])*\s*\[{mark}\]", text, re.IGNORECASE)
    ]
    return found[-1] if found else "none"


def read(request: ModelRequest) -> dict[str, Any]:
    """Answers the questions about a letter or bill."""
    text = "\n".join(message.text for message in request.messages)
    plain: dict[str, Any] = {
        "claim_kind": "car",
        "somebody_hurt": False,
        "number_of_claims": 1,
        "kind": "estimate",
        "claimant": TRUTH["claimant"],
    }
    answer: dict[str, Any] = {}
    for name, question in (request.schema or {})["properties"].items():
        marks = [item for item in question.get("enum", []) if re.fullmatch(r"[A-Z]\d+", str(item))]
        if marks and name in TRUTH:
            answer[name] = mark_behind(text, TRUTH[name], marks)
        elif name == "what_happened":
            answer[name] = next(
                (mark for mark in marks if re.search(rf"\[{mark}\][^\[]*car park", text)), (marks or ["none"])[0]
            )
        else:
            answer[name] = plain[name]
    return answer


def choose_clause(request: ModelRequest) -> dict[str, Any]:
    """A2 (accidental damage to the car) when it is offered."""
    offered = (request.schema or {})["properties"]["clause"]["enum"]
    return {"clause": "A2" if "A2" in offered else offered[0]}


def scripted_reader() -> ScriptedModel:
    """Good answers for the sample case car_door_plain, as often as they are wanted."""
    return ScriptedModel(
        {
            "plan": lambda _: {
                "steps": [
                    {"agent": "extractor", "goal": "Read the papers."},
                    {"agent": "vision_checker", "goal": "Look at the photo."},
                    {"agent": "policy_lookup", "goal": "Find the policy."},
                ]
            },
            "read_letter": read,
            "read_bill": read,
            "choose_clause": choose_clause,
            "explain": lambda _: {
                "sentences": [{"text": "The claim is covered by the policy and 492.80 is paid.", "facts": ["excess"]}]
            },
            "answer": lambda _: {"answer": "The excess is 250.00.", "facts": ["excess"]},
        }
    )
