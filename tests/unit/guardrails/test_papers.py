import json
from typing import Any

import pytest

from overseen.domain.findings import Verdict
from overseen.guardrails.check import Judgement, Subject
from overseen.guardrails.papers import (
    judge_dates_fit,
    judge_papers_about_the_same,
    judge_signed_by_claimant,
    same_person,
)


def subject(content: Any) -> Subject:
    return Subject(name="claim", text=json.dumps(content))


def dates(incident: str | None, *papers: tuple[str, str], handed_in: str | None = "2025-06-20") -> Judgement:
    named = [{"source": f"{kind}.pdf", "kind": kind, "dates": [day]} for kind, day in papers]
    return judge_dates_fit(subject({"handed_in": handed_in, "incident": incident, "papers": named}))


@pytest.mark.parametrize(
    ("incident", "papers", "words"),
    [
        ("2025-07-01", [], "lies after the day on which it was reported"),
        ("2023-06-01", [], "more than a year before"),
        ("2025-06-10", [("invoice", "2025-06-01")], "invoice invoice.pdf is dated 2025-06-01, before the incident"),
        ("2025-06-10", [("letter", "2025-06-09")], "before the incident"),
        ("2025-06-10", [("estimate", "2025-08-01")], "after it was handed in"),
        (None, [("receipt", "2025-08-01")], "after it was handed in"),
        (None, [("photo", "2025-08-01")], "after it was handed in"),
    ],
)
def test_dates_that_do_not_fit_are_flagged_with_both(
    incident: str | None, papers: list[tuple[str, str]], words: str
) -> None:
    judged = dates(incident, *papers)
    assert judged.verdict is Verdict.FLAG
    assert words in judged.message


@pytest.mark.parametrize(
    ("incident", "papers"),
    [
        ("2025-06-10", [("letter", "2025-06-12"), ("estimate", "2025-06-10")]),
        ("2025-06-21", []),  # where the claimant lives it is a day later
        ("2025-06-10", [("photo", "2025-06-01")]),  # the check of the photos says that
        (None, []),
    ],
)
def test_dates_that_fit_pass(incident: str | None, papers: list[tuple[str, str]]) -> None:
    assert dates(incident, *papers).verdict is Verdict.PASS


def test_dates_cannot_be_judged_without_a_today() -> None:
    assert dates("2025-06-10", handed_in=None).verdict is Verdict.ABSTAIN


def test_an_ambiguous_date_fits_when_one_of_its_readings_does() -> None:
    paper = {"source": "bill", "kind": "invoice", "dates": ["2025-12-06", "2025-06-12"]}
    content = {"handed_in": "2025-06-20", "incident": "2025-06-10", "papers": [paper]}
    assert judge_dates_fit(subject(content)).verdict is Verdict.PASS


def compared(what: str, told: list[str], named: dict[str, list[str]], **more: Any) -> Judgement:
    item = {
        "what": what,
        "told": [{"source": "letter", "value": value} for value in told],
        "named": [{"source": source, "value": value} for source, values in named.items() for value in values],
        **more,
    }
    return judge_papers_about_the_same(subject({"compared": [item]}))


def test_a_bill_about_something_else_is_flagged_with_both() -> None:
    judged = compared("registration", ["AB12CDE"], {"estimate.pdf": ["ZY98XWV"]})
    assert judged.verdict is Verdict.FLAG
    assert "ZY98XWV" in judged.message
    assert "AB12CDE" in judged.message


def test_one_of_two_bills_about_somebody_else_is_flagged() -> None:
    judged = compared("person", ["Nadia Okafor"], {"a.pdf": ["Mrs N Okafor"], "b.pdf": ["Piet Mulder"]})
    assert [item["source"] for item in judged.evidence["different"]] == ["b.pdf"]  # type: ignore[attr-defined]


def test_a_bill_that_also_names_the_right_one_passes() -> None:
    assert compared("person", ["Nadia Okafor"], {"a.pdf": ["Fitter Joe", "Ms Okafor"]}).verdict is Verdict.PASS


def test_a_bill_that_names_nobody_is_no_doubt_but_is_said() -> None:
    judged = compared("person", ["Nadia Okafor"], {}, needed=True)
    assert judged.verdict is Verdict.PASS
    assert judged.evidence["not_compared"] == ["person: no paper names one"]


def test_a_bill_that_names_somebody_when_no_claimant_is_known_cannot_be_judged() -> None:
    assert compared("person", [], {"a.pdf": ["Piet Mulder"]}, needed=True).verdict is Verdict.ABSTAIN


@pytest.mark.parametrize(
    ("claimant", "signature", "verdict"),
    [
        ("Ruth Hale", "Ruth", Verdict.PASS),
        ("Ruth Hale", "R. Hale", Verdict.PASS),
        ("Ruth Hale", "Emma", Verdict.FLAG),
        ("Ruth Hale", "Emma Hale", Verdict.FLAG),
        (None, "Emma", Verdict.ABSTAIN),
        ("Ruth Hale", None, Verdict.PASS),
    ],
)
def test_a_letter_signed_by_somebody_else_is_flagged(
    claimant: str | None, signature: str | None, verdict: Verdict
) -> None:
    signed = [{"source": "letter", "name": signature}] if signature else []
    assert judge_signed_by_claimant(subject({"claimant": claimant, "signatures": signed})).verdict is verdict


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Mr Okafor", "Nadia Okafor", True),
        ("N Okafor", "Nadia Okafor", True),
        ("Bea Lund", "Beatrice Lund", True),
        ("Okafor Nadia", "Nadia Okafor", True),
        ("P Okafor", "Nadia Okafor", False),
        ("N O", "Nadia Okafor", False),
        ("Nadia Mulder", "Nadia Okafor", False),
    ],
)
def test_two_spellings_may_be_one_person(one: str, other: str, same: bool) -> None:
    assert same_person(one, other) is same
