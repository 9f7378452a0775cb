"""The policy lookup's facts: everything from the record, and the clause that applies."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from overseen.agents.facts import FactMaker
from overseen.domain.calls import CallResult
from overseen.domain.facts import Fact, Source, Trust

_UNKNOWN = "unknown"
_MOST_CLAUSES = 5
_LEAST_OWN_WORDS = 2
_STEM_LENGTH = 5


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


@dataclass(frozen=True, kw_only=True)
class ChosenClause:
    """The clause the model chose, and how sure it was of it, 0..1."""

    clause: Mapping[str, Any]
    confidence: float


def clause_facts(maker: FactMaker, chosen: ChosenClause | None, result: CallResult | None) -> list[Fact]:
    """The clause the model chose among those the record returned, and whether it grants cover."""
    if chosen is None or result is None:
        return []
    clause = chosen.clause
    # The words are the insurer's own; which of them applies is the model's opinion, so its confidence goes along.
    source = Source(kind="record", name=f"clause {clause['clause_id']}: {clause['title']}", call_id=result.call_id)
    covers = clause["effect"] == "covers"
    return [
        maker.fact("clause", str(clause["clause_id"]), source, Trust.RECORD, chosen.confidence),
        maker.fact("covered", covers, source, Trust.RECORD, chosen.confidence),
    ]


def clauses_to_choose(result: CallResult | None, told: str) -> Sequence[Mapping[str, Any]]:
    """The clauses worth asking about, best first.

    Conditions say how a claim is made, not whether it is covered. An exclusion is considered only where the story holds
    words that are its own: a model that is shown "driving under the influence" finds it in any story with a drive.
    """
    found = result.value.get("clauses") if result is not None else None
    if not isinstance(found, list):
        return []
    story = _stems(told)
    kept = [
        clause
        for clause in found
        if clause["effect"] == "covers"
        or (clause["effect"] == "excludes" and _own_words_told(clause, found, story) >= _LEAST_OWN_WORDS)
    ]
    return kept[:_MOST_CLAUSES]


def _own_words_told(clause: Mapping[str, Any], clauses: Sequence[Mapping[str, Any]], story: frozenset[str]) -> int:
    """How much of the story is in words of this clause alone; a word of its title counts twice."""
    others = frozenset[str]().union(
        *(_stems(f"{item['title']} {item['body']}") for item in clauses if item is not clause)
    )
    own = (_stems(f"{clause['title']} {clause['body']}") - others) & story
    return len(own) + len(own & _stems(str(clause["title"])))


def _stems(text: str) -> frozenset[str]:
    """The longer words of a text cut to their first letters, so that mould and mouldy are the same."""
    return frozenset(word[:_STEM_LENGTH] for word in re.findall(r"[^\W\d_]{4,}", text.lower()))
