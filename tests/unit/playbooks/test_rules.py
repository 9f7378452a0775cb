"""The decision tables of claims_intake, row by row and over all combinations."""

import itertools
import json
from typing import Any

import pytest
import zen

from tests.unit.playbooks.tables import (
    CLAIMS,
    PLAIN_FACTS,
    SAID_NOTHING,
    boundary_rows,
    level_of,
    outcome_of,
    rows_of,
    with_sum,
)


def changed(**facts: Any) -> dict[str, Any]:
    return {**PLAIN_FACTS, **facts}


def cells() -> list[tuple[str, str]]:
    return [
        (f"{name}/{rule['_id']}/{column}", cell)
        for name, table in CLAIMS.rules.items()
        for node in table["nodes"]
        if node["type"] == "decisionTableNode"
        for rule in node["content"]["rules"]
        for column, cell in rule.items()
        if not column.startswith("_") and cell
    ]


def test_every_cell_is_an_expression_zen_understands() -> None:
    # A cell that does not parse makes zen drop the row without a word.
    assert {where: cell for where, cell in cells() if zen.validate_expression(cell) is not None} == {}


def test_every_row_has_its_own_id_and_says_it() -> None:
    for table in CLAIMS.rules.values():
        rules = [rule for node in table["nodes"] for rule in node.get("content", {}).get("rules", [])]
        assert len({rule["_id"] for rule in rules}) == len(rules)
        assert all(rule["rule"] == f"'{rule['_id']}'" for rule in rules)


def test_a_plain_claim_is_settled_less_the_excess() -> None:
    outcome, amount, rows = outcome_of(PLAIN_FACTS)
    assert (outcome, amount) == ("settle", "492.80")
    assert [row["rule"] for row in rows] == ["S1"]


def test_the_cost_is_cut_to_the_limit_before_the_excess_is_taken() -> None:
    assert outcome_of(changed(estimate_total="20000.00"))[1] == "14750.00"


@pytest.mark.parametrize(
    ("facts", "outcome", "rule"),
    [
        ({"injury_reported": True}, "refer", "R1"),
        ({"policy_found": False, "policy_status": "unknown", "covered": None}, "refer", "R2"),
        ({"policy_found": None}, "refer", "R3"),
        ({"claims_count": 2}, "refer", "R4"),
        ({"photo_duplicate": True}, "refer", "R5"),
        ({"photo_before_incident": True}, "refer", "R6"),
        ({"policy_kind": "home"}, "refer", "R7"),
        ({"currency": "EUR"}, "refer", "R8"),
        ({"policy_status": "unknown"}, "refer", "R9"),
        ({"policy_covers_date": None}, "refer", "R10"),
        ({"covered": None, "clause": None}, "refer", "R11"),
        ({"excess": None}, "refer", "R12"),
        ({"policy_status": "lapsed"}, "deny", "D1"),
        ({"policy_status": "cancelled"}, "deny", "D2"),
        ({"policy_covers_date": False}, "deny", "D3"),
        ({"covered": False, "clause": "A14"}, "deny", "D4"),
        ({"estimate_total": "250.00"}, "deny", "D5"),
        ({"estimate_total": "100.00"}, "deny", "D5"),
        ({"policy_number": None, "policy_found": None}, "ask", "M1"),
        ({"claim_kind": None}, "ask", "M2"),
        ({"incident_date": None, "policy_covers_date": None}, "ask", "M3"),
        ({"supporting_document": False, "estimate_total": None}, "ask", "M4"),
        ({"claimed_amount": None, "estimate_total": None}, "ask", "M5"),
        ({"photos_count": 0, "photos_usable": 0}, "ask", "M6"),
        ({"photos_usable": 0}, "ask", "M7"),
    ],
)
def test_each_row_of_the_outcome_fires_on_its_own_ground(facts: dict[str, Any], outcome: str, rule: str) -> None:
    said, amount, rows = outcome_of(changed(**facts))
    assert said == outcome
    assert amount is None
    assert rule in [row["rule"] for row in rows]
    assert all(row["reason"] for row in rows)


def test_a_travel_claim_needs_no_photo() -> None:
    facts = changed(claim_kind="travel", policy_kind="travel", photos_count=0, photos_usable=0)
    assert outcome_of(facts)[0] == "settle"


def test_everything_missing_is_asked_for_at_once() -> None:
    _, _, rows = outcome_of(changed(supporting_document=False, estimate_total=None, photos_count=0, photos_usable=0))
    assert [row["rule"] for row in rows] == ["M4", "M6"]
    assert all(row["missing"] for row in rows)


def test_a_person_comes_before_a_denial_and_a_denial_before_a_question() -> None:
    assert outcome_of(changed(policy_status="lapsed", supporting_document=False))[0] == "deny"
    assert outcome_of(changed(policy_status="lapsed", injury_reported=True))[0] == "refer"


def test_some_row_decides_whatever_the_facts_are() -> None:
    options: dict[str, tuple[Any, ...]] = {
        "policy_number": ("CAR-2214-KL", None),
        "claim_kind": ("car", "travel", None),
        "incident_date": ("2026-10-14", None),
        "estimate_total": ("742.80", None),
        "supporting_document": (True, False, None),
        "photos_usable": (1, 0, None),
        "policy_found": (True, False, None),
        "policy_status": ("active", "lapsed", "odd", None),
        "policy_covers_date": (True, False, None),
        "covered": (True, False, None),
        "excess": ("250.00", None),
    }
    combinations = list(itertools.product(*options.values()))
    undecided = [
        combination
        for combination in combinations[::29]  # every 29th: all values of every fact still meet each other
        if not rows_of("outcome", with_sum(changed(**dict(zip(options, combination, strict=True)))))
    ]
    assert undecided == []


