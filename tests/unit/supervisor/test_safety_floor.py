"""The safety floor holds whatever tables, playbooks, facts and findings say."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overseen.domain.call_rules import Tolerance
from overseen.domain.facts import Fact, Source, Span, Trust
from overseen.domain.findings import Finding, Verdict
from overseen.domain.outcomes import BoundaryLevel, BoundaryVerdict, Outcome, Ruling
from overseen.domain.proposals import ProposedCall
from overseen.playbooks import Playbook
from overseen.supervisor.boundary import decide_boundary
from overseen.supervisor.proposal import build_proposal
from overseen.supervisor.ruling import compute_ruling
from tests.unit.supervisor.cases import PLAYBOOK, fact, facts

CHECKS = (
    "schema",
    "tool_worked",
    "document_readable",
    "photo_unusable",
    "instructions_in_document",
    "secrets_in_output",
    "a_check_of_somebody_else",
)
NAMES = PLAYBOOK.decision_facts
STRICTNESS = (BoundaryLevel.AUTOMATE, BoundaryLevel.ASSIST, BoundaryLevel.HUMAN_ONLY)


def automating(table: dict[str, Any] | None = None, **changes: Any) -> Playbook:
    """The playbook with a boundary that forgets everything."""
    always = table or {"nodes": [], "edges": []}
    return PLAYBOOK.model_copy(update={"rules": {**PLAYBOOK.rules, "boundary": always}, **changes})


def table(conditions: list[str]) -> dict[str, Any]:
    """A decision table with a row for each condition; every row that fires says automate."""
    rows = [
        {"_id": f"x{number}", "condition": condition, "rule": f"'X{number}'", "level": "'automate'", "reason": "'Yes.'"}
        for number, condition in enumerate(conditions)
    ]
    content = {
        "hitPolicy": "collect",
        "inputs": [{"id": "condition", "name": "Condition"}],
        "outputs": [{"id": name, "name": name, "field": name} for name in ("rule", "level", "reason")],
        "rules": rows,
    }
    here = {"position": {"x": 0, "y": 0}}
    return {
        "nodes": [
            {"id": "in", "type": "inputNode", "name": "in", **here},
            {"id": "rows", "type": "decisionTableNode", "name": "rows", "content": content, **here},
            {"id": "out", "type": "outputNode", "name": "out", **here},
        ],
        "edges": [
            {"id": "a", "type": "edge", "sourceId": "in", "targetId": "rows"},
            {"id": "b", "type": "edge", "sourceId": "rows", "targetId": "out"},
        ],
    }


CONDITIONS = (
    "true",
    "outcome == 'settle'",
    "len(blocked) >= 0",
    "amount == null or amount != null",
    "len(unsure) < 99",
)
EVERYTHING = automating(table(["true"]))


def decided(
    known: dict[str, Fact], findings: list[Finding] | None = None, playbook: Playbook = EVERYTHING
) -> BoundaryVerdict:
    ruling = compute_ruling(playbook, known)
    return decide_boundary(playbook, ruling, known, findings or [], build_proposal(playbook, ruling, known).calls)


def finding(check: str, verdict: Verdict, subject: str = "x") -> Finding:
    return Finding(check=check, verdict=verdict, subject=subject, message="It said so.")


def test_without_a_worry_a_table_may_automate() -> None:
    verdict = decided(facts())
    assert verdict.level is BoundaryLevel.AUTOMATE
    assert [line for line in verdict.tolerated if line.startswith("The payee comes from a document.")]


@pytest.mark.parametrize(
    ("check", "verdict", "level", "reason"),
    [
        ("schema", Verdict.BLOCK, BoundaryLevel.ASSIST, "The check “schema” refused something."),
        ("photo_unusable", Verdict.ABSTAIN, BoundaryLevel.ASSIST, "The check “photo unusable” could not look."),
        ("tool_worked", Verdict.ABSTAIN, BoundaryLevel.ASSIST, "A look-up failed: look up policy."),
        ("document_readable", Verdict.FLAG, BoundaryLevel.ASSIST, "Not every document could be read."),
        ("secrets_in_output", Verdict.BLOCK, BoundaryLevel.HUMAN_ONLY, "A text that was to be sent holds a secret."),
        (
            "instructions_in_document",
            Verdict.FLAG,
            BoundaryLevel.HUMAN_ONLY,
            "A document tells the system what to do.",
        ),
    ],
)
def test_a_table_that_forgets_a_check_does_not_automate(
    check: str, verdict: Verdict, level: BoundaryLevel, reason: str
) -> None:
    said = decided(facts(), [finding(check, verdict, "tool:look_up_policy")])
    assert said.level is level
    assert reason in said.reasons


def test_a_table_that_forgets_uncertainty_does_not_automate_and_the_fact_is_named() -> None:
    said = decided({**facts(), "incident_date": fact("incident_date", "2026-10-14", confidence=0.7199)})
    assert said.level is BoundaryLevel.ASSIST
    assert "“Date of the incident” is not certain enough (0.71)." in said.reasons


def test_the_playbooks_own_table_names_the_fact_too() -> None:
    said = decided({**facts(), "incident_date": fact("incident_date", "2026-10-14", confidence=0.7199)}, None, PLAYBOOK)
    assert said.reasons == ("“Date of the incident” is not certain enough (0.71).",)
    assert "A9" in said.rules


@pytest.mark.parametrize("confidence", [float("nan"), -1.0, 0.499])
def test_no_threshold_of_a_playbook_makes_a_guess_sure(confidence: float) -> None:
    careless = automating(table(["true"]), boundary=PLAYBOOK.boundary.model_copy(update={"lowest_confidence": 0.0}))
    known = {**facts(), "covered": fact("covered", True, confidence=confidence)}
    assert decided(known, None, careless).level is BoundaryLevel.ASSIST


def test_a_models_own_word_needs_a_person() -> None:
    invented = Fact(
        name="claimed_amount",
        value="742.80",
        source=Source(kind="document", name="letter.txt", blob="b"),
        trust=Trust.DOCUMENT,
        confidence=0.99,
        step_id="1",
        fact_id="f",
    )
    said = decided({**facts(), "claimed_amount": invented})
    assert "“Amount claimed” rests on a model's word alone." in said.reasons
    assert decided({**facts(), "covered": fact("covered", True, trust=Trust.MODEL)}).level is BoundaryLevel.ASSIST


def test_an_account_from_a_document_needs_a_person_unless_the_playbook_names_it_up_to_its_sum() -> None:
    strict = automating(table(["true"]), tolerates=())
    said = decided(facts(), None, strict)
    assert said.level is BoundaryLevel.ASSIST
    assert "The payee comes from a document." in said.reasons
    assert decided(facts(claimed_amount="1250.00", estimate_total="1250.00")).level is BoundaryLevel.AUTOMATE
    assert decided(facts(claimed_amount="1250.01", estimate_total="1250.01")).level is BoundaryLevel.ASSIST
    unsure = {**facts(), "payee_account": fact("payee_account", "20-45-11 60317752", confidence=0.6)}
    assert "The payee comes from a document." in decided(unsure).reasons


def test_an_account_that_a_model_made_up_is_never_tolerated() -> None:
    known = {**facts(), "payee_account": fact("payee_account", "20-45-11 60317752", trust=Trust.MODEL)}
    said = decided(known)
    assert said.level is BoundaryLevel.ASSIST
    assert "The payee is a model's own word." in said.reasons


def test_what_is_tolerated_for_a_question_does_not_hold_for_a_payment() -> None:
    asks = facts(supporting_document=False, estimate_total=None)
    blind = [finding("photo_unusable", Verdict.ABSTAIN)]
    assert decided(asks, blind).level is BoundaryLevel.AUTOMATE
    assert decided(asks, blind).tolerated == (
        "The check “photo unusable” could not look. Asking for what is missing pays nothing and denies nothing.",
    )
    assert decided(asks, [finding("tool_worked", Verdict.ABSTAIN)]).level is BoundaryLevel.ASSIST
    assert decided(facts(), blind).level is BoundaryLevel.ASSIST
    wrong_policy = {**asks, "policy_number": fact("policy_number", "CAR-2214-KL", confidence=0.6)}
    assert decided(wrong_policy).level is BoundaryLevel.ASSIST


# --- whatever is drawn ----------------------------------------------------------------------------------------------

some_fact = st.builds(
    lambda name, trust, confidence, shown, kind: Fact(
        name=name,
        value="GBP" if name.endswith("currency") else PLAIN_VALUES.get(name, "x"),
        source=Source(
            kind=kind,
            name="letter",
            blob="b" if shown else None,
            span=Span(start=0, end=1, quote="x") if shown else None,
        ),
        trust=trust,
        confidence=confidence,
        step_id="1",
        fact_id=name,
    ),
    st.sampled_from(NAMES),
    st.sampled_from(Trust),
    st.none() | st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
    st.sampled_from(["document", "model", "record"]),
)
PLAIN_VALUES: dict[str, Any] = {name: item.value for name, item in facts().items()}
some_finding = st.builds(finding, st.sampled_from(CHECKS), st.sampled_from(Verdict), st.just("tool:x"))
some_tolerance = st.builds(
    Tolerance,
    outcome=st.sampled_from(Outcome),
    why=st.just("We like it."),
    checks=st.lists(st.sampled_from(CHECKS)).map(tuple),
    unsure=st.lists(st.sampled_from(NAMES)).map(tuple),
    arguments=st.lists(st.sampled_from(["pay_settlement.payee", "pay_settlement.amount", "transfer.to"])).map(tuple),
    up_to=st.none() | st.sampled_from([Decimal("0.01"), Decimal(10**9)]),
)
some_call = st.builds(
    lambda tool, source, amount: ProposedCall(
        tool=tool,
        arguments={"payee": "x", "amount": amount, "to": "x"},
        argument_facts={"payee": source, "to": source} if source else {},
    ),
    st.sampled_from(["pay_settlement", "transfer", "write_to_claimant"]),
    st.sampled_from([None, *NAMES]),
    st.sampled_from(["10.00", "99999999.00", "NaN", "-1", 5]),
)
some_ruling = st.builds(
    lambda outcome, amount, currency: Ruling(
        outcome=outcome, amount=amount, currency=currency, sum_terms=(), reasons=(), rules=()
    ),
    st.sampled_from(Outcome),
    st.none() | st.sampled_from([Decimal("10.00"), Decimal("99999999.00")]),
    st.sampled_from(["GBP", "EUR"]),
)


@settings(max_examples=300, deadline=None)
@given(
    conditions=st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3),
    changed=st.lists(some_fact, max_size=4),
    findings=st.lists(some_finding, max_size=3),
    calls=st.lists(some_call, max_size=2),
    tolerates=st.lists(some_tolerance, max_size=3),
    ruling=some_ruling,
    threshold=st.sampled_from([0.0, 0.9]),
)
def test_no_table_and_no_playbook_lowers_the_floor(
    conditions: list[str],
    changed: list[Fact],
    findings: list[Finding],
    calls: list[ProposedCall],
    tolerates: list[Tolerance],
    ruling: Ruling,
    threshold: float,
) -> None:
    playbook = automating(
        table(["true", *conditions]),
        tolerates=tuple(tolerates),
        boundary=PLAYBOOK.boundary.model_copy(update={"lowest_confidence": threshold}),
    )
    known = facts() | {item.name: item for item in changed}
    verdict = decide_boundary(playbook, ruling, known, findings, calls)
    at_least = BoundaryLevel.AUTOMATE
    pays = ruling.amount is not None or any(call.tool != "write_to_claimant" for call in calls)
    if pays:
        if any(item.verdict in (Verdict.BLOCK, Verdict.ABSTAIN) for item in findings):
            at_least = BoundaryLevel.ASSIST
        if any(item.check == "tool_worked" and item.verdict is not Verdict.PASS for item in findings):
            at_least = BoundaryLevel.ASSIST
        for item in known.values():
            guessed = item.confidence is not None and not item.confidence >= 0.5
            if item.name in NAMES and (guessed or item.trust is Trust.MODEL):
                at_least = BoundaryLevel.ASSIST
    for call in calls:
        from_model = any(known[name].trust is Trust.MODEL for name in call.argument_facts.values())
        too_much = call.tool == "pay_settlement" and call.arguments["amount"] != "10.00"
        papers = any(known[name].trust in (Trust.DOCUMENT, Trust.REQUESTER) for name in call.argument_facts.values())
        if from_model or (too_much and papers and call.argument_facts) or call.tool == "transfer":
            at_least = BoundaryLevel.ASSIST
    attacks = {"instructions_in_document", "secrets_in_output"}
    if any(item.check in attacks and item.verdict in (Verdict.FLAG, Verdict.BLOCK) for item in findings):
        at_least = BoundaryLevel.HUMAN_ONLY
    assert STRICTNESS.index(verdict.level) >= STRICTNESS.index(at_least)
    assert json.dumps(verdict.reasons)
