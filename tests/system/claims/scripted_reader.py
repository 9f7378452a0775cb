"""A scripted model that reads like a good one: of the words it may choose from, it takes those that are true."""

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


def read(request: ModelRequest) -> dict[str, Any]:
    """Answers the questions about a letter or bill."""
    plain: dict[str, Any] = {
        "claim_kind": "car",
        "somebody_hurt": False,
        "number_of_claims": 1,
        "another_claim": False,
        "kind": "estimate",
        "what_happened": "Another car dented the driver's door in a car park.",
        "claimant": TRUTH["claimant"],
    }
    answer: dict[str, Any] = {}
    for name, question in (request.schema or {})["properties"].items():
        offered = [str(item) for item in question.get("enum", [])]
        if offered and name in TRUTH:
            answer[name] = next((item for item in offered if TRUTH[name] in item), "none")
        else:
            answer[name] = plain.get(name, "none")
    return answer


def choose_clause(request: ModelRequest) -> dict[str, Any]:
    """A2 (damage to a parked car) when it is offered."""
    offered = [str(item) for item in (request.schema or {})["properties"]["heading"]["enum"]]
    return {"cause": "parked", "heading": next((item for item in offered if "parked" in item), offered[0])}


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
            "read_further_part": read,
            "choose_clause": choose_clause,
            "explain": lambda _: {"explanation": "The claim is covered by the policy and 492.80 is paid."},
            "answer": lambda _: {"answer": "The excess is 250.00.", "facts": ["excess"]},
        }
    )
