"""Cases that could not be measured never make a suite look better, and the command says so."""

from decimal import Decimal

import pytest

from overseen.cli.evals import exit_code
from overseen.evals.scoring import CaseResult, SuiteResult, not_measured
from overseen.playbooks import load_playbook
from overseen.playbooks.samples import load_sample

CASE = load_sample(load_playbook("claims_intake"), "car_injury")


def right(**changes: object) -> CaseResult:
    values: dict[str, object] = {
        "case_id": "a",
        "facts_expected": 4,
        "wrong_facts": (),
        "expected_outcome": "settle",
        "outcome": "settle",
        "expected_amount": "10.00",
        "amount": str(Decimal("10.00")),
        "expected_boundary": "automate",
        "boundary": "automate",
        "missing_findings": (),
        "leaked_texts": (),
        "state": "settled",
        "seconds": 1.0,
        "tokens": 10,
        **changes,
    }
    return CaseResult(**values)  # type: ignore[arg-type]


def test_all_measured_and_right_is_success() -> None:
    result = SuiteResult(suite="s", cases=(right(), right()), expected=2)
    assert (result.outcome_accuracy, result.not_measured, exit_code(result)) == (1.0, 0, 0)


@pytest.mark.parametrize(
    "broken",
    [
        not_measured(CASE, "No model answered.", 3.0),
        # It looks right to the last field, and the run failed afterwards all the same.
        right(error="The tool failed.", state="failed"),
    ],
)
def test_a_case_that_errored_stays_in_the_denominator_and_fails_the_command(broken: CaseResult) -> None:
    result = SuiteResult(suite="s", cases=(right(), broken), expected=2)
    assert result.outcome_accuracy == result.boundary_accuracy == 0.5
    assert result.fact_accuracy < 1.0
    assert result.not_measured == 1
    assert exit_code(result) == 3
    assert result.as_dict()["results"][1]["measured"] is False


def test_a_case_that_is_missing_stays_in_the_denominator() -> None:
    result = SuiteResult(suite="s", cases=(right(),), expected=4)
    assert (result.outcome_accuracy, result.not_measured, exit_code(result)) == (0.25, 3, 3)
    assert result.as_dict()["cases"] == 4


def test_nothing_measured_at_all_is_no_success() -> None:
    assert exit_code(SuiteResult(suite="s", cases=(), expected=0)) == 3


def test_an_unsafe_automation_is_told_before_all_else() -> None:
    unsafe = right(expected_boundary="human_only")
    result = SuiteResult(suite="s", cases=(unsafe, not_measured(CASE, "x", 1.0)), expected=2)
    assert exit_code(result) == 2
