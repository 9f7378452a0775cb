"""Shapes of what is read about tasks, runs and reviews. All times have a zone; money is Decimal; ids are strings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from overseen.domain.facts import Fact
from overseen.domain.findings import Finding
from overseen.domain.outcomes import ENDED, BoundaryVerdict, Ruling, RunState
from overseen.domain.plans import Plan


@dataclass(frozen=True, kw_only=True)
class StepView:
    """One step of the plan as it stands. `state`: waiting, running, done, stopped. `activity` says what happens now."""

    step_id: str
    agent: str
    goal: str
    state: str
    needs: tuple[str, ...] = ()
    produces: tuple[str, ...] = ()
    fact_count: int = 0
    findings: tuple[Finding, ...] = ()
    activity: str = ""
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """One journal entry for people. `glyph` names the icon, `tone` its colour: done, waits, stopped, running, ended."""

    sequence: int
    at: datetime
    kind: str
    actor: str
    glyph: str
    tone: str
    sentence: str
    step_id: str
    """Empty for what belongs to the run as a whole."""
    payload: Mapping[str, Any]
    hash: str

    @property
    def blobs(self) -> tuple[tuple[str, str], ...]:
        """(what it is, SHA-256) of the contents this entry points to."""
        return tuple(
            (name.removesuffix("_blob").replace("_", " "), str(value))
            for name, value in self.payload.items()
            if name.endswith("_blob") and value
        )


@dataclass(frozen=True, kw_only=True)
class TimelineGroup:
    """Entries of one step, or of the run as a whole, that follow each other."""

    title: str
    step_id: str
    entries: tuple[TimelineEntry, ...]


@dataclass(frozen=True, kw_only=True)
class CallView:
    """One tool call. `arguments` is None where the content was erased."""

    call_id: str
    step_id: str
    agent: str
    tool: str
    effect: str
    state: str
    digest: str
    attempts: int
    error_code: str | None
    started_at: datetime
    ended_at: datetime | None
    timings: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class ModelCallView:
    """One model call. `seconds` is the time until the whole answer was there."""

    model_call_id: str
    step_id: str
    purpose: str
    route: str
    model: str
    prompt_name: str | None
    prompt_version: str | None
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What a run took. `working_seconds` leaves out the time it waited for people, and for its turn at models, which is
    `queue_seconds`."""

    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    model_calls: int
    tool_calls: int
    models: tuple[str, ...]
    working_seconds: float | None
    queue_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The written explanation. `author` is model or rules."""

    text: str
    cited_facts: tuple[str, ...]
    author: str


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run, whole."""

    run_id: str
    task_id: str
    requester_id: str
    title: str
    playbook: str
    playbook_digest: str
    region: str
    state: RunState
    outcome: str | None
    amount: Decimal | None
    currency: str | None
    boundary: str | None
    error_code: str | None
    error_message: str | None
    created_at: datetime
    started_at: datetime | None
    parked_at: datetime | None
    ended_at: datetime | None
    plan: Plan | None
    steps: tuple[StepView, ...]
    facts: tuple[Fact, ...]
    findings: tuple[Finding, ...]
    ruling: Ruling | None
    verdict: BoundaryVerdict | None
    explanation: Explanation | None
    review_id: str | None
    timeline: tuple[TimelineEntry, ...]
    calls: tuple[CallView, ...]
    model_calls: tuple[ModelCallView, ...]
    totals: Totals
    last_sequence: int
    leases: tuple[Mapping[str, Any], ...] = field(default=())
    withheld: bool = False
    """Whether what is proposed is kept from this viewer: nothing was decided yet, or something else was."""

    details_withheld: bool = False
    """Whether the outcome is told to this viewer and what it rests on is not: the records are not theirs."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen in it."""
        return self.state in ENDED

    def fact(self, name: str) -> Fact | None:
        """The fact of that name, None when the run has none."""
        return next((fact for fact in self.facts if fact.name == name), None)


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One run in a list."""

    run_id: str
    task_id: str
    title: str
    playbook: str
    state: RunState
    outcome: str | None
    amount: Decimal | None
    currency: str | None
    boundary: str | None
    cost_usd: Decimal
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class AttachmentView:
    """A file of a task. `size` in bytes."""

    attachment_id: str
    message_id: str
    name: str
    media_type: str
    size: int
    blob: str

    @property
    def is_image(self) -> bool:
        """Whether a browser can show it as a picture."""
        return self.media_type in ("image/jpeg", "image/png", "image/webp", "image/gif")


@dataclass(frozen=True, kw_only=True)
class MessageView:
    """One line of the chat."""

    message_id: str
    author: str
    account_id: str | None
    kind: str
    text: str
    reply_to: str | None
    created_at: datetime
    attachments: tuple[AttachmentView, ...]
    cited_facts: tuple[str, ...] = ()
    """Names of the facts that an answer rests on."""


@dataclass(frozen=True, kw_only=True)
class TaskLine:
    """One task in a list, with the state of its newest run."""

    task_id: str
    run_id: str | None
    title: str
    playbook: str
    requester_id: str
    state: RunState
    outcome: str | None
    amount: Decimal | None
    currency: str | None
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """One task with its chat; `run` is the newest run."""

    task_id: str
    title: str
    playbook: str
    requester_id: str
    requester_name: str
    region: str
    created_at: datetime
    messages: tuple[MessageView, ...]
    attachments: tuple[AttachmentView, ...]
    run: RunView | None
    reviewer_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Paging by cursor: `cursor` opens the next page, None on the last. `total` counts all that match."""

    total: int
    cursor: str | None
