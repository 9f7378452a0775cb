"""The policy lookup's facts: everything from the record, and the clause that applies."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from overseen.agents.facts import FactMaker
from overseen.domain.calls import CallResult
from overseen.domain.facts import Fact, Source, Trust

_UNKNOWN = "unknown"


def policy_facts(maker: FactMaker, result: CallResult | None, incident_date: str | None) -> list[Fact]:
    """Facts from `look_up_policy`; without a result (no policy number) nothing was looked up and nothing is said."""
    if result is None or "found" not in result.value:
        return []
    policy: Mapping[str, Any] | None = result.value.get("policy")

    def record(name: str, value: Any) -> Fact:
        return maker.record(name, value, "policies", result.call_id)

    if not policy:
        return [record("policy_found", False), record("policy_status", _UNKNOWN)]
    facts = [
        record("policy_found", True),
        record("policy_status", policy["status"]),
        record("policy_kind", policy["kind"]),
        record("policy_holder", policy["holder"]),
        record("policy_holder_email", policy["holder_email"]),
        record("excess", policy["excess"]),
        record("cover_limit", policy["cover_limit"]),
        record("policy_currency", policy["currency"]),
    ]
    if incident_date is not None:
        covers = policy["starts_on"] <= date.fromisoformat(incident_date).isoformat() <= policy["ends_on"]
        facts.append(maker.rule("policy_covers_date", covers, "period of the policy", result.call_id))
    return facts


def prior_claims_fact(maker: FactMaker, result: CallResult | None) -> list[Fact]:
    """How many claims came before; withdrawn ones count, since they were made."""
    claims = result.value.get("claims") if result is not None else None
    if result is None or not isinstance(claims, list):
        return []
    return [maker.record("prior_claims", len(claims), "claims", result.call_id)]


def clause_facts(
    maker: FactMaker, clause: Mapping[str, Any] | None, confidence: float, result: CallResult | None
) -> list[Fact]:
    """The clause the model chose among those the record returned, and whether it grants cover."""
    if clause is None or result is None:
        return []
    # The words are the insurer's own; which of them applies is the model's opinion, so its confidence goes along.
    source = Source(kind="record", name=f"clause {clause['clause_id']}: {clause['title']}", call_id=result.call_id)
    return [
        maker.fact("clause", str(clause["clause_id"]), source, Trust.RECORD, confidence),
        maker.fact("covered", clause["effect"] == "covers", source, Trust.RECORD, confidence),
    ]


def clauses_to_choose(result: CallResult | None) -> Sequence[Mapping[str, Any]]:
    """Clauses that grant or take away cover; conditions say how a claim is made, not whether it is covered."""
    found = result.value.get("clauses") if result is not None else None
    if not isinstance(found, list):
        return []
    return [clause for clause in found if clause.get("effect") in ("covers", "excludes")]
