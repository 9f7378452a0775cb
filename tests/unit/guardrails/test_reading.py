import json
from typing import Any

import pytest

from overseen.domain.findings import Verdict
from overseen.guardrails.check import Judgement, Subject
from overseen.guardrails.reading import (
    judge_amounts_consistent,
    judge_bill_adds_up,
    judge_claimant_is_holder,
    judge_ids_consistent,
    judge_schema,
    judge_span_in_source,
)


def subject(content: Any, **context: object) -> Subject:
    return Subject(name="x", text=content if isinstance(content, str) else json.dumps(content), context=context)


def amounts(*sums: tuple[str, str]) -> Judgement:
    items = [
        {"source": f"paper {place}", "amount": amount, "currency": code} for place, (amount, code) in enumerate(sums)
    ]
    return judge_amounts_consistent(subject({"amounts": items}))


def test_a_quotation_must_stand_in_its_source() -> None:
    source = "they want £742.80 including VAT"
    assert judge_span_in_source(subject("£742.80", source=source)).verdict is Verdict.PASS
    assert judge_span_in_source(subject("£50,000", source=source)).verdict is Verdict.BLOCK
    assert judge_span_in_source(subject("£742.80")).verdict is Verdict.ABSTAIN


def test_an_answer_must_have_the_form_asked_for() -> None:
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    assert judge_schema(subject({"count": 1}, schema=schema)).verdict is Verdict.PASS
    wrong = judge_schema(subject({"count": "one"}, schema=schema))
    assert (wrong.verdict, wrong.evidence["path"]) == (Verdict.BLOCK, ["count"])
    assert judge_schema(subject("{", schema=schema)).verdict is Verdict.BLOCK


def test_sums_that_differ_are_flagged_with_where_they_stand() -> None:
    assert amounts(("742.80", "GBP"), ("742.80", "GBP")).verdict is Verdict.PASS
    flagged = amounts(("742.80", "GBP"), ("900.00", "GBP"))
    assert flagged.verdict is Verdict.FLAG
    assert flagged.evidence["sums"] == ["paper 0: 742.80 GBP", "paper 1: 900.00 GBP"]
    assert amounts(("742.80", "GBP"), ("742.80", "EUR")).verdict is Verdict.FLAG
    assert amounts(("742.80", "GBP")).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("parts", "total", "verdict"),
    [
        (["619.00", "123.80"], "742.80", Verdict.PASS),
        (["619.00", "123.80"], "752.80", Verdict.FLAG),
        ([], "742.80", Verdict.ABSTAIN),
        (["x"], "742.80", Verdict.ABSTAIN),
    ],
)
def test_a_bill_must_add_up(parts: list[str], total: str, verdict: Verdict) -> None:
    assert judge_bill_adds_up(subject({"parts": parts, "total": total})).verdict is verdict


def test_policy_numbers_must_agree_with_each_other_and_with_the_claim() -> None:
    def judged(kind: str, *numbers: str) -> Verdict:
        items = [{"source": "letter", "number": number} for number in numbers]
        return judge_ids_consistent(subject({"policy_numbers": items, "claim_kind": kind})).verdict

    assert judged("car", "CAR-2214-KL") is Verdict.PASS
    assert judged("home", "CAR-2214-KL") is Verdict.FLAG
    assert judged("car", "CAR-2214-KL", "CAR-9999-ZZ") is Verdict.FLAG
    assert judged("car") is Verdict.PASS


@pytest.mark.parametrize(
    ("claimant", "holder", "verdict"),
    [
        ("Priya Raman", "Priya Raman", Verdict.PASS),
        ("P. Raman", "Priya Raman", Verdict.PASS),
        ("Mrs Dorothy Hargreaves", "Dorothy Hargreaves", Verdict.PASS),
        ("Tomasz Zielinski", "Tomasz Zieliński", Verdict.PASS),
        ("Juergen Brandt", "Jürgen Brandt", Verdict.FLAG),
        ("Peter Raman", "Priya Raman", Verdict.FLAG),
        ("Priya Asante", "Priya Raman", Verdict.FLAG),
        ("", "Priya Raman", Verdict.ABSTAIN),
    ],
)
def test_the_one_who_claims_must_be_the_one_who_is_insured(claimant: str, holder: str, verdict: Verdict) -> None:
    assert judge_claimant_is_holder(subject({"claimant": claimant, "holder": holder})).verdict is verdict
