"""The policy lookup with a model that says what the test tells it to."""

from typing import Any

import pytest

from overseen.agents.agent import CallTools
from overseen.agents.policy_lookup.agent import PolicyLookup
from overseen.domain.facts import Trust
from overseen.guardrails import standard_suite
from overseen.prompts import PromptLibrary
from overseen.testing import ScriptedModel
from tests.unit.agents.situations import MemoryTools, conclude, known, situation, values, verdicts

PROMPTS = PromptLibrary()
PROMPTS.get("policy_lookup/choose_clause").messages({"headings": "- x"})
SUITE = standard_suite()
POLICY = {
    "policy_number": "CAR-2214-KL",
    "kind": "car",
    "holder": "Priya Raman",
    "holder_email": "priya.raman@example.com",
    "status": "active",
    "starts_on": "2026-02-01",
    "ends_on": "2027-01-31",
    "excess": "250.00",
    "cover_limit": "15000.00",
    "currency": "GBP",
    "region": "uk",
}
CLAUSES = [
    {"clause_id": "A2", "title": "While parked", "body": "We pay for dents.", "effect": "covers", "rank": 2.0},
    {"clause_id": "A19", "title": "Excess", "body": "Taken from every payment.", "effect": "condition", "rank": 1.0},
    {"clause_id": "A14", "title": "Wear", "body": "We do not pay for rust.", "effect": "excludes", "rank": 0.5},
]
FACTS = {
    name: known(name, value)
    for name, value in {
        "policy_number": "CAR-2214-KL",
        "claim_kind": "car",
        "incident_date": "2026-10-14",
        "incident_summary": "When I came back there was a dent in the driver's door.",
        "claimant_name": "Priya Raman",
    }.items()
}


def lookup(*answers: Any) -> PolicyLookup:
    return PolicyLookup(ScriptedModel({"choose_clause": list(answers)}), PROMPTS, SUITE)


def record(**changes: Any) -> MemoryTools:
    answers = {
        "look_up_policy": {"found": True, "policy": POLICY},
        "search_policy_wording": {"clauses": CLAUSES},
        "list_prior_claims": {"claims": [{"claim_id": "CLM-1"}]},
    }
    return MemoryTools({**answers, **changes})


async def test_a_known_policy_gives_all_its_facts() -> None:
    agent = lookup({"cause": "parking", "heading": "While parked"})
    found = await conclude(agent, situation(agent, facts=FACTS), record())
    assert values(found) == {
        "policy_found": True,
        "policy_status": "active",
        "policy_kind": "car",
        "policy_holder": "Priya Raman",
        "policy_holder_email": "priya.raman@example.com",
        "excess": "250.00",
        "cover_limit": "15000.00",
        "policy_currency": "GBP",
        "policy_covers_date": True,
        "prior_claims": 1,
        "clause": "A2",
        "covered": True,
    }
    assert verdicts(found) == {"claimant_is_holder": "pass"}


async def test_arguments_name_the_facts_they_come_from() -> None:
    agent = lookup()
    move = await agent.think(situation(agent, facts=FACTS))
    assert isinstance(move, CallTools)
    assert {call.tool: dict(call.argument_facts) for call in move.calls} == {
        "look_up_policy": {"policy_number": "policy_number"},
        "list_prior_claims": {"policy_number": "policy_number"},
        "search_policy_wording": {"kind": "claim_kind", "query": "incident_summary"},
    }


async def test_the_model_chooses_among_clauses_about_cover_only() -> None:
    model = ScriptedModel({"choose_clause": [{"cause": "rust", "heading": "Wear"}]})
    agent = PolicyLookup(model, PROMPTS, SUITE)
    rusty = {
        **FACTS,
        "incident_summary": known("incident_summary", "Rust and wear went through the door while parked."),
    }
    found = await conclude(agent, situation(agent, facts=rusty), record())
    assert model.requests[0].schema is not None
    assert model.requests[0].schema["properties"]["heading"]["enum"] == ["While parked", "Wear"]
    assert values(found)["covered"] is False


async def test_no_clause_to_choose_from_leaves_cover_open() -> None:
    agent = lookup()
    found = await conclude(agent, situation(agent, facts=FACTS), record(search_policy_wording={"clauses": []}))
    assert not {"clause", "covered"} & set(values(found))


async def test_a_day_outside_the_period_is_not_covered() -> None:
    agent = lookup({"cause": "parking", "heading": "While parked"})
    facts = {**FACTS, "incident_date": known("incident_date", "2027-02-01")}
    found = await conclude(agent, situation(agent, facts=facts), record())
    assert values(found)["policy_covers_date"] is False


