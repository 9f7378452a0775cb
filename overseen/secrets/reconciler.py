"""The reconciler: Vault's own records against the ledger, both ways. What does not fit is a finding."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select

from overseen.journal import SYSTEM, Journal
from overseen.journal.events import ReconcilerFinding
from overseen.secrets.administration import is_administrative, judge, shut_off_agent
from overseen.secrets.alarm import UnauthorizedEffects
from overseen.secrets.anomalies import Anomaly, AnomalyName, of_entry, of_row
from overseen.secrets.audit_log import AuditEntry, AuditLog
from overseen.secrets.errors import UnwrappedTwice
from overseen.secrets.lease import LIVING, LeaseState
from overseen.secrets.sightings import Memory, MemoryOfOneLook, among
from overseen.secrets.stops import Scope
from overseen.secrets.vault_client import VaultClient
from overseen.secrets.vault_witness import WITNESS_PATHS
from overseen.stack.vault_layout import EFFECTS_RUN_TOKEN, LAYOUT
from overseen.store.database import Database
from overseen.store.tables import Authorization, LeaseRecord, RunTokenRecord, StopRecord, now

_log = logging.getLogger(__name__)

_TOKEN_PATHS = ("auth/token/create/call-", "auth/token/create/run")
_SECRET_PATHS = ("kv/data/", "database/creds/", "identity/oidc/token/", "pki/issue/")
_ACTING = tuple(grant.name for grant in LAYOUT.grants if grant.acts)
_ACTING_TOKEN_PATHS = frozenset(f"auth/token/create/call-{name}" for name in _ACTING)
_READING_TOKEN_PATHS = frozenset(f"auth/token/create/call-{grant.name}" for grant in LAYOUT.grants if not grant.acts)
_ACTING_READS = tuple(f"/creds/{name}" for name in _ACTING)
_SLACK = timedelta(seconds=2)
_OVERDUE = timedelta(seconds=30)
_MINTING = timedelta(seconds=120)
"""The longest from a row of the ledger to the token that was made for it."""

_ISSUING = timedelta(minutes=10)
"""The longest from a row of the ledger to its credential."""

_GIVING_UP_SECONDS = 2.0
"""How long after Vault's refusal the broker may take to write that a lease was not given."""

_ENDED = (LeaseState.CLOSED, LeaseState.IRREVOCABLE, LeaseState.REFUSED)


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The ledger, by what Vault's records can be joined on."""

    by_accessor: dict[str, LeaseRecord | RunTokenRecord]
    by_id: dict[str, LeaseRecord | RunTokenRecord]
    vault_leases: frozenset[str]
    accessor_of_hash: dict[str, str]
    authorized: frozenset[str]
    """Calls for which an authorization was used."""

    def row_of(
        self, accessor: str | None, metadata: dict[str, str], at: datetime
    ) -> LeaseRecord | RunTokenRecord | None:
        """The row a token belongs to; by its metadata only while the row has no accessor yet, or never got one."""
        if accessor is not None and accessor in self.by_accessor:
            return self.by_accessor[accessor]
        row = self.by_id.get(metadata.get("lease_id") or metadata.get("run_token_id") or "")
        if row is None or row.accessor is not None:
            return None
        return row if -_SLACK < at - row.asked_at < _MINTING else None


