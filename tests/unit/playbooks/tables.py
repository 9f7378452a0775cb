"""Decision tables as tests ask them: plain values in, rows out, with zen alone and nothing of ours in between."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import zen

from overseen.playbooks import Playbook, load_playbook

CLAIMS = load_playbook("claims_intake")
WEIGHT = ("settle", "ask", "deny", "refer")
STRICTNESS = ("automate", "assist", "human_only")
SAID_NOTHING: Mapping[str, Any] = {"flagged": [], "blocked": [], "abstained": [], "unsure": []}
SENTENCES: Mapping[str, Any] = {name: ["It said so."] for name in ("objections", "not_looked", "unsure_reasons")}

PLAIN_FACTS: Mapping[str, Any] = {
    "policy_number": "CAR-2214-KL",
    "claim_kind": "car",
    "incident_date": "2026-10-14",
    "claimant_name": "Priya Raman",
    "claimed_amount": "742.80",
    "estimate_total": "742.80",
    "currency": "GBP",
    "injury_reported": False,
    "claims_count": 1,
    "language": "en",
    "supporting_document": True,
    "photos_count": 1,
    "photos_usable": 1,
    "photo_duplicate": False,
    "photo_before_incident": False,
    "policy_found": True,
    "policy_status": "active",
    "policy_kind": "car",
    "policy_covers_date": True,
    "excess": "250.00",
    "cover_limit": "15000.00",
    "policy_currency": "GBP",
    "clause": "A2",
    "covered": True,
    "prior_claims": 0,
}


@cache
def _decision(name: str) -> zen.ZenDecision:
    return zen.ZenEngine().create_decision(json.dumps(CLAIMS.rules[name]))


def rows_of(name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    result: Any = _decision(name).evaluate(dict(values))["result"]
    return result


def with_sum(facts: Mapping[str, Any], playbook: Playbook = CLAIMS) -> dict[str, Any]:
    """Facts as the tables see them: every fact there, money as numbers, `basis` and `payable` worked out."""
    values: dict[str, Any] = {fact.name: facts.get(fact.name) for fact in playbook.facts}
    money = {name: Decimal(value) for name, value in values.items() if playbook.fact(name).type == "money" and value}
    basis = money.get("estimate_total", money.get("claimed_amount"))
    payable = None
    if basis is not None and "excess" in money:
        payable = min(basis, money.get("cover_limit", basis)) - money["excess"]
    numbers = {**money, "basis": basis, "payable": payable}
    return values | {name: None if amount is None else float(amount) for name, amount in numbers.items()}


def outcome_of(facts: Mapping[str, Any]) -> tuple[str, str | None, list[dict[str, Any]]]:
    """Outcome, amount with two decimals (None where nothing is paid), and the rows that speak for that outcome."""
    values = with_sum(facts)
    rows = rows_of("outcome", values)
    outcome = max((row["outcome"] for row in rows), key=WEIGHT.index)
    amount = f"{values['payable']:.2f}" if outcome == "settle" else None
    return outcome, amount, [row for row in rows if row["outcome"] == outcome]


def boundary_rows(facts: Mapping[str, Any], **said: Sequence[str]) -> list[dict[str, Any]]:
    outcome, amount, _ = outcome_of(facts)
    thresholds = {
        "automate_up_to": float(CLAIMS.boundary.automate_up_to),
        "automate_currency": CLAIMS.boundary.currency,
    }
    ruling = {"outcome": outcome, "amount": None if amount is None else float(amount)}
    return rows_of("boundary", {**with_sum(facts), **ruling, **thresholds, **SAID_NOTHING, **SENTENCES, **said})


def level_of(rows: Sequence[Mapping[str, Any]]) -> str:
    return max((row["level"] for row in rows), key=STRICTNESS.index, default="human_only")
