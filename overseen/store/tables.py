"""Every table, in one readable place. History is in the journal; these rows are what is true now.

Personal content never stands in a column: it is in `blobs`, encrypted, and rows carry the SHA-256.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from overseen.store.money import Money


def now() -> datetime:
    """The present, with time zone."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Root of the mapped classes."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        list[str]: ARRAY(String),
        Decimal: Money(),
    }


class Account(Base):
    """A person who signs in. `roles` are `overseen.domain.outcomes.Role` values.

    `email` is the address that whoever made the account vouches for: records under it are this person's own.
    """

    __tablename__ = "accounts"
    account_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    display_name: Mapped[str] = mapped_column(String(120))
    password_hash: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    roles: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(default=now)
    disabled_at: Mapped[datetime | None]


class SignIn(Base):
    """What signs somebody in (`kind`: session, link or token), or lets a browser be known again at sign-in (device).

    Only the token's SHA-256 is kept.
    """

    __tablename__ = "sign_ins"
    token_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Blob(Base):
    """Content by SHA-256 of the plain bytes; AES-256-GCM, key id in `key_id`. Erasing nulls `ciphertext`."""

    __tablename__ = "blobs"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(120))
    size: Mapped[int] = mapped_column(BigInteger)
    key_id: Mapped[str] = mapped_column(String(16))
    nonce: Mapped[bytes] = mapped_column(LargeBinary)
    ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Task(Base):
    """What a person submitted. `title_blob` holds the words; `form_token` makes a double submit one task."""

    __tablename__ = "tasks"
    task_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    playbook: Mapped[str] = mapped_column(String(80))
    requester_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"))
    region: Mapped[str] = mapped_column(String(20))
    title_blob: Mapped[str] = mapped_column(String(64))
    form_token: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (
        UniqueConstraint("requester_id", "form_token"),
        Index("ix_tasks_requester", "requester_id", "task_id"),
    )


class Attachment(Base):
    """A file handed in with a message. `name_blob` holds its cleaned name as shown to people, never used as a path.

    `name` is where an earlier version kept the name in the clear; see `overseen.store.file_names`.
    """

    __tablename__ = "attachments"
    attachment_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.task_id"), index=True)
    message_id: Mapped[str] = mapped_column(String(40))
    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str | None] = mapped_column(String(200))
    name_blob: Mapped[str | None] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(120))
    size: Mapped[int] = mapped_column(BigInteger)
    blob: Mapped[str] = mapped_column(String(64))


class Message(Base):
    """One line of the chat. `author` is requester, overseen or reviewer; `kind` is text, question, answer or notice."""

    __tablename__ = "messages"
    message_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.task_id"), index=True)
    author: Mapped[str] = mapped_column(String(20))
    account_id: Mapped[str | None] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))
    body_blob: Mapped[str] = mapped_column(String(64))
    reply_to: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(default=now)


class Run(Base):
    """One execution of the supervisor graph. Totals are kept here so that lists need no sum over the journal."""

    __tablename__ = "runs"
    run_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.task_id"), index=True)
    playbook: Mapped[str] = mapped_column(String(80))
    playbook_digest: Mapped[str] = mapped_column(String(64))
    region: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(30), index=True)
    outcome: Mapped[str | None] = mapped_column(String(30))
    amount: Mapped[Decimal | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    boundary: Mapped[str | None] = mapped_column(String(20))
    plan_blob: Mapped[str | None] = mapped_column(String(64))
    facts_blob: Mapped[str | None] = mapped_column(String(64))
    ruling_blob: Mapped[str | None] = mapped_column(String(64))
    explanation_blob: Mapped[str | None] = mapped_column(String(64))
    error_code: Mapped[str | None] = mapped_column(String(60))
    error_message: Mapped[str | None] = mapped_column(Text)
    input_tokens: Mapped[int] = mapped_column(Integer, default=0)
    output_tokens: Mapped[int] = mapped_column(Integer, default=0)
    cost_usd: Mapped[Decimal] = mapped_column(default=Decimal(0))
    trace_id: Mapped[str | None] = mapped_column(String(32))
    root_span_id: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    parked_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class CallRecord(Base):
    """One tool call by its idempotency key. `state`: started, finished, failed, refused. Blobs hold contents."""

    __tablename__ = "calls"
    call_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(40), index=True)
    step_id: Mapped[str] = mapped_column(String(40))
    agent: Mapped[str] = mapped_column(String(60))
    tool: Mapped[str] = mapped_column(String(60))
    effect: Mapped[str] = mapped_column(String(20))
    digest: Mapped[str] = mapped_column(String(64))
    arguments_blob: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column(Integer, default=1)
    result_blob: Mapped[str | None] = mapped_column(String(64))
    error_code: Mapped[str | None] = mapped_column(String(60))
    started_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]
    timings: Mapped[dict[str, Any]] = mapped_column(default=dict)


