"""What of a run its requester may be told."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from overseen.domain.disclosure import Disclosure, ShownTo, told_ruling
from overseen.domain.facts import Fact, Trust
from overseen.domain.outcomes import Outcome, Ruling
from overseen.playbooks import load_playbook
from tests.unit.supervisor.cases import fact

CLAIMS = load_playbook("claims_intake")
OWN = ("policy_number", "incident_date", "estimate_total")
LOOKED_UP = (
    "policy_found",
    "policy_status",
    "policy_kind",
    "policy_holder",
    "policy_covers_date",
    "excess",
    "cover_limit",
    "policy_currency",
    "clause",
    "covered",
)
FOR_REVIEWERS = ("photo_duplicate", "photo_before_incident", "photo_note", "prior_claims", "policy_holder_email")
ADDRESS = "priya.raman@example.com"
SETTLED = Ruling(
    outcome=Outcome.SETTLE,
    amount=Decimal("492.80"),
    currency="GBP",
    sum_terms=(("estimate", Decimal("742.80")), ("excess", Decimal(-250))),
    reasons=("Clause A2 covers it.",),
    rules=("S1",),
    missing=(),
    decision_class="plain",
)


def run_facts(**changes: Any) -> list[Fact]:
    """Facts of the papers, facts of records with the holder's address, and facts worked out by rules."""
    found = [fact(name, "told") for name in OWN]
    found += [fact(name, "looked up", trust=Trust.RECORD) for name in LOOKED_UP]
    found += [fact(name, "seen", trust=Trust.RULE) for name in FOR_REVIEWERS[:4]]
    found.append(fact("policy_holder_email", changes.get("address", ADDRESS), trust=changes.get("trust", Trust.RECORD)))
    return found


def told(facts: list[Fact], address: str | None, rules: Disclosure = CLAIMS.disclosure) -> set[str]:
    details = rules.details_are_told(facts, address)
    return {fact.name for fact in rules.told_facts(facts, details_told=details)}


def test_the_holder_is_told_what_a_customer_needs_and_no_sign_of_fraud() -> None:
    assert told(run_facts(), " Priya.Raman@example.com") == {*OWN, *LOOKED_UP}


@pytest.mark.parametrize("address", [None, "", " ", "max@example.com", "priya.raman@example.com.evil.example"])
def test_anybody_else_is_told_what_they_said_themselves(address: str | None) -> None:
    assert told(run_facts(), address) == set(OWN)


def test_an_address_that_stands_in_a_letter_proves_nothing() -> None:
    assert told(run_facts(trust=Trust.DOCUMENT), ADDRESS) & set(LOOKED_UP) == set()
    assert told(run_facts(trust=Trust.REQUESTER), ADDRESS) & set(LOOKED_UP) == set()


@pytest.mark.parametrize("address", [None, ""])
def test_a_record_without_an_address_is_nobodys(address: str | None) -> None:
    assert told(run_facts(address=address), address) & set(LOOKED_UP) == set()


def test_a_playbook_that_says_nothing_shows_nothing_that_was_looked_up() -> None:
    assert told(run_facts(), ADDRESS, Disclosure()) & {*LOOKED_UP, *FOR_REVIEWERS[:4]} == set()
    assert told([fact("policy_number", "told")], None, Disclosure()) == {"policy_number"}


def test_what_was_not_declared_is_not_shown_even_to_the_holder() -> None:
    rules = Disclosure(theirs_when="policy_holder_email", shown_to={"excess": ShownTo.REQUESTER})
    assert told(run_facts(), ADDRESS, rules) & set(LOOKED_UP) == {"excess"}


def test_a_fact_of_their_own_papers_can_be_kept_for_reviewers() -> None:
    rules = Disclosure(shown_to={"policy_number": ShownTo.REVIEWER})
    assert told([fact("policy_number", "told")], None, rules) == set()


def test_whether_there_is_such_a_record_is_not_told() -> None:
    there = run_facts()
    missing = [*(fact(name, "told") for name in OWN), fact("policy_found", value=False, trust=Trust.RECORD)]
    assert told(there, None) == told(missing, None)


def test_nothing_looked_up_leaves_nothing_to_keep_back() -> None:
    assert CLAIMS.disclosure.details_are_told([fact("policy_number", "told")], None)


def test_without_details_a_ruling_is_its_outcome_and_what_is_asked_for() -> None:
    asked = replace(SETTLED, outcome=Outcome.ASK, missing=("a photo",))
    bare = told_ruling(asked, details_told=False)
    assert (bare.outcome, bare.missing) == (Outcome.ASK, ("a photo",))
    assert (bare.amount, bare.sum_terms, bare.reasons, bare.rules, bare.decision_class) == (None, (), (), (), "")
    assert told_ruling(SETTLED, details_told=True) == SETTLED


def test_why_something_was_referred_to_a_person_is_told_to_nobody() -> None:
    """Among the reasons are signs of fraud: a photo of an earlier claim, a photo from before the incident."""
    referred = replace(SETTLED, outcome=Outcome.REFER, amount=None, reasons=("A photo came with an earlier claim.",))
    assert told_ruling(referred, details_told=True).reasons == ()


def test_every_fact_of_the_sample_playbook_that_is_looked_up_says_who_sees_it() -> None:
    looked_up = {*CLAIMS.agent("policy_lookup").produces, *CLAIMS.agent("vision_checker").produces}
    assert {name for name in looked_up if CLAIMS.fact(name).shown_to is None} == set()
