from typing import Any

import pytest

from overseen.domain.facts import Fact, Trust
from overseen.domain.findings import Finding, Verdict
from overseen.domain.outcomes import BoundaryLevel, BoundaryVerdict, Ruling
from overseen.playbooks import Playbook
from overseen.supervisor import boundary
from overseen.supervisor.proposal import build_proposal
from overseen.supervisor.ruling import compute_ruling
from tests.unit.supervisor.cases import PLAYBOOK, fact, facts


def decide_boundary(
    playbook: Playbook, ruling: Ruling, known: dict[str, Fact], findings: list[Finding]
) -> BoundaryVerdict:
    """The boundary for what the rules propose."""
    proposal = build_proposal(playbook, ruling, known)
    return boundary.decide_boundary(playbook, ruling, known, findings, proposal.calls)


def finding(check: str, verdict: Verdict = Verdict.FLAG) -> Finding:
    return Finding(check=check, verdict=verdict, subject="x", message="It said so.")


def level(findings: list[Finding] | None = None, **changes: Any) -> BoundaryLevel:
    known = facts(**changes)
    return decide_boundary(PLAYBOOK, compute_ruling(PLAYBOOK, known), known, findings or []).level


def test_a_small_claim_with_nothing_against_it_is_automated() -> None:
    verdict = decide_boundary(PLAYBOOK, compute_ruling(PLAYBOOK, facts()), facts(), [finding("schema", Verdict.PASS)])
    assert verdict.level is BoundaryLevel.AUTOMATE
    assert verdict.rules == ("L1",)


def test_the_limit_for_automation_is_exact() -> None:
    assert level(estimate_total="1250.00", claimed_amount="1250.00") is BoundaryLevel.AUTOMATE
    assert level(estimate_total="1250.01", claimed_amount="1250.01") is BoundaryLevel.ASSIST


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"injury_reported": True}, BoundaryLevel.HUMAN_ONLY),
        ({"photo_duplicate": True}, BoundaryLevel.HUMAN_ONLY),
        ({"policy_status": "lapsed"}, BoundaryLevel.HUMAN_ONLY),
        ({"covered": False}, BoundaryLevel.HUMAN_ONLY),
        ({"prior_claims": 3}, BoundaryLevel.ASSIST),
        ({"claims_count": None}, BoundaryLevel.ASSIST),
        ({"injury_reported": None}, BoundaryLevel.ASSIST),
    ],
)
def test_what_needs_a_person_gets_one(changes: dict[str, Any], expected: BoundaryLevel) -> None:
    assert level(**changes) is expected


@pytest.mark.parametrize(
    ("check", "verdict", "expected"),
    [
        ("amounts_consistent", Verdict.FLAG, BoundaryLevel.ASSIST),
        ("instructions_in_document", Verdict.BLOCK, BoundaryLevel.HUMAN_ONLY),
        ("something_of_a_third_party", Verdict.FLAG, BoundaryLevel.ASSIST),
        ("tool_worked", Verdict.ABSTAIN, BoundaryLevel.ASSIST),
    ],
)
def test_a_check_that_does_not_pass_brings_a_person_in(check: str, verdict: Verdict, expected: BoundaryLevel) -> None:
    assert level([finding(check, verdict)]) is expected


def test_asking_for_what_is_missing_needs_nobody() -> None:
    assert level(supporting_document=False, estimate_total=None) is BoundaryLevel.AUTOMATE


def test_one_unsure_fact_brings_a_person_in() -> None:
    known = {**facts(), "incident_date": fact("incident_date", "2026-10-14", confidence=0.89)}
    verdict = decide_boundary(PLAYBOOK, compute_ruling(PLAYBOOK, known), known, [])
    assert verdict.level is BoundaryLevel.ASSIST


def test_a_documents_value_that_nobody_measured_counts_as_unsure() -> None:
    known = {**facts(), "incident_date": fact("incident_date", "2026-10-14", confidence=None)}
    assert decide_boundary(PLAYBOOK, compute_ruling(PLAYBOOK, known), known, []).level is BoundaryLevel.ASSIST
    stated = {**known, "incident_date": fact("incident_date", "2026-10-14", confidence=None, trust=Trust.PERSON)}
    assert decide_boundary(PLAYBOOK, compute_ruling(PLAYBOOK, stated), stated, []).level is BoundaryLevel.AUTOMATE


def test_the_weightiest_reason_comes_first() -> None:
    known = facts(injury_reported=True, claims_count=2)
    verdict = decide_boundary(PLAYBOOK, compute_ruling(PLAYBOOK, known), known, [finding("amounts_consistent")])
    assert verdict.rules[0].startswith("H")
    assert "A4" in verdict.rules
