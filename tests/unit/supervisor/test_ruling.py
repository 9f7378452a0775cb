from decimal import Decimal

import pytest

from overseen.domain.outcomes import Outcome
from overseen.errors import Misconfigured
from overseen.supervisor.context import evaluate_rules, json_text
from overseen.supervisor.ruling import compute_ruling, compute_sum
from tests.unit.supervisor.cases import PLAYBOOK, facts


def test_a_plain_claim_is_settled_with_an_exact_sum() -> None:
    ruling = compute_ruling(PLAYBOOK, facts())
    assert ruling.outcome is Outcome.SETTLE
    assert ruling.amount == Decimal("492.80")
    assert ruling.sum_terms == (("estimate", Decimal("742.80")), ("excess", Decimal("-250.00")))
    assert ruling.rules == ("S1",)


def test_terms_add_up_to_the_amount_when_the_limit_cuts() -> None:
    ruling = compute_ruling(PLAYBOOK, facts(estimate_total="20000.10"))
    assert ruling.amount == Decimal("14750.00")
    assert sum((term for _, term in ruling.sum_terms), Decimal(0)) == ruling.amount
    assert dict(ruling.sum_terms)["limit"] == Decimal("-5000.10")


def test_without_an_estimate_total_the_claimed_sum_counts() -> None:
    assert compute_sum(facts(estimate_total=None, claimed_amount="300.00")).amount == Decimal("50.00")


@pytest.mark.parametrize(
    ("changes", "outcome", "rule"),
    [
        ({"injury_reported": True}, Outcome.REFER, "R1"),
        ({"policy_found": False, "policy_status": "unknown"}, Outcome.REFER, "R2"),
        ({"claims_count": 2}, Outcome.REFER, "R4"),
        ({"currency": "EUR"}, Outcome.REFER, "R8"),
        ({"policy_status": "lapsed"}, Outcome.DENY, "D1"),
        ({"policy_covers_date": False}, Outcome.DENY, "D3"),
        ({"covered": False}, Outcome.DENY, "D4"),
        ({"estimate_total": "250.00"}, Outcome.DENY, "D5"),
        ({"policy_number": None, "policy_found": None}, Outcome.ASK, "M1"),
        ({"supporting_document": False, "estimate_total": None}, Outcome.ASK, "M4"),
        ({"photos_count": 0, "photos_usable": 0}, Outcome.ASK, "M6"),
    ],
)
def test_each_reason_leads_to_its_outcome(changes: dict[str, object], outcome: Outcome, rule: str) -> None:
    ruling = compute_ruling(PLAYBOOK, facts(**changes))
    assert ruling.outcome is outcome
    assert rule in ruling.rules
    assert ruling.amount is None
    assert ruling.reasons


def test_asking_says_what_is_missing() -> None:
    ruling = compute_ruling(PLAYBOOK, facts(policy_number=None, policy_found=None))
    assert any("policy number" in item for item in ruling.missing)


def test_no_facts_at_all_never_settle() -> None:
    assert compute_ruling(PLAYBOOK, {}).outcome is not Outcome.SETTLE


def test_money_reaches_the_rules_digit_for_digit() -> None:
    assert json_text({"amount": Decimal("1000.10"), "name": "x"}) == '{"amount":1000.10,"name":"x"}'


def test_rules_that_are_missing_are_the_operators_business() -> None:
    with pytest.raises(Misconfigured):
        evaluate_rules("nothing", PLAYBOOK.rules, {})
