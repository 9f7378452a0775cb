"""What a task is known by, and what is said when another was known by it before."""

from decimal import Decimal
from typing import Any

import pytest

from overseen.domain.findings import Verdict
from overseen.domain.outcomes import Outcome, Ruling
from overseen.domain.same_loss import LossKey, LossMark, OtherLoss, SameLoss
from overseen.playbooks import Playbook, load_playbook
from overseen.supervisor.same_loss import comparable, judge_same_loss, loss_marks
from tests.unit.supervisor.cases import fact

CLAIMS = load_playbook("claims_intake")
TYPES = {definition.name: definition.type for definition in CLAIMS.facts}
CLAIM = {
    "policy_number": "CAR-2214-KL",
    "incident_date": "2026-10-14",
    "estimate_total": Decimal("742.80"),
    "claimed_amount": None,
    "bill_number": "KB/2026-118",
    "bill_issuer": "Kestrel Bodyworks Ltd",
}
NOTHING: dict[str, Any] = dict.fromkeys(CLAIM)
LETTER = "Dear Sirs, on Wednesday another car dented the door of mine while it stood in the car park. " * 3
PAID = Ruling(
    outcome=Outcome.SETTLE, amount=Decimal(400), currency="GBP", sum_terms=(), reasons=(), rules=(), missing=()
)
ASKED = Ruling(outcome=Outcome.ASK, amount=None, currency="GBP", sum_terms=(), reasons=(), rules=(), missing=("it",))


def marks(files: tuple[str, ...] = (), texts: tuple[str, ...] = (), **changes: Any) -> list[LossMark]:
    assert CLAIMS.same_loss is not None
    facts = {name: fact(name, value) for name, value in {**CLAIM, **changes}.items()}
    return loss_marks(CLAIMS.same_loss, TYPES, facts, files, texts)


def meet(one: list[LossMark], other: list[LossMark]) -> bool:
    """Whether the second is known by something that the first is looked for by."""
    return bool({mark.own for mark in one} & {sought for mark in other for sought in mark.looked_for})


@pytest.mark.parametrize(
    "told_otherwise",
    [
        {"policy_number": " car 2214 kl"},
        {"estimate_total": "742.8", "bill_number": None},
        {"incident_date": "2026-10-17", "estimate_total": None, "bill_number": None},
        {"incident_date": "2026-10-11", "estimate_total": Decimal(90), "bill_number": None},
        # Another policy that covers the same, and the bill written with other signs.
        {"policy_number": "TRV-0318-MW", "incident_date": "2026-09-01", "bill_number": "KB 2026 118"},
        {"policy_number": "TRV-0318-MW", "incident_date": "2026-10-20", "bill_number": None},
        {"incident_date": "2025-01-01", "bill_number": None, "bill_issuer": None},
        {"policy_number": None, "bill_issuer": "KESTREL BODYWORKS LTD."},
    ],
)
def test_the_same_loss_told_otherwise_is_found(told_otherwise: dict[str, Any]) -> None:
    assert meet(marks(), marks(**told_otherwise))
    assert meet(marks(**told_otherwise), marks())


@pytest.mark.parametrize(
    "another",
    [
        {"incident_date": "2026-10-18", "estimate_total": Decimal(90), "bill_number": "KB/2026-200"},
        {"policy_number": "CAR-1178-FN", "incident_date": "2026-12-01", "bill_number": "KB/2026-200"},
        {"policy_number": "CAR-1178-FN", "estimate_total": "743.80", "bill_number": "KB/2026-200"},
        # Nothing is the same because it is unknown in both.
        {"policy_number": None, "incident_date": None, "estimate_total": None, "bill_number": None},
    ],
)
def test_another_loss_is_not(another: dict[str, Any]) -> None:
    assert not meet(marks(), marks(**another))


def test_two_claims_of_which_nothing_is_known_are_not_the_same() -> None:
    assert marks(**NOTHING) == []
    assert not meet(marks(**NOTHING), marks(**NOTHING))


def test_a_date_that_is_none_makes_no_key() -> None:
    assert len(marks(incident_date="last Tuesday")) == len(marks(incident_date=None)) < len(marks())


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_days_at_the_ends_of_the_calendar_are_no_error(day: str) -> None:
    assert meet(marks(incident_date=day), marks(incident_date=day))


def test_the_same_file_and_the_same_words_are_the_same_loss() -> None:
    assert meet(marks(("a" * 64,), **NOTHING), marks(("a" * 64, "b" * 64), **NOTHING))
    assert not meet(marks(("a" * 64,), **NOTHING), marks(("b" * 64,), **NOTHING))
    assert meet(marks(texts=(LETTER,), **NOTHING), marks(texts=(LETTER.upper().replace(" ", "\n"),), **NOTHING))
    assert marks(texts=("See the files.",), **NOTHING) == []


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("text", "Müller & Söhne", "MU\u0308LLER SO\u0308HNE"),
        ("text", "INV\u00a02026\uff0f17", "inv-2026-17"),
        ("money", "1250", Decimal("1250.00")),
        ("count", 3, 3),
        ("choice", "Car", "car"),
    ],
)
def test_equal_values_are_equal_however_they_are_written(kind: str, one: Any, other: Any) -> None:
    assert comparable(kind, one) == comparable(kind, other) is not None


def test_the_finding_blocks_and_names_the_other_run_and_what_is_the_same() -> None:
    earlier = OtherLoss(run_id="run_1", task_id="task_1", state="waiting_review", titles=("the same bill",))
    found = judge_same_loss(marks(), [earlier], PAID)
    assert found.verdict is Verdict.BLOCK
    assert "run_1 (waiting review): the same bill" in found.message
    assert found.evidence["runs"] == [{"run_id": "run_1", "task_id": "task_1", "same": ["the same bill"]}]


def test_a_payment_that_can_be_compared_with_nothing_is_looked_at_and_a_question_is_not() -> None:
    assert judge_same_loss([], [], PAID).verdict is Verdict.ABSTAIN
    assert judge_same_loss([], [], ASKED).verdict is Verdict.PASS
    assert judge_same_loss(marks(bill_number=None), [], PAID).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("same_loss", "problem"),
    [
        (SameLoss(keys=(LossKey(title="x", facts=("nowhere",)),)), "nowhere"),
        (
            SameLoss(keys=(LossKey(title="x", facts=("policy_number",), within_days=3),)),
            "exactly one fact of type date",
        ),
        (SameLoss(keys=(LossKey(title="x", facts=("incident_date",), within_days=99),)), "0 to 14"),
        (SameLoss(keys=(LossKey(title="x", facts=()),)), "names no facts"),
        (SameLoss(keys=(), files=False), "neither keys nor files"),
    ],
)
def test_a_playbook_that_cannot_mean_it_is_refused(same_loss: SameLoss, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        CLAIMS.model_validate(
            {name: getattr(CLAIMS, name) for name in Playbook.model_fields} | {"same_loss": same_loss}
        )
