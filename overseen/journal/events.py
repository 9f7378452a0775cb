"""Everything that can happen, one frozen class a kind.

Entries hold ids, digests, names of our own making and numbers. Personal content (words of people, values of facts,
prompts, answers, arguments) is in encrypted blobs; fields ending in `_blob` carry their SHA-256.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from overseen.domain.act_origin import current_origin
from overseen.domain.canonical import plain

EVENT_KINDS: dict[str, type["Event"]] = {}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Root of all events; `kind` is the class name."""

    kind: ClassVar[str] = "Event"

    def __init_subclass__(cls) -> None:
        cls.kind = cls.__name__
        EVENT_KINDS[cls.kind] = cls

    def payload(self) -> dict[str, Any]:
        """The event's fields as JSON values; fields that are None are left out.

        Beside them how the act reached the house, where somebody acts: see `overseen.domain.act_origin`.
        """
        origin = current_origin()
        return (origin.named() if origin else {}) | {
            field.name: plain(value)
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) is not None
        }


# --- tasks and runs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TaskSubmitted(Event):
    """A requester handed in a task; the run is queued in the same transaction."""

    task_id: str
    playbook: str
    playbook_digest: str
    requester_id: str
    message_blob: str
    attachments: tuple[dict[str, Any], ...]
    """Each {attachment_id, media_type, size, blob}."""
    region: str


@dataclass(frozen=True, kw_only=True)
class MessageAdded(Event):
    """A line was added to the chat. `author` is requester, overseen or reviewer."""

    message_id: str
    author: str
    message_kind: str
    body_blob: str
    attachments: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """A worker took the run; a second entry means that the worker before died and another goes on from its records."""

    worker_id: str
    trace_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunParked(Event):
    """The run waits for a person (`waits_for`: reviewer or requester) at no cost."""

    waits_for: str
    review_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunResumed(Event):
    """An answer came and the run goes on. `interrupt_id` is the wait that it ended: an answer ends one wait, once."""

    interrupt_id: str
    decision_id: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunEnded(Event):
    """The run is over. `state` is settled, denied, closed or stopped."""

    state: str
    outcome: str | None = None
    amount: str | None = None
    currency: str | None = None
    seconds: float
    input_tokens: int
    output_tokens: int
    cost_usd: str


@dataclass(frozen=True, kw_only=True)
class RunFailed(Event):
    """The run ended on an error that no retry mends. `state` is failed or stopped, `amount` what was paid before."""

    error_code: str
    message: str
    who_acts: str
    state: str | None = None
    amount: str | None = None


