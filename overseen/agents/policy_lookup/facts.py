"""The policy lookup's facts: everything from the record, and the clause that applies."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from overseen.agents.facts import FactMaker
from overseen.domain.calls import CallResult
from overseen.domain.facts import Fact, Source, Trust

_UNKNOWN = "unknown"
_MOST_CLAUSES = 5
_LEAST_OWN_WORDS = 2
_STEM_LENGTH = 5
_AGREED = 0.95
_DOUBTFUL = 0.5


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


def weigh_clauses(
    chosen: Mapping[str, Any] | None, first: Mapping[str, Any], probability: float
) -> tuple[Mapping[str, Any] | None, float]:
    """The clause and how sure it is, from what the model chose and what the search found first.

    Where both agree on a clause that grants cover it is sure; where they do not and the model was not sure either, the
    search's first stands, for a person to look at.
    """
    if chosen is None:
        return None, 0.0
    if chosen is first and chosen["effect"] == "covers":
        return chosen, max(probability, _AGREED)
    if chosen is not first and probability < _DOUBTFUL:
        return first, _DOUBTFUL
    return chosen, probability


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