class ModelCallRecord(Base):
    """One finished model call by its key, so that a crash never pays or rolls the dice twice."""

    __tablename__ = "model_calls"
    model_call_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(40), index=True)
    step_id: Mapped[str] = mapped_column(String(40))
    purpose: Mapped[str] = mapped_column(String(80))
    request_digest: Mapped[str] = mapped_column(String(64))
    request_blob: Mapped[str] = mapped_column(String(64))
    answer_blob: Mapped[str] = mapped_column(String(64))
    route: Mapped[str] = mapped_column(String(80))
    model: Mapped[str] = mapped_column(String(120))
    prompt_name: Mapped[str | None] = mapped_column(String(120))
    prompt_version: Mapped[str | None] = mapped_column(String(64))
    input_tokens: Mapped[int] = mapped_column(Integer)
    output_tokens: Mapped[int] = mapped_column(Integer)
    cost_usd: Mapped[Decimal]
    seconds: Mapped[Decimal]
    created_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (Index("ix_model_calls_pace", "route", "purpose", "created_at"),)


class ModelTurn(Base):
    """A call that waits for its turn at a route, or is being answered; written when that takes longer than a moment.

    `asked_at` is its place in the queue, `started_at` when its turn came. `holder` names the process it belongs to: a
    row whose holder has no lock any more is of a process that died. Not kept over a crash of the database.
    """

    __tablename__ = "model_turns"
    turn_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(40), index=True)
    step_id: Mapped[str] = mapped_column(String(40))
    agent: Mapped[str] = mapped_column(String(60))
    purpose: Mapped[str] = mapped_column(String(80))
    route: Mapped[str] = mapped_column(String(80))
    holder: Mapped[str] = mapped_column(String(40))
    asked_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    first_token_at: Mapped[datetime | None]
    tokens: Mapped[int] = mapped_column(Integer, default=0)
    usual_seconds: Mapped[float | None]
    seen_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (Index("ix_model_turns_route", "route", "asked_at"), {"prefixes": ["UNLOGGED"]})


class RunTime(Base):
    """How long a run has worked, and waited for its turn at models. Waiting for people is in neither.

    The columns that end in `_now` count since the requester last added something: what the playbook's limit is
    compared with.
    """

    __tablename__ = "run_times"
    run_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    work_seconds: Mapped[float] = mapped_column(default=0.0)
    queue_seconds: Mapped[float] = mapped_column(default=0.0)
    work_seconds_now: Mapped[float] = mapped_column(default=0.0)
    queue_seconds_now: Mapped[float] = mapped_column(default=0.0)


class Authorization(Base):
    """Leave for one exact write or irreversible call: by the boundary or by a reviewer's decision. Used once."""

    __tablename__ = "authorizations"
    authorization_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(40), index=True)
    call_digest: Mapped[str] = mapped_column(String(64))
    granted_by: Mapped[str] = mapped_column(String(60))
    used_call_id: Mapped[str | None] = mapped_column(String(40), index=True)
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Review(Base):
    """Something that waits for a person. `proposal_digest` is the digest of exactly what would be done."""

    __tablename__ = "reviews"
    review_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), index=True)
    task_id: Mapped[str] = mapped_column(String(40))
    playbook: Mapped[str] = mapped_column(String(80))
    region: Mapped[str] = mapped_column(String(20))
    boundary: Mapped[str] = mapped_column(String(20))
    outcome: Mapped[str] = mapped_column(String(30))
    amount: Mapped[Decimal | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    proposal_blob: Mapped[str] = mapped_column(String(64))
    proposal_digest: Mapped[str] = mapped_column(String(64))
    interrupt_id: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(20), index=True)
    """open, decided, applied, withdrawn."""
    assignee_id: Mapped[str | None] = mapped_column(String(40))
    edited_by: Mapped[str | None] = mapped_column(String(40))
    """Whose edit this is; somebody else must agree to it."""
    due_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(default=now)
    decided_at: Mapped[datetime | None]