# --- plan and steps -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PlanProposed(Event):
    """A plan came from the model (origin model or repaired) or the playbook; `problems` is empty when it holds."""

    origin: str
    plan_blob: str
    plan_digest: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlanLocked(Event):
    """From here on the run keeps to this plan. `steps` are {step_id, agent, needs, produces}."""

    plan_digest: str
    origin: str
    steps: tuple[dict[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class StepStarted(Event):
    """A step was delegated to its agent."""

    step_id: str
    agent: str


@dataclass(frozen=True, kw_only=True)
class StepFinished(Event):
    """The agent concluded. `facts` and `findings` are counts."""

    step_id: str
    agent: str
    facts: int
    findings: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class FactsProduced(Event):
    """Facts of a step; values are in the blob, here {name, fact_id, trust, confidence, source_kind}."""

    step_id: str
    facts_blob: str
    facts: tuple[dict[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class FindingReported(Event):
    """A guardrail spoke. What it found is about content, so `finding_blob` holds {subject, message}.

    `subject` is only of what kind it is (document, photo, fact, call); `message` is empty but in entries of an earlier
    version. See `overseen.journal.contents`.
    """

    step_id: str | None = None
    check: str
    verdict: str
    subject: str
    message: str = ""
    finding_blob: str | None = None
    evidence_blob: str | None = None


# --- models ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ModelCalled(Event):
    """A model answered."""

    model_call_id: str
    step_id: str
    agent: str
    purpose: str
    route: str
    model: str
    prompt_name: str | None = None
    prompt_version: str | None = None
    request_blob: str
    answer_blob: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: str
    seconds: float
    finish_reason: str


@dataclass(frozen=True, kw_only=True)
class ModelFailed(Event):
    """A route failed; `will_retry` says whether another try follows."""

    step_id: str
    agent: str
    purpose: str
    route: str
    error_code: str
    message: str
    attempt: int
    will_retry: bool


# --- tools and leases -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CallStarted(Event):
    """A tool call passed all its checks so far and is about to run. Recorded before the effect."""

    call_id: str
    step_id: str
    agent: str
    tool: str
    effect: str
    digest: str
    arguments_blob: str
    argument_facts: dict[str, str]
    attempt: int


@dataclass(frozen=True, kw_only=True)
class CallFinished(Event):
    """A tool call came back. `timings` are seconds by part (lease, sandbox, tool, record)."""

    call_id: str
    step_id: str
    tool: str
    result_blob: str
    timings: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class CallFailed(Event):
    """A tool call ended in an error; whether its effect happened is in `effect_known` (no, yes, unknown)."""

    call_id: str
    step_id: str
    tool: str
    error_code: str
    message: str
    effect_known: str


@dataclass(frozen=True, kw_only=True)
class CallRefused(Event):
    """A rule said no; nothing happened. `rule`: policy, plan_lock, approval, budget, lease, capability, stopped."""

    call_id: str
    step_id: str
    agent: str
    tool: str
    digest: str
    rule: str
    message: str


@dataclass(frozen=True, kw_only=True)
class DoorRequest(Event):
    """A sandbox used a door (database or egress). `detail` holds no content: host, path, rows, bytes."""

    call_id: str
    door: str
    allowed: bool
    detail: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class LeaseIssued(Event):
    """A credential came to life for one call."""

    lease_id: str
    call_id: str
    agent: str
    tool: str
    grants: tuple[str, ...]
    accessor: str
    principals: tuple[str, ...]
    expires_at: str


@dataclass(frozen=True, kw_only=True)
class LeaseClosed(Event):
    """A credential is proven gone."""

    lease_id: str
    call_id: str
    reason: str
    lived_seconds: float


@dataclass(frozen=True, kw_only=True)
class LeaseRefused(Event):
    """No credential was given."""

    lease_id: str
    call_id: str
    grants: tuple[str, ...]
    error_code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class KillSwitchAsked(Event):
    """Someone asked to end everything; someone else must confirm. Nothing is stopped yet."""

    stop_id: str
    scope: str
    target: str
    reason_blob: str


@dataclass(frozen=True, kw_only=True)
class KillSwitchPulled(Event):
    """Someone ended a call, run, agent, tool or everything.

    `proven_seconds` until all was proven gone, or until the switch stopped waiting where `proven` is false.
    """

    scope: str
    target: str
    reason_blob: str
    leases: int
    proven_seconds: float
    stop_id: str = ""
    proven: bool = True


@dataclass(frozen=True, kw_only=True)
class KillSwitchProven(Event):
    """What a kill switch could not prove gone when it was pulled, Vault being down say, is proven gone by now."""

    stop_id: str
    scope: str
    target: str


@dataclass(frozen=True, kw_only=True)
class KillSwitchLifted(Event):
    """What a kill switch stopped may go on, with new leases; or what was only asked for was withdrawn."""

    stop_id: str
    scope: str
    target: str
    reason_blob: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReconcilerFinding(Event):
    """Vault's own log and the ledger disagree. `name` is the anomaly's name."""

    name: str
    accessor: str | None = None
    lease_id: str | None = None
    detail: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class FindingExplained(Event):
    """Someone looked into a finding of the reconciler and says what it was. `sequence` is the finding's entry."""

    sequence: int
    name: str
    reason_blob: str


@dataclass(frozen=True, kw_only=True)
class BackupMade(Event):
    """The database was written to a file. `size` is in bytes."""

    file: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class LeasesExported(Event):
    """Someone took the ledger out of the house. `narrowed_by` are "field=value", and "search" for any search."""

    format: str
    narrowed_by: tuple[str, ...] = ()


# --- deciding -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RulingComputed(Event):
    """Decision tables spoke. Sentences and the sum are in the blob."""

    outcome: str
    amount: str | None = None
    currency: str | None = None
    decision_class: str
    rules: tuple[str, ...]
    ruling_blob: str


@dataclass(frozen=True, kw_only=True)
class Explained(Event):
    """The explanation for people was written; `author` is model or rules (when the model's did not hold)."""

    explanation_blob: str
    author: str
    cited_facts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LossesCompared(Event):
    """The run reserved `marks` things it is known by; `earlier_runs` of other tasks had one of them before."""

    marks: int
    earlier_runs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BoundaryDecided(Event):
    """Where the boundary put the decision, and by which rules. `tolerated` is what the safety floor let pass.

    `edited_outcome` and `edited_amount` are what a reviewer's edit comes to, where it was one that was looked at.
    """

    level: str
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    proposal_digest: str
    tolerated: tuple[str, ...] = ()
    edited_outcome: str | None = None
    edited_amount: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReviewOpened(Event):
    """Something waits for a person. The digest is of exactly what would be done.

    `edited_by` is who put it in place of what the rules proposed: somebody else must agree.
    """

    review_id: str
    boundary: str
    proposal_blob: str
    proposal_digest: str
    due_at: str
    edited_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReviewDecided(Event):
    """A reviewer decided. `proposal_digest` is what they saw."""

    review_id: str
    decision_id: str
    decision: str
    reviewer_id: str
    proposal_digest: str
    reason_blob: str
    edit_blob: str | None = None
    seconds_to_decide: float


@dataclass(frozen=True, kw_only=True)
class ReviewWithdrawn(Event):
    """The requester told a danger (names of the playbook's danger facts) while a review waited: all is read anew."""

    review_id: str
    message_id: str
    dangers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DangerTold(Event):
    """The requester told a danger after the run had ended: a person has to look at it."""

    message_id: str
    dangers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DecisionRefused(Event):
    """A decision did not pass the checks on resume (digest, role, requester, used before); nothing was done."""

    review_id: str
    decision_id: str
    message: str


@dataclass(frozen=True, kw_only=True)
class CallAuthorized(Event):
    """Leave for one exact call. `granted_by` is boundary or decision:<id>."""

    authorization_id: str
    call_digest: str
    tool: str
    granted_by: str


@dataclass(frozen=True, kw_only=True)
class QuestionAsked(Event):
    """The requester asked about the task."""

    message_id: str
    body_blob: str


@dataclass(frozen=True, kw_only=True)
class QuestionAnswered(Event):
    """An answer was given from facts and journal. `author` is model or journal."""

    message_id: str
    reply_to: str
    body_blob: str
    author: str
    cited_facts: tuple[str, ...] = ()


# --- the house itself -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ChainClosed(Event):
    """A run's chain is complete; its head was signed. Written to the stream `system`, which anchors every run."""

    run_id: str
    sequence: int
    head_hash: str
    signature: str | None = None


@dataclass(frozen=True, kw_only=True)
class JournalAccepted(Event):
    """Someone looked at what the journal cannot prove, and said that it goes on from here.

    `set_aside` are witnesses that held something else ("name: up to N"), after a restore from a backup or a loss;
    `unsigned` are runs that an earlier version closed without a signature. `signature` is of all of this.
    """

    reason_blob: str
    set_aside: tuple[str, ...]
    unsigned: tuple[str, ...]
    signature: str | None = None


@dataclass(frozen=True, kw_only=True)
class SignedIn(Event):
    """Someone signed in. `method` is password or link."""

    account_id: str
    method: str


@dataclass(frozen=True, kw_only=True)
class CredentialMinted(Event):
    """Something was made that signs in as an account. `credential` is link (once, for a day) or token (for 30 days)."""

    account_id: str
    credential: str
    expires_at: str


@dataclass(frozen=True, kw_only=True)
class AccountChanged(Event):
    """An account was made or changed. `change` is made, disabled, enabled, roles, email or signed_out (all)."""

    account_id: str
    roles: tuple[str, ...]
    change: str


@dataclass(frozen=True, kw_only=True)
class PartFailed(Event):
    """A part of the house failed its health check or came back. `state` is down or up."""

    part: str
    state: str
    message: str