async def test_an_unknown_policy_is_said_to_be_unknown() -> None:
    agent = lookup({"cause": "parking", "heading": "While parked"})
    tools = record(look_up_policy={"found": False, "policy": None}, list_prior_claims={"claims": []})
    found = values(await conclude(agent, situation(agent, facts=FACTS), tools))
    assert (found["policy_found"], found["policy_status"], found["prior_claims"]) == (False, "unknown", 0)
    assert "excess" not in found


async def test_without_a_policy_number_nothing_is_looked_up() -> None:
    agent = lookup({"cause": "parking", "heading": "While parked"})
    facts = {name: fact for name, fact in FACTS.items() if name != "policy_number"}
    tools = record()
    found = await conclude(agent, situation(agent, facts=facts), tools)
    assert [call.tool for call in tools.made] == ["search_policy_wording"]
    assert "policy_found" not in values(found)


async def test_somebody_else_than_the_holder_is_flagged() -> None:
    agent = lookup({"cause": "parking", "heading": "While parked"})
    facts = {**FACTS, "claimant_name": known("claimant_name", "Peter Asante")}
    found = await conclude(agent, situation(agent, facts=facts), record())
    assert verdicts(found) == {"claimant_is_holder": "flag"}


@pytest.mark.parametrize("claimant", [None, "Priya", "Raman"])
async def test_a_holder_check_that_finds_no_full_name_says_that_it_could_not_look(claimant: str | None) -> None:
    agent = lookup({"cause": "parking", "heading": "While parked"})
    facts = {name: fact for name, fact in FACTS.items() if name != "claimant_name"}
    if claimant is not None:
        facts["claimant_name"] = known("claimant_name", claimant)
    found = await conclude(agent, situation(agent, facts=facts), record())
    assert verdicts(found) == {"claimant_is_holder": "abstain"}


async def test_what_the_record_says_is_trusted_as_a_record() -> None:
    agent = lookup({"cause": "parking", "heading": "While parked"})
    found = await conclude(agent, situation(agent, facts=FACTS), record())
    holder = next(fact for fact in found.facts if fact.name == "policy_holder")
    assert (holder.trust, holder.source.kind, holder.source.name) == (Trust.RECORD, "record", "policies")


async def test_a_lookup_that_failed_says_nothing_about_the_policy() -> None:
    agent = lookup({"cause": "parking", "heading": "While parked"})
    tools = record(look_up_policy={"failed": {"code": "tool_failed", "message": "It broke."}})
    assert "policy_found" not in values(await conclude(agent, situation(agent, facts=FACTS), tools))


FIRE = {"clause_id": "A4", "title": "Fire", "body": "We pay for fire.", "effect": "covers", "rank": 0.4}


async def confidences(heading: str, *clauses: Any) -> dict[str, float | None]:
    model = ScriptedModel({"choose_clause": [{"cause": "it", "heading": heading}]}, probability=0.6)
    agent = PolicyLookup(model, PROMPTS, SUITE)
    facts = {**FACTS, "incident_story": known("incident_story", "Rust and wear went through the parked door.")}
    tools = record(search_policy_wording={"clauses": list(clauses)})
    found = await conclude(agent, situation(agent, facts=facts), tools)
    return {fact.name: round(fact.confidence or 0, 2) for fact in found.facts if fact.name in ("clause", "covered")}


async def test_a_choice_is_no_surer_for_being_what_the_search_found_first() -> None:
    assert await confidences("While parked", *CLAUSES) == {"clause": 0.6, "covered": 0.6}


async def test_a_choice_is_no_surer_for_all_clauses_on_offer_granting_cover() -> None:
    assert await confidences("Fire", CLAUSES[0], FIRE) == {"clause": 0.6, "covered": 0.6}


async def test_an_exclusion_is_never_surer_than_the_model() -> None:
    assert await confidences("Wear", CLAUSES[2], CLAUSES[0]) == {"clause": 0.6, "covered": 0.6}


async def test_an_exclusion_is_not_offered_to_a_story_that_says_nothing_of_it() -> None:
    model = ScriptedModel({"choose_clause": [{"cause": "it", "heading": "While parked"}]})
    agent = PolicyLookup(model, PROMPTS, SUITE)
    await conclude(agent, situation(agent, facts=FACTS), record())
    assert model.requests[0].schema is not None
    assert model.requests[0].schema["properties"]["heading"]["enum"] == ["While parked"]


async def test_the_claimants_own_story_is_searched_where_there_is_one() -> None:
    agent = lookup({"cause": "parking", "heading": "While parked"})
    facts = {**FACTS, "incident_story": known("incident_story", "I parked. I came back. There was a dent.")}
    tools = record()
    await conclude(agent, situation(agent, facts=facts), tools)
    search = next(call for call in tools.made if call.tool == "search_policy_wording")
    assert search.arguments["query"] == "I parked. I came back. There was a dent."
    assert search.argument_facts["query"] == "incident_story"