class Decision(Base):
    """What a reviewer said, once. `proposal_digest` is what they saw; `edit_blob` what they put in its place.

    `channel` is page, api or command_line; `os_user` the user of the machine where a command decided. `refused_at`: the
    decision did not hold when it was to be used, and the case waits for another.
    """

    __tablename__ = "decisions"
    decision_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    review_id: Mapped[str] = mapped_column(ForeignKey("reviews.review_id"))
    run_id: Mapped[str] = mapped_column(String(40), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    reviewer_id: Mapped[str] = mapped_column(String(40))
    reason_blob: Mapped[str] = mapped_column(String(64))
    proposal_digest: Mapped[str] = mapped_column(String(64))
    edit_blob: Mapped[str | None] = mapped_column(String(64))
    channel: Mapped[str | None] = mapped_column(String(20))
    os_user: Mapped[str | None] = mapped_column(String(120))
    used_at: Mapped[datetime | None]
    refused_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (
        Index("ix_decisions_in_force", "review_id", unique=True, postgresql_where=text("refused_at IS NULL")),
    )


class LossKeyRecord(Base):
    """Something a run is known by, as a keyed digest; see `overseen.store.loss_keys`. `number` is who came first."""

    __tablename__ = "loss_keys"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True, index=True)
    number: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    reserved_at: Mapped[datetime] = mapped_column(default=now)


class LossMatch(Base):
    """A run seems to be about the same loss as one that came before; `title` says by what, in the playbook's words."""

    __tablename__ = "loss_matches"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    earlier_run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True, index=True)
    title: Mapped[str] = mapped_column(String(200), primary_key=True)
    found_at: Mapped[datetime] = mapped_column(default=now)


class LeaseRecord(Base):
    """The ledger: one row a lease, written before anything is minted.

    `state`: intent, issued, revoking, closed (proven gone), refused, irrevocable. `principals` are names the credential
    answers to elsewhere (Postgres roles). Never a secret.
    """

    __tablename__ = "leases"
    lease_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    call_id: Mapped[str] = mapped_column(String(40), index=True)
    run_id: Mapped[str] = mapped_column(String(40), index=True)
    step_id: Mapped[str] = mapped_column(String(40))
    agent: Mapped[str] = mapped_column(String(60))
    tool: Mapped[str] = mapped_column(String(60))
    grants: Mapped[list[str]]
    policies: Mapped[list[str]] = mapped_column(default=list)
    paths: Mapped[list[str]] = mapped_column(default=list)
    kind: Mapped[str] = mapped_column(String(40))
    region: Mapped[str] = mapped_column(String(20))
    requester_id: Mapped[str | None] = mapped_column(String(40))
    approver_id: Mapped[str | None] = mapped_column(String(40))
    worker_id: Mapped[str] = mapped_column(String(80), index=True)
    state: Mapped[str] = mapped_column(String(20), index=True)
    accessor: Mapped[str | None] = mapped_column(String(120), index=True)
    vault_leases: Mapped[list[str]] = mapped_column(default=list)
    principals: Mapped[list[str]] = mapped_column(default=list)
    asked_at: Mapped[datetime] = mapped_column(default=now)
    issued_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    proven_gone_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (
        Index("ix_leases_asked_at", "asked_at"),
        Index("ix_leases_vault_leases", "vault_leases", postgresql_using="gin"),
    )


class WorkerRecord(Base):
    """A worker process that lives, or lived. Liveness itself is the advisory lock it holds on its id."""

    __tablename__ = "workers"
    worker_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    region: Mapped[str] = mapped_column(String(20))
    process: Mapped[dict[str, Any]] = mapped_column(default=dict)
    started_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]


