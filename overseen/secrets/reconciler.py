"""The reconciler: Vault's own records against the ledger, both ways. What does not fit is a finding."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import or_, select

from overseen.domain.canonical import digest
from overseen.errors import OverseenError
from overseen.journal import SYSTEM, Journal
from overseen.journal.events import ReconcilerFinding
from overseen.secrets.audit_log import AuditEntry, AuditLog
from overseen.secrets.errors import UnwrappedTwice
from overseen.secrets.lease import LIVING, LeaseState
from overseen.secrets.vault_client import VaultClient
from overseen.store.database import Database
from overseen.store.tables import LeaseRecord, RunTokenRecord, now

_log = logging.getLogger(__name__)

_TOKEN_PATHS = ("auth/token/create/call-", "auth/token/create/run")
_SECRET_PATHS = ("kv/data/", "database/creds/", "identity/oidc/token/", "pki/issue/")
_SLACK = timedelta(seconds=2)
_OVERDUE = timedelta(seconds=30)
_MEMORY = timedelta(hours=24)
"""How long tokens are remembered after they were made, to tell a late use from a stranger's."""


class AnomalyName(StrEnum):
    """What can be wrong."""

    VAULT_ONLY_TOKEN = "VAULT_ONLY_TOKEN"  # noqa: S105 - a name, not a secret
    """Vault made a token that the ledger does not know."""
    VAULT_ONLY_LEASE = "VAULT_ONLY_LEASE"
    """Vault gave out a leased secret that the ledger does not know."""
    LEDGER_ONLY = "LEDGER_ONLY"
    """The ledger tells of a credential that Vault never made."""
    USE_AFTER_REVOKE = "USE_AFTER_REVOKE"
    """A token was used after its end."""
    DENIED = "DENIED"
    """A token was used for something it may not do: a probe."""
    OUT_OF_BAND_READ = "OUT_OF_BAND_READ"
    """Someone read a secret without a lease."""
    UNWRAPPED_TWICE = "UNWRAPPED_TWICE"
    """A wrapped secret was asked for more than once: someone else may have it."""
    STILL_ALIVE = "STILL_ALIVE"
    """Vault knows a credential that the ledger says is gone, or that should be."""


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """One finding. `key` is the same whenever the same thing is found again; `detail` holds ids and names only."""

    name: AnomalyName
    at: datetime
    accessor: str | None = None
    lease_id: str | None = None
    detail: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def key(self) -> str:
        """Name and 16 hexadecimal digits."""
        parts = [self.name, self.accessor, self.lease_id, sorted(self.detail.items())]
        return f"{self.name}:{digest(parts)[:16]}"

    def as_dict(self) -> dict[str, object]:
        """For JSON output."""
        return {
            "name": self.name.value,
            "at": self.at.isoformat(),
            "accessor": self.accessor,
            "lease_id": self.lease_id,
            "detail": self.detail,
        }


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The ledger, by what Vault's records can be joined on."""

    by_accessor: dict[str, LeaseRecord | RunTokenRecord]
    by_id: dict[str, LeaseRecord | RunTokenRecord]
    vault_leases: frozenset[str]

    def row_of(
        self, accessor: str | None, metadata: dict[str, str], at: datetime
    ) -> LeaseRecord | RunTokenRecord | None:
        """The row a token belongs to; by its metadata only while the row has no accessor yet, or never got one."""
        if accessor is not None and accessor in self.by_accessor:
            return self.by_accessor[accessor]
        row = self.by_id.get(metadata.get("lease_id") or metadata.get("run_token_id") or "")
        if row is None or row.accessor is not None:
            return None
        return row if -_SLACK < at - row.asked_at < timedelta(seconds=120) else None


@dataclass
class _Seen:
    """What Vault's records told so far, as far back as `_MEMORY`."""

    first_at: datetime | None = None
    made: dict[str, datetime] = field(default_factory=dict[str, datetime])
    accessor_of_hash: dict[str, str] = field(default_factory=dict[str, str])
    vault_leases: set[str] = field(default_factory=set[str])

    def add(self, entry: AuditEntry) -> None:
        if self.first_at is None:
            self.first_at = entry.at
        if entry.made_accessor is not None:
            self.made[entry.made_accessor] = entry.at
            if entry.made_hash is not None:
                self.accessor_of_hash[entry.made_hash] = entry.made_accessor
        if entry.vault_lease is not None:
            self.vault_leases.add(entry.vault_lease)

    def forget_before(self, moment: datetime) -> None:
        old = {accessor for accessor, at in self.made.items() if at < moment}
        if not old:
            return
        self.made = {accessor: at for accessor, at in self.made.items() if accessor not in old}
        self.accessor_of_hash = {h: accessor for h, accessor in self.accessor_of_hash.items() if accessor not in old}
        self.first_at = moment


