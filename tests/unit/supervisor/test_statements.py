from decimal import Decimal

import pytest

from overseen.supervisor.explanation import check_explanation, cited_facts, explanation_input, rules_explanation
from overseen.supervisor.ruling import compute_ruling
from overseen.supervisor.statements import invented_numbers, numbers_in
from tests.unit.supervisor.cases import PLAYBOOK, facts

FACTS = facts()
RULING = compute_ruling(PLAYBOOK, FACTS)
GOOD = "The claim is settled: 492.80 GBP is paid, the estimate of 742.80 less the excess of 250.00."


def explanation(text: str) -> dict[str, object]:
    return {"explanation": text}


def test_an_explanation_made_of_facts_holds() -> None:
    assert check_explanation(explanation(GOOD), FACTS, RULING) == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (GOOD + " The repair takes 14 weeks and costs 99.99.", "The number 99.99 is in no fact."),
        (GOOD + " See policy CAR-9999-ZZ.", "CAR-9999-ZZ is in no fact."),
        (GOOD + " Write to boss@example.org.", "boss@example.org is in no fact."),
        ("The claim is settled because the clause covers it.", "It does not name the amount 492.80."),
        (GOOD + " The claim is denied.", "It says that the claim is denied, but the ruling does not."),
        (GOOD + " The policy does not cover it.", "It says that the claim is denied, but the ruling does not."),
        ("", "The explanation holds no sentences."),
        (GOOD + " The claime", "The last sentence breaks off."),
        ("The claim is settled: 492.80 GBP is paid of the estimate of 742.80.", "Its sum leaves out the excess."),
        (GOOD + " See pay-here.example for it.", "It names the address 'pay-here.example'."),
        (GOOD + " It will be transferred soon.", "It says 'will be transferred'; what is done is said by the record."),
        (GOOD + " Es wird ausgezahlt.", "It says 'ausgezahlt'; what is done is said by the record."),
        (
            "The garage's estimate is 492.80 GBP: 742.80 less the excess of 250.00.",
            "It calls 492.80 the estimate, which it is not.",
        ),
        (GOOD + " The excess is not applicable.", "It says 'not', but nothing is lacking in a settlement."),
        (
            GOOD + " The claimant was informed.",
            "It talks of the procedure ('informed'), of which the facts say nothing.",
        ),
    ],
)
def test_an_explanation_that_says_more_than_the_facts_does_not_hold(text: str, problem: str) -> None:
    assert problem in check_explanation(explanation(text), FACTS, RULING)


def test_an_explanation_cites_the_facts_whose_values_it_says() -> None:
    assert {"estimate_total", "excess"} <= set(cited_facts(GOOD, FACTS, RULING))
    assert not {"incident_date", "cover_limit"} & set(cited_facts(GOOD, FACTS, RULING))
    assert "incident_date" in cited_facts(GOOD + " It was for 2026-10-14.", FACTS, RULING)


def test_the_rules_own_explanation_always_holds() -> None:
    text = rules_explanation(RULING)
    assert "492.80" in text
    assert check_explanation(explanation(text), FACTS, RULING) == ()


def test_the_model_is_shown_the_decision_and_each_fact_once() -> None:
    shown = explanation_input(FACTS, RULING)
    assert "Pay 492.80 GBP (estimate 742.80, excess -250.00)." in shown
    assert "incident_date: 2026-10-14." in shown
    assert shown.count("742.80") == 1


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,250.00 pounds", {Decimal(1250)}),
        ("1.250,00 €", {Decimal(1250)}),
        ("on 2026-10-14 under CAR-2214-KL", {Decimal(2026)}),
        ("£492.80.", {Decimal("492.8")}),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, numbers: set[Decimal]) -> None:
    assert numbers_in(text) == numbers


def test_a_date_written_out_is_no_invention() -> None:
    assert invented_numbers("on 14 October 2026", ["incident_date: 2026-10-14 (letter.txt)"]) == []