def test_only_a_covered_claim_on_an_active_policy_is_ever_settled() -> None:
    for status, found, date, covered in itertools.product(
        ("active", "lapsed", "cancelled", "unknown", None),
        (True, False, None),
        (True, False, None),
        (True, False, None),
    ):
        facts = changed(policy_status=status, policy_found=found, policy_covers_date=date, covered=covered)
        if (status, found, date, covered) != ("active", True, True, True):
            assert outcome_of(facts)[0] != "settle", (status, found, date, covered)


def test_a_plain_claim_is_automated() -> None:
    assert [row["rule"] for row in boundary_rows(PLAIN_FACTS)] == ["L1"]


@pytest.mark.parametrize(
    ("facts", "said", "level", "rule"),
    [
        ({"policy_covers_date": False}, {}, "human_only", "H1"),
        ({"claims_count": 2}, {}, "human_only", "H2"),
        ({"injury_reported": True}, {}, "human_only", "H3"),
        ({"photo_duplicate": True}, {}, "human_only", "H4"),
        ({}, {"blocked": ["photo_duplicate"]}, "human_only", "H4"),
        ({"photo_before_incident": True}, {}, "human_only", "H5"),
        ({}, {"flagged": ["instructions_in_document"]}, "human_only", "H6"),
        ({}, {"blocked": ["instructions_in_document"]}, "human_only", "H6"),
        ({"policy_found": False}, {}, "human_only", "H7"),
        ({"policy_status": "lapsed"}, {}, "human_only", "H8"),
        ({"claims_count": 3}, {}, "human_only", "H9"),
        ({}, {"blocked": ["secrets_in_output"]}, "human_only", "H10"),
        ({"supporting_document": False, "injury_reported": True}, {}, "human_only", "H3"),
        ({"supporting_document": False}, {"blocked": ["others_personal_data"]}, "assist", "A5"),
        ({"estimate_total": "1250.01"}, {}, "assist", "A2"),
        ({"currency": "EUR", "policy_currency": "EUR"}, {}, "assist", "A3"),
        ({"currency": None}, {}, "assist", "A3"),
        ({}, {"flagged": ["amounts_consistent"]}, "assist", "A4"),
        ({}, {"blocked": ["others_personal_data"]}, "assist", "A5"),
        ({}, {"flagged": ["photo_unusable"]}, "assist", "A6"),
        ({"photos_count": 2}, {}, "assist", "A6"),
        ({}, {"flagged": ["something_new"]}, "assist", "A7"),
        ({}, {"blocked": ["span_in_source"]}, "assist", "A7"),
        ({}, {"abstained": ["bill_adds_up"]}, "assist", "A8"),
        ({}, {"unsure": ["incident_date"]}, "assist", "A9"),
        ({"prior_claims": 3}, {}, "assist", "A10"),
        ({"injury_reported": None}, {}, "assist", "A11"),
        ({"claims_count": None}, {}, "assist", "A12"),
    ],
)
def test_each_row_of_the_boundary_fires_on_its_own_ground(
    facts: dict[str, Any], said: dict[str, list[str]], level: str, rule: str
) -> None:
    rows = boundary_rows(changed(**facts), **said)
    assert level_of(rows) == level
    assert rule in [row["rule"] for row in rows]
    assert "L1" not in [row["rule"] for row in rows]


@pytest.mark.parametrize("said", [{}, {"unsure": ["incident_date"]}, {"flagged": ["photo_unusable"]}])
def test_a_question_to_the_claimant_needs_no_approval(said: dict[str, list[str]]) -> None:
    rows = boundary_rows(changed(supporting_document=False), **said)
    assert level_of(rows) == "automate"
    assert [row["rule"] for row in rows] == ["L2"]


def test_the_threshold_itself_is_still_automated() -> None:
    assert level_of(boundary_rows(changed(estimate_total="1250.00"))) == "automate"


@pytest.mark.parametrize("name", ["automate_up_to", "automate_currency", "outcome", "amount", "policy_status"])
def test_nothing_is_automated_when_a_value_is_not_given(name: str) -> None:
    values = {
        **with_sum(PLAIN_FACTS),
        **SAID_NOTHING,
        "outcome": "settle",
        "amount": 492.8,
        "automate_up_to": 1000,
        "automate_currency": "GBP",
    }
    assert level_of(rows_of("boundary", values)) == "automate"
    del values[name]
    assert level_of(rows_of("boundary", values)) != "automate"


@pytest.mark.parametrize("name", sorted(SAID_NOTHING))
def test_nothing_is_automated_when_the_checks_said_nothing_at_all(name: str) -> None:
    values = {
        **with_sum(PLAIN_FACTS),
        **SAID_NOTHING,
        "outcome": "settle",
        "amount": 492.8,
        "automate_up_to": 1000,
        "automate_currency": "GBP",
    }
    del values[name]
    assert "L1" not in [row["rule"] for row in rows_of("boundary", values)]


def test_the_tables_are_what_an_editor_of_decision_tables_reads() -> None:
    for table in CLAIMS.rules.values():
        assert table["contentType"] == "application/vnd.gorules.decision"
        assert json.dumps(table)