@dataclass(frozen=True, kw_only=True)
class Mounts:
    """Where in Vault the database engines are, and where our own processes log in."""

    databases: tuple[str, ...] = ("database",)
    logins: tuple[str, ...] = ("approle",)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look found. `new` are the findings nobody had found before; `entries` of Vault's records were read,
    and `unread_bytes` had come by the time they were.
    """

    anomalies: tuple[Anomaly, ...]
    new: int
    entries: int
    unread_bytes: int
    last_entry_at: datetime | None


class Reconciler:
    """Joins what is new in Vault's records with the ledger. `killswitch` may list what lives in Vault.

    `since` leaves out what Vault recorded before: for a Vault that is older than the ledger. `memory` is what earlier
    looks saw; without one, this reconciler remembers its own looks only. `alarm` is told of credentials that act
    without leave, and ends them.
    """

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        killswitch: VaultClient,
        audit_log: AuditLog,
        since: datetime | None = None,
        memory: Memory | None = None,
        mounts: Mounts = Mounts(),
        alarm: UnauthorizedEffects | None = None,
    ) -> None:
        self._database = database
        self._journal = journal
        self._killswitch = killswitch
        self._audit_log = audit_log
        self._since = since
        self._memory = memory or MemoryOfOneLook()
        self._mounts = mounts
        self._alarm = alarm

    async def reconcile(self) -> list[Anomaly]:
        """Findings in what is new since the last time; each is in the journal once, however often it is found.

        Raises Misconfigured when the audit file cannot be read, and Unavailable.
        """
        return list((await self.look()).anomalies)

    async def look(self) -> Look:
        """The same with figures. Vault's records are read piece by piece, and how far is remembered after each."""
        started_at = now()
        found: dict[str, Anomaly] = {}
        new, count, last_entry_at = 0, 0, None
        # Vault's records first: whatever they tell of, the ledger then holds at least the intent of.
        async for batch in self._audit_log.batches(since=self._since):
            entries = [entry for entry in batch if self._since is None or entry.at >= self._since]
            anomalies = await self._judge_all(entries)
            new += await self._tell_all(anomalies, found)
            if self._alarm is not None:
                await self._alarm.answer(anomalies)
            # Only what was told may be left behind: a crash in between finds it again.
            await self._memory.add(entries, self._audit_log.place)
            count += len(entries)
            last_entry_at = entries[-1].at if entries else last_entry_at
        unread_bytes = await self._audit_log.unread_bytes()
        after = await self._memory.checked_from() or started_at
        rest = await self._ledger_only(after=after, before=started_at)
        rest += await self._still_alive()
        rest += await self._unwrapped_twice(since=after - _ISSUING)
        new += await self._tell_all(rest, found)
        await self._memory.checked(started_at)
        return Look(
            anomalies=tuple(found.values()),
            new=new,
            entries=count,
            unread_bytes=unread_bytes,
            last_entry_at=last_entry_at,
        )

    async def _judge_all(self, entries: Sequence[AuditEntry]) -> list[Anomaly]:
        judged = [entry for entry in entries if _is_ours(entry)]
        made = {entry.made_hash: entry.made_accessor for entry in entries}
        anomalies = _judge_each(judged, await self._known(judged, made))
        if any(map(_may_be_given_up, anomalies)):
            await asyncio.sleep(_GIVING_UP_SECONDS)
            anomalies = _judge_each(judged, await self._known(judged, made))
        return anomalies + await self._judge_administration(entries)

    async def _judge_administration(self, entries: Sequence[AuditEntry]) -> list[Anomaly]:
        """Changes of who may do what, whoever made them."""
        administrative = [entry for entry in entries if is_administrative(entry)]
        if not administrative:
            return []
        agents = {agent for entry in administrative if (agent := shut_off_agent(entry)) is not None}
        async with self._database.read() as session:
            query = select(StopRecord.target).where(
                StopRecord.scope == Scope.AGENT, StopRecord.pulled_at.is_not(None), among(StopRecord.target, agents)
            )
            stopped = set((await session.scalars(query)).all())
        judged = [
            (entry, judge(entry, login_mounts=self._mounts.logins, agents_stopped=stopped)) for entry in administrative
        ]
        return [
            of_entry(name, entry, accessor=entry.made_accessor or entry.accessor)
            for entry, name in judged
            if name is not None
        ]

    async def _known(self, entries: Sequence[AuditEntry], made: dict[str | None, str | None]) -> _Known:
        """The ledger rows that the entries may belong to. `made`: tokens made in the same piece, by hash."""
        hashes = {entry.token_hash for entry in entries if entry.token_hash}
        accessor_of_hash = await self._memory.accessors(hashes)
        accessor_of_hash |= {found: made[found] or "" for found in hashes if made.get(found)}
        accessors = {a for e in entries for a in (e.accessor, e.made_accessor) if a} | set(accessor_of_hash.values())
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
                        among(LeaseRecord.accessor, accessors),
                        among(LeaseRecord.lease_id, ids),
                        LeaseRecord.vault_leases.overlap(vault_leases),
                    )
                )
            )
            tokens = await session.scalars(
                select(RunTokenRecord).where(
                    or_(among(RunTokenRecord.accessor, accessors), among(RunTokenRecord.run_token_id, ids))
                )
            )
            lease_rows, token_rows = leases.all(), tokens.all()
            call_ids = {row.call_id for row in lease_rows}
            used = await session.scalars(
                select(Authorization.used_call_id).where(among(Authorization.used_call_id, call_ids))
            )
            authorized = frozenset(call_id for call_id in used.all() if call_id is not None)
        rows: list[LeaseRecord | RunTokenRecord] = [*lease_rows, *token_rows]
        return _Known(
            by_accessor={row.accessor: row for row in rows if row.accessor},
            by_id={row.lease_id if isinstance(row, LeaseRecord) else row.run_token_id: row for row in rows},
            vault_leases=frozenset(vault_lease for row in lease_rows for vault_lease in row.vault_leases),
            accessor_of_hash=accessor_of_hash,
            authorized=authorized,
        )

    async def _ledger_only(self, *, after: datetime, before: datetime) -> list[Anomaly]:
        """Rows that say they were issued while we were looking, of which Vault's records tell nothing."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(LeaseRecord).where(
                    LeaseRecord.asked_at > after - _ISSUING,
                    LeaseRecord.issued_at > after,
                    LeaseRecord.issued_at < before,
                    LeaseRecord.accessor.is_not(None),
                )
            )
            issued = rows.all()
        told = {row.lease_id: {*row.vault_leases, row.accessor or ""} for row in issued}
        unseen = await self._memory.unseen({key for keys in told.values() for key in keys})
        return [
            of_row(AnomalyName.LEDGER_ONLY, row, at=row.issued_at, state=row.state)
            for row in issued
            if told[row.lease_id] & unseen
        ]

    async def _still_alive(self) -> list[Anomaly]:
        """What the ledger calls gone and Vault still knows, and what is long past its end."""
        ended = await self._ended_of(await self._living_tokens(), await self._living_leases())
        if ended:
            # What ended between the two looks was alive in the first: only what lives after the ledger said so counts.
            alive = await self._living_tokens() | await self._living_leases()
            ended = [row for row in ended if alive.intersection((row.accessor or "", *row.vault_leases))]
        async with self._database.read() as session:
            overdue = await session.scalars(
                select(LeaseRecord).where(LeaseRecord.state.in_(LIVING), LeaseRecord.expires_at < now() - _OVERDUE)
            )
            rows = {row.lease_id: row for row in (*ended, *overdue.all())}
        return [
            of_row(AnomalyName.STILL_ALIVE, row, at=row.proven_gone_at or row.expires_at, state=row.state)
            for row in rows.values()
        ]

    async def _ended_of(self, tokens: set[str], vault_leases: set[str]) -> Sequence[LeaseRecord]:
        """Rows that call one of these ended."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(LeaseRecord).where(
                    or_(
                        and_(LeaseRecord.state.in_(_ENDED), among(LeaseRecord.accessor, tokens)),
                        and_(
                            LeaseRecord.state == LeaseState.CLOSED,
                            LeaseRecord.vault_leases.overlap(sorted(vault_leases)),
                        ),
                    )
                )
            )
            return rows.all()

    async def _living_tokens(self) -> set[str]:
        return set(await self._killswitch.list("auth/token/accessors"))

    async def _living_leases(self) -> set[str]:
        found: set[str] = set()
        for mount in self._mounts.databases:
            for role in await self._killswitch.list(f"sys/leases/lookup/{mount}/creds"):
                path = f"{mount}/creds/{role.strip('/')}"
                found |= {f"{path}/{key}" for key in await self._killswitch.list(f"sys/leases/lookup/{path}")}
        return found

    async def _unwrapped_twice(self, *, since: datetime) -> list[Anomaly]:
        """Wrapped secrets that the broker found opened. Vault's audit file is silent about the second opening."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(LeaseRecord).where(
                    LeaseRecord.asked_at >= since,
                    LeaseRecord.state.in_((LeaseState.REFUSED, LeaseState.REVOKING, LeaseState.CLOSED)),
                    LeaseRecord.reason.startswith(UnwrappedTwice.code, autoescape=True),
                )
            )
            return [of_row(AnomalyName.UNWRAPPED_TWICE, row, grants=",".join(row.grants)) for row in rows.all()]

    async def _tell_all(self, anomalies: Sequence[Anomaly], found: dict[str, Anomaly]) -> int:
        """Write what this look had not found yet to the journal; how many nobody had found before."""
        new = 0
        for anomaly in anomalies:
            if anomaly.key in found:
                continue
            found[anomaly.key] = anomaly
            event = ReconcilerFinding(
                name=anomaly.name, accessor=anomaly.accessor, lease_id=anomaly.lease_id, detail=dict(anomaly.detail)
            )
            started = now()
            entry = await self._journal.append(
                event, stream=SYSTEM, actor="service:reconciler", once=f"finding:{anomaly.key}"
            )
            if entry.at >= started:
                new += 1
                _log.warning("reconciler: %s %s", anomaly.name, dict(anomaly.detail))
        return new


def _may_be_given_up(anomaly: Anomaly) -> bool:
    """Whether this may be a lease that a kill switch met half way, which the ledger will tell of in a moment."""
    young = now() - anomaly.at < timedelta(seconds=2 * _GIVING_UP_SECONDS)
    return anomaly.name is AnomalyName.DENIED and anomaly.lease_id is None and young


def _is_ours(entry: AuditEntry) -> bool:
    """Whether the entry tells of a token for a run or call, or of a secret that only calls may read."""
    if entry.path.startswith(_TOKEN_PATHS):
        return entry.made_accessor is not None
    if entry.path.startswith(WITNESS_PATHS):
        return False  # no secret: what the journal's witness holds
    if entry.path.startswith("kv/"):
        return entry.path.startswith(_SECRET_PATHS) and entry.operation in ("read", "list")
    return entry.path.startswith(_SECRET_PATHS)


def _judge_each(entries: Sequence[AuditEntry], known: _Known) -> list[Anomaly]:
    return [anomaly for entry in entries for anomaly in _judge(entry, known)]


def _judge(entry: AuditEntry, known: _Known) -> Iterable[Anomaly]:
    if entry.path.startswith(_TOKEN_PATHS):
        row = known.row_of(entry.made_accessor, entry.made_metadata, entry.at)
        if row is None:
            yield of_entry(AnomalyName.VAULT_ONLY_TOKEN, entry, accessor=entry.made_accessor)
        if _acts(entry) and not _has_leave(row, known):
            yield of_entry(AnomalyName.UNAUTHORIZED_EFFECT, entry, accessor=entry.made_accessor, row=row)
    elif entry.refused:
        yield from _judge_refusal(entry, known)
    elif entry.error is None:
        yield from _judge_read(entry, known)


def _judge_refusal(entry: AuditEntry, known: _Known) -> Iterable[Anomaly]:
    accessor = entry.accessor or known.accessor_of_hash.get(entry.token_hash or "")
    row = known.by_accessor.get(accessor or "") or known.row_of(accessor, entry.metadata, entry.at)
    if row is not None and row.issued_at is None:
        return  # never handed out: the broker itself met a kill switch or a failing Vault half way
    ended_at = row.revoked_at if row is not None else None
    late = ended_at is not None and entry.at > ended_at - _SLACK and entry.accessor is None
    name = AnomalyName.USE_AFTER_REVOKE if late else AnomalyName.DENIED
    yield of_entry(name, entry, accessor=accessor, row=row)


def _acts(entry: AuditEntry) -> bool:
    """Whether the token that was made is for a grant that acts; of a site's own grants, by whose child it is."""
    below_effects = EFFECTS_RUN_TOKEN in entry.policies and entry.path not in _READING_TOKEN_PATHS
    return below_effects or entry.path in _ACTING_TOKEN_PATHS


def _has_leave(row: LeaseRecord | RunTokenRecord | None, known: _Known) -> bool:
    return isinstance(row, LeaseRecord) and row.call_id in known.authorized


def _judge_read(entry: AuditEntry, known: _Known) -> Iterable[Anomaly]:
    row = known.row_of(entry.accessor, entry.metadata, entry.at)
    if entry.path.endswith(_ACTING_READS) and not _has_leave(row, known):
        yield of_entry(AnomalyName.UNAUTHORIZED_EFFECT, entry, row=row)
    if entry.vault_lease is not None and entry.path.startswith("database/creds/"):
        # A row without leases lost the answer to this very request; its token's end took the lease along.
        lost = isinstance(row, LeaseRecord) and not row.vault_leases
        if entry.vault_lease not in known.vault_leases and not lost:
            yield of_entry(AnomalyName.VAULT_ONLY_LEASE, entry, row=row)
    elif row is None:
        yield of_entry(AnomalyName.OUT_OF_BAND_READ, entry)
