"""A row of the ledger as people read it, and its life as it is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from overseen.api.reading.lease_filter import LIVE_STATES
from overseen.store.tables import LeaseRecord, now


@dataclass(frozen=True, kw_only=True)
class LeaseCounters:
    """Where the ledger stands. `overdue`: should be gone by now and is not proven gone."""

    live: int
    overdue: int
    denied: int
    irrevocable: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One point of a lifeline. `share` is its place between asked (0.0) and the end of the drawing (1.0)."""

    name: str
    at: datetime
    share: float
    seconds: float
    """Since the lease was asked for; Vault's clock may be a little off ours."""
    about: str = ""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class VaultRecord:
    """What Vault's own records say; `problem` is why they cannot be read here, empty when they can."""

    entries: tuple[tuple[datetime, str, str, str | None], ...] = ()
    """(when, what, path, error) of each entry, oldest first."""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Life:
    """Overseen's moments and Vault's on one scale. `alive` is the part from issue to end, as shares."""

    moments: tuple[Moment, ...]
    vault: tuple[Moment, ...]
    alive: tuple[float, float] | None
    seconds: float
    """How long the whole drawing is."""


@dataclass(frozen=True, kw_only=True)
class LeaseView:
    """One ledger row. `lived_seconds` runs from issue to proof of its end, or until now while it lives."""

    lease_id: str
    call_id: str
    run_id: str
    step_id: str
    agent: str
    tool: str
    grants: tuple[str, ...]
    policies: tuple[str, ...]
    paths: tuple[str, ...]
    kind: str
    region: str
    requester: str | None
    approver: str | None
    worker_id: str
    state: str
    accessor: str | None
    vault_leases: tuple[str, ...]
    principals: tuple[str, ...]
    asked_at: datetime
    issued_at: datetime | None
    used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    proven_gone_at: datetime | None
    reason: str | None
    overdue: bool
    lived_seconds: float | None

    @property
    def is_live(self) -> bool:
        """Whether something of it may still be alive that can be ended."""
        return self.state in LIVE_STATES

    def life(self, record: VaultRecord | None = None) -> Life:
        """Asked, issued, used, revoked and proven gone beside Vault's entries, to scale."""
        entries = record.entries if record else ()
        named = [
            ("asked", self.asked_at),
            ("issued", self.issued_at),
            ("used", self.used_at),
            ("revoked", self.revoked_at),
            ("proven gone", self.proven_gone_at),
        ]
        known = [(name, at) for name, at in named if at is not None]
        last = max([at for _, at in known] + [entry[0] for entry in entries])
        end = now() if self.is_live else last
        width = max((end - self.asked_at).total_seconds(), 0.001)

        def moment(name: str, at: datetime, about: str = "", error: str | None = None) -> Moment:
            seconds = (at - self.asked_at).total_seconds()
            return Moment(
                name=name, at=at, seconds=seconds, share=min(1.0, max(0.0, seconds / width)), about=about, error=error
            )

        moments = tuple(moment(name, at) for name, at in known)
        shares = {point.name: point.share for point in moments}
        alive = (shares["issued"], shares.get("proven gone", shares.get("revoked", 1.0))) if self.issued_at else None
        return Life(
            moments=moments,
            vault=tuple(moment(what, at, path, error) for at, what, path, error in entries),
            alive=alive,
            seconds=width,
        )


@dataclass(frozen=True, kw_only=True)
class LeaseDetail:
    """One lease with where it leads: the journal entry of its call, the task, the decision that allowed it."""

    lease: LeaseView
    effect: str | None
    task_id: str | None
    call_sequence: int | None
    review_id: str | None
    decision: str | None


def lease_view(row: LeaseRecord, names: Mapping[str, str]) -> LeaseView:
    """The row with people by name; `names` maps account ids."""
    moment = now()
    lived = None
    if row.issued_at is not None:
        lived = ((row.proven_gone_at or row.revoked_at or moment) - row.issued_at).total_seconds()
    return LeaseView(
        lease_id=row.lease_id,
        call_id=row.call_id,
        run_id=row.run_id,
        step_id=row.step_id,
        agent=row.agent,
        tool=row.tool,
        grants=tuple(row.grants),
        policies=tuple(row.policies),
        paths=tuple(row.paths),
        kind=row.kind,
        region=row.region,
        requester=names.get(row.requester_id or "", row.requester_id),
        approver=names.get(row.approver_id or "", row.approver_id),
        worker_id=row.worker_id,
        state=row.state,
        accessor=row.accessor,
        vault_leases=tuple(row.vault_leases),
        principals=tuple(row.principals),
        asked_at=row.asked_at,
        issued_at=row.issued_at,
        used_at=row.used_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        proven_gone_at=row.proven_gone_at,
        reason=row.reason,
        overdue=row.state in LIVE_STATES and row.expires_at is not None and row.expires_at < moment,
        lived_seconds=lived,
    )


def people(rows: Sequence[LeaseRecord]) -> set[str]:
    """The account ids that the rows name."""
    return {account for row in rows for account in (row.requester_id, row.approver_id) if account}
