from typing import Any

import pytest

from overseen.domain.proposals import Proposal
from overseen.supervisor.proposal import build_proposal
from overseen.supervisor.ruling import compute_ruling
from tests.unit.supervisor.cases import PLAYBOOK, facts


def proposal(**changes: Any) -> Proposal:
    known = facts(**changes)
    return build_proposal(PLAYBOOK, compute_ruling(PLAYBOOK, known), known)


def tools(made: Proposal) -> list[str]:
    return [call.tool for call in made.calls]


def test_settling_registers_pays_and_writes() -> None:
    made = proposal()
    assert tools(made) == ["register_claim", "pay_settlement", "write_to_claimant"]
    register, pay, write = made.calls
    assert register.arguments == {
        "policy_number": "CAR-2214-KL",
        "incident_date": "2026-10-14",
        "amount": "492.80",
        "status": "settled",
        "photos": [{"dhash": "b", "name": "1-door.jpg", "phash": "a"}],
    }
    assert pay.arguments == {
        "policy_number": "CAR-2214-KL",
        "payee": "20-45-11 60317752",
        "amount": "492.80",
        "currency": "GBP",
    }
    assert pay.argument_facts == {"policy_number": "policy_number", "payee": "payee_account"}
    assert write.arguments["to_address"] == "priya.raman@example.com"


def test_without_an_account_the_policy_holder_is_paid() -> None:
    pay = proposal(payee_account=None).calls[1]
    assert pay.arguments["payee"] == "Priya Raman"
    assert pay.argument_facts["payee"] == "policy_holder"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"policy_status": "lapsed"}, ["register_claim", "write_to_claimant"]),
        ({"supporting_document": False, "estimate_total": None}, ["write_to_claimant"]),
        ({"injury_reported": True}, []),
        ({"policy_number": None, "policy_found": None, "policy_holder_email": None}, []),
    ],
)
def test_every_outcome_leads_to_its_calls(changes: dict[str, Any], expected: list[str]) -> None:
    assert tools(proposal(**changes)) == expected


def test_the_letter_names_the_amount_and_how_it_comes_about() -> None:
    letter = proposal().calls[2].arguments["body"]
    assert "492.80 GBP" in letter
    assert "excess: -250.00 GBP" in letter
    assert letter.startswith("Dear Priya Raman,")


def test_words_of_a_document_are_never_template_text() -> None:
    letter = proposal(policy_holder="{{ 7 * 7 }}").calls[2].arguments["body"]
    assert "{{ 7 * 7 }}" in letter


def test_the_letter_that_asks_lists_what_is_missing() -> None:
    letter = proposal(supporting_document=False, estimate_total=None).calls[0].arguments["body"]
    assert "- An itemised estimate, invoice or receipt" in letter


def test_another_amount_makes_another_digest() -> None:
    assert proposal().digest != proposal(estimate_total="742.81").digest