class Reconciler:
    """Joins what is new in Vault's records with the ledger. `killswitch` may list what lives in Vault.

    `since` leaves out what Vault recorded before: for a Vault that is older than the ledger.
    """

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        killswitch: VaultClient,
        audit_log: AuditLog,
        since: datetime | None = None,
    ) -> None:
        self._database = database
        self._journal = journal
        self._killswitch = killswitch
        self._audit_log = audit_log
        self._since = since
        self._seen = _Seen()

    async def run(self, *, interval_seconds: float = 10.0) -> None:
        """Reconcile now and then every `interval_seconds` until cancelled."""
        while True:
            try:
                for anomaly in await self.reconcile():
                    _log.warning("reconciler: %s %s", anomaly.name, anomaly.detail)
            except OverseenError as error:
                _log.warning("nothing was reconciled: %s", error)
            await asyncio.sleep(interval_seconds)

    async def reconcile(self) -> list[Anomaly]:
        """Findings in what is new since the last time; each is in the journal once, however often it is found.

        Raises Misconfigured when the audit file cannot be read, and Unavailable.
        """
        started_at = now()
        # Vault's records first: whatever they tell of, the ledger then holds at least the intent of.
        entries = [entry for entry in await self._audit_log.read() if self._since is None or entry.at >= self._since]
        for entry in entries:
            self._seen.add(entry)
        known = await self._known(entries)
        anomalies = [anomaly for entry in entries for anomaly in self._judge(entry, known)]
        anomalies += await self._ledger_only(before=started_at)
        anomalies += await self._still_alive()
        anomalies += await self._unwrapped_twice(since=self._since or started_at - _MEMORY)
        self._seen.forget_before(started_at - _MEMORY)
        unique = {anomaly.key: anomaly for anomaly in anomalies}
        for anomaly in unique.values():
            await self._tell(anomaly)
        return list(unique.values())

    def _judge(self, entry: AuditEntry, known: _Known) -> Iterable[Anomaly]:
        if entry.path.startswith(_TOKEN_PATHS) and entry.made_accessor is not None:
            if known.row_of(entry.made_accessor, entry.made_metadata, entry.at) is None:
                yield _anomaly(AnomalyName.VAULT_ONLY_TOKEN, entry, accessor=entry.made_accessor)
            return
        if not entry.path.startswith(_SECRET_PATHS) or (
            entry.path.startswith("kv/") and entry.operation not in ("read", "list")
        ):
            return
        if entry.refused:
            yield from self._judge_refusal(entry, known)
        elif entry.error is None:
            yield from _judge_read(entry, known)

    def _judge_refusal(self, entry: AuditEntry, known: _Known) -> Iterable[Anomaly]:
        accessor = entry.accessor or self._seen.accessor_of_hash.get(entry.token_hash or "")
        row = known.by_accessor.get(accessor or "") or known.row_of(accessor, entry.metadata, entry.at)
        if row is not None and row.issued_at is None:
            return  # never handed out: the broker itself met a kill switch or a failing Vault half way
        ended_at = row.revoked_at if row is not None else None
        late = ended_at is not None and entry.at > ended_at - _SLACK and entry.accessor is None
        name = AnomalyName.USE_AFTER_REVOKE if late else AnomalyName.DENIED
        yield _anomaly(name, entry, accessor=accessor, row=row)

    async def _known(self, entries: Sequence[AuditEntry]) -> _Known:
        """The ledger rows that the entries may belong to."""
        accessors = {a for e in entries for a in (e.accessor, e.made_accessor) if a}
        accessors |= {
            self._seen.accessor_of_hash[e.token_hash] for e in entries if e.token_hash in self._seen.accessor_of_hash
        }
        ids = {
            found
            for entry in entries
            for metadata in (entry.metadata, entry.made_metadata)
            for found in (metadata.get("lease_id"), metadata.get("run_token_id"))
            if found
        }
        vault_leases = [entry.vault_lease for entry in entries if entry.vault_lease]
        async with self._database.read() as session:
            leases = await session.scalars(
                select(LeaseRecord).where(
                    or_(
                        LeaseRecord.accessor.in_(accessors),
                        LeaseRecord.lease_id.in_(ids),
                        LeaseRecord.vault_leases.overlap(vault_leases),
                    )
                )
            )
            tokens = await session.scalars(
                select(RunTokenRecord).where(
                    or_(RunTokenRecord.accessor.in_(accessors), RunTokenRecord.run_token_id.in_(ids))
                )
            )
            lease_rows, token_rows = leases.all(), tokens.all()
        rows: list[LeaseRecord | RunTokenRecord] = [*lease_rows, *token_rows]
        return _Known(
            by_accessor={row.accessor: row for row in rows if row.accessor},
            by_id={row.lease_id if isinstance(row, LeaseRecord) else row.run_token_id: row for row in rows},
            vault_leases=frozenset(vault_lease for row in lease_rows for vault_lease in row.vault_leases),
        )

    async def _ledger_only(self, *, before: datetime) -> list[Anomaly]:
        """Rows that say they were issued while we were looking, of which Vault's records tell nothing."""
        first_at = self._seen.first_at
        if first_at is None:
            return []
        async with self._database.read() as session:
            rows = await session.scalars(
                select(LeaseRecord).where(
                    LeaseRecord.issued_at > first_at, LeaseRecord.issued_at < before, LeaseRecord.accessor.is_not(None)
                )
            )
            issued = rows.all()
        anomalies: list[Anomaly] = []
        for row in issued:
            unseen = [vault_lease for vault_lease in row.vault_leases if vault_lease not in self._seen.vault_leases]
            if row.accessor not in self._seen.made or unseen:
                detail = {"call_id": row.call_id, "state": row.state}
                anomalies.append(
                    Anomaly(
                        name=AnomalyName.LEDGER_ONLY,
                        at=row.issued_at or row.asked_at,
                        accessor=row.accessor,
                        lease_id=row.lease_id,
                        detail=detail,
                    )
                )
        return anomalies

    async def _still_alive(self) -> list[Anomaly]:
        """What the ledger calls gone and Vault still knows, and what is long past its end."""
        alive = set(await self._killswitch.list("auth/token/accessors"))
        async with self._database.read() as session:
            over = await session.scalars(
                select(LeaseRecord).where(
                    or_(
                        LeaseRecord.state.in_((LeaseState.CLOSED, LeaseState.IRREVOCABLE, LeaseState.REFUSED))
                        & LeaseRecord.accessor.in_(alive),
                        LeaseRecord.state.in_(LIVING) & (LeaseRecord.expires_at < now() - _OVERDUE),
                    )
                )
            )
            rows = over.all()
            ended = await session.scalars(
                select(LeaseRecord).where(
                    LeaseRecord.state == LeaseState.CLOSED,
                    LeaseRecord.kind == "database",
                    LeaseRecord.proven_gone_at > now() - _MEMORY,
                )
            )
            ended_rows = ended.all()
        living_leases = await self._living_leases({path for row in ended_rows for path in row.paths})
        undead = [row for row in ended_rows if living_leases.intersection(row.vault_leases)]
        return [
            Anomaly(
                name=AnomalyName.STILL_ALIVE,
                at=row.proven_gone_at or row.expires_at or row.asked_at,
                accessor=row.accessor,
                lease_id=row.lease_id,
                detail={"call_id": row.call_id, "state": row.state},
            )
            for row in {row.lease_id: row for row in (*rows, *undead)}.values()
        ]

    async def _unwrapped_twice(self, *, since: datetime) -> list[Anomaly]:
        """Wrapped secrets that the broker found opened. Vault's audit file is silent about the second opening."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(LeaseRecord).where(
                    LeaseRecord.asked_at >= since, LeaseRecord.reason.startswith(UnwrappedTwice.code, autoescape=True)
                )
            )
            return [
                Anomaly(
                    name=AnomalyName.UNWRAPPED_TWICE,
                    at=row.asked_at,
                    accessor=row.accessor,
                    lease_id=row.lease_id,
                    detail={"call_id": row.call_id, "grants": ",".join(row.grants)},
                )
                for row in rows.all()
            ]

    async def _living_leases(self, paths: set[str]) -> set[str]:
        found: set[str] = set()
        for path in paths:
            found |= {f"{path}/{key}" for key in await self._killswitch.list(f"sys/leases/lookup/{path}")}
        return found

    async def _tell(self, anomaly: Anomaly) -> None:
        event = ReconcilerFinding(
            name=anomaly.name, accessor=anomaly.accessor, lease_id=anomaly.lease_id, detail=dict(anomaly.detail)
        )
        await self._journal.append(event, stream=SYSTEM, actor="service:reconciler", once=f"finding:{anomaly.key}")


def _judge_read(entry: AuditEntry, known: _Known) -> Iterable[Anomaly]:
    row = known.row_of(entry.accessor, entry.metadata, entry.at)
    if entry.vault_lease is not None and entry.path.startswith("database/creds/"):
        # A row without leases lost the answer to this very request; its token's end took the lease along.
        lost = isinstance(row, LeaseRecord) and not row.vault_leases
        if entry.vault_lease not in known.vault_leases and not lost:
            yield _anomaly(AnomalyName.VAULT_ONLY_LEASE, entry, row=row)
    elif row is None:
        yield _anomaly(AnomalyName.OUT_OF_BAND_READ, entry)


def _anomaly(
    name: AnomalyName,
    entry: AuditEntry,
    *,
    accessor: str | None = None,
    row: LeaseRecord | RunTokenRecord | None = None,
) -> Anomaly:
    detail = {
        "path": entry.path,
        "operation": entry.operation,
        "by": entry.display_name,
        "policies": ",".join(entry.policies),
        "time": entry.at.isoformat(),
        "vault_lease": entry.vault_lease or "",
    }
    detail |= {name: value for name, value in (entry.made_metadata or entry.metadata).items() if name.endswith("_id")}
    return Anomaly(
        name=name,
        at=entry.at,
        accessor=accessor or entry.accessor,
        lease_id=row.lease_id if isinstance(row, LeaseRecord) else None,
        detail={key: value for key, value in detail.items() if value},
    )
