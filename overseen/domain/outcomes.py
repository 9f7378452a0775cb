"""What was decided about a task, and how far the machine may go by itself."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Outcome(StrEnum):
    """What the rules say should happen to a claim."""

    SETTLE = "settle"
    DENY = "deny"
    ASK = "ask"
    """Something is missing; the requester is asked for it."""
    REFER = "refer"
    """The rules cannot decide; a person must."""


class BoundaryLevel(StrEnum):
    """The rule that puts a decision in one of three places."""

    AUTOMATE = "automate"
    ASSIST = "assist"
    HUMAN_ONLY = "human_only"


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """The outcome computed by decision tables from facts; the model has no part in it.

    `amount` is what would be paid, None where nothing is. `sum_terms` are (label, amount) pairs whose sum is `amount`.
    `reasons` are sentences for people; `rules` are the ids of the table rows that fired.
    `missing` names what to ask for.
    """

    outcome: Outcome
    amount: Decimal | None
    currency: str
    sum_terms: tuple[tuple[str, Decimal], ...]
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    missing: tuple[str, ...] = ()
    decision_class: str = ""


@dataclass(frozen=True, kw_only=True)
class BoundaryVerdict:
    """Where the boundary puts a ruling, and why: one sentence a reason, the weightiest first.

    `tolerated` says what the safety floor let pass because the playbook names it for this outcome.
    """

    level: BoundaryLevel
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    tolerated: tuple[str, ...] = ()


class RunState(StrEnum):
    """Where a run is. The last five are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING_REVIEW = "waiting_review"
    WAITING_REQUESTER = "waiting_requester"
    SETTLED = "settled"
    DENIED = "denied"
    CLOSED = "closed"
    """Ended without payment or denial (rejected by a reviewer, withdrawn)."""
    FAILED = "failed"
    STOPPED = "stopped"
    """Ended by a kill switch or an operator."""


ENDED = frozenset({RunState.SETTLED, RunState.DENIED, RunState.CLOSED, RunState.FAILED, RunState.STOPPED})


class DecisionKind(StrEnum):
    """What a reviewer can say."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    ASK = "ask"


class Role(StrEnum):
    """What a person may do. Roles are separate; one account may hold several."""

    REQUESTER = "requester"
    REVIEWER = "reviewer"
    PROMPT_ENGINEER = "prompt_engineer"
    MODEL_DEPLOYER = "model_deployer"
    POLICY_EDITOR = "policy_editor"
    AUDITOR = "auditor"
    OPERATOR = "operator"