class JournalHead(Base):
    """The end of each stream's chain; locked while an entry is appended."""

    __tablename__ = "journal_heads"
    stream: Mapped[str] = mapped_column(String(60), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    head_hash: Mapped[str] = mapped_column(String(64))
    closed: Mapped[bool] = mapped_column(Boolean, default=False)
    signature: Mapped[str | None] = mapped_column(Text)


class JournalRow(Base):
    """One entry. `hash` covers the previous hash, stream, sequence, time, kind, actor and payload."""

    __tablename__ = "journal"
    stream: Mapped[str] = mapped_column(String(60), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    entry_id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    """Order over all streams; a cursor for those who follow everything."""
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(60), index=True)
    actor: Mapped[str] = mapped_column(String(120))
    payload: Mapped[dict[str, Any]]
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
    once_key: Mapped[str | None] = mapped_column(String(160))
    """Names what must be told once, however often the work is tried; no part of the hash."""
    __table_args__ = (UniqueConstraint("stream", "once_key"),)


class CheckpointRow(Base):
    """A numbered, signed head of the whole journal; see `overseen.journal.checkpoints`."""

    __tablename__ = "journal_checkpoints"
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    previous: Mapped[str] = mapped_column(String(64))
    root: Mapped[str] = mapped_column(String(64))
    streams: Mapped[int] = mapped_column(BigInteger)
    entries: Mapped[int] = mapped_column(BigInteger)
    moved_digest: Mapped[str] = mapped_column(String(64))
    signature: Mapped[str] = mapped_column(Text)


class CheckpointHead(Base):
    """A head that moved between a checkpoint and the one before."""

    __tablename__ = "journal_checkpoint_heads"
    stream: Mapped[str] = mapped_column(String(60), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, index=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    head_hash: Mapped[str] = mapped_column(String(64))
    closed: Mapped[bool] = mapped_column(Boolean)
    order_digest: Mapped[str] = mapped_column(String(64))


class CheckpointLeaf(Base):
    """The head of each stream as the newest checkpoint has it: the leaves of its tree, so that none is read twice."""

    __tablename__ = "journal_checkpoint_leaves"
    stream: Mapped[str] = mapped_column(String(60), primary_key=True)
    bucket: Mapped[int] = mapped_column(Integer, index=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    head_hash: Mapped[str] = mapped_column(String(64))
    closed: Mapped[bool] = mapped_column(Boolean)


class CheckpointBucket(Base):
    """The hashes of the tree's buckets that hold anything."""

    __tablename__ = "journal_checkpoint_buckets"
    bucket: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class WitnessRow(Base):
    """How far each witness was told, so that one that forgets is noticed."""

    __tablename__ = "journal_witnesses"
    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(default=now)


class RunTokenRecord(Base):
    """The token above all call tokens of one run. A run has one per worker that worked on it.

    `state`: intent, issued, revoking, closed (proven gone). Never the token itself.
    """

    __tablename__ = "run_tokens"
    run_token_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(40), index=True)
    worker_id: Mapped[str] = mapped_column(String(80), index=True)
    state: Mapped[str] = mapped_column(String(20), index=True)
    accessor: Mapped[str | None] = mapped_column(String(120), index=True)
    asked_at: Mapped[datetime] = mapped_column(default=now)
    issued_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    proven_gone_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(200))


class StopRecord(Base):
    """A kill switch that was pulled, or asked for. What it names may not run from `pulled_at` until `lifted_at`.

    `scope`: call, run, agent, tool or everything; `target` its id or name (`*` for everything). `everything` needs a
    second account: `asked_by` and `pulled_by` differ. `leases_before` and `calls_before`: what was live in its reach
    when it was pulled; None before that, and for those pulled before this was counted.
    """

    __tablename__ = "stops"
    stop_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    scope: Mapped[str] = mapped_column(String(20))
    target: Mapped[str] = mapped_column(String(80))
    reason_blob: Mapped[str] = mapped_column(String(64))
    asked_by: Mapped[str] = mapped_column(String(120))
    asked_at: Mapped[datetime] = mapped_column(default=now)
    pulled_by: Mapped[str | None] = mapped_column(String(120))
    pulled_at: Mapped[datetime | None]
    proven_at: Mapped[datetime | None]
    leases: Mapped[int] = mapped_column(Integer, default=0)
    leases_before: Mapped[int | None] = mapped_column(Integer)
    calls_before: Mapped[int | None] = mapped_column(Integer)
    lifted_by: Mapped[str | None] = mapped_column(String(120))
    lifted_at: Mapped[datetime | None]
    __table_args__ = (Index("ix_stops_target", "scope", "target"),)


class ServiceReport(Base):
    """How the last turn of a service that runs beside the work went: canary, reconciler, sweeper, attack table.

    One row a service, overwritten at every turn: what is worth keeping is in the journal. `detail` holds numbers and
    words of the house, never content.
    """

    __tablename__ = "service_reports"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    worker_id: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(default=now)
    ok: Mapped[bool]
    detail: Mapped[dict[str, Any]]


class VaultSighting(Base):
    """What Vault's own records told of: a token by its accessor, or a leased secret by Vault's id of the lease.

    `token_hash` is Vault's keyed hash of the token: equal for equal tokens, useless otherwise. Kept for a day.
    """

    __tablename__ = "vault_sightings"
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    token_hash: Mapped[str | None] = mapped_column(String(120), index=True)
    at: Mapped[datetime] = mapped_column(index=True)


class AuditPosition(Base):
    """How far Vault's audit file was read, so that a restart goes on from there. One row a reader.

    `head` is the SHA-256 of the file's first line, which names the file also after it was renamed or copied; `offset`
    is in bytes. `since` is where reading began, `checked_to` up to when the ledger was compared.
    """

    __tablename__ = "audit_positions"
    reader: Mapped[str] = mapped_column(String(40), primary_key=True)
    head: Mapped[str | None] = mapped_column(String(64))
    offset: Mapped[int] = mapped_column(BigInteger, default=0)
    since: Mapped[datetime]
    checked_to: Mapped[datetime]
