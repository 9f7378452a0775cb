"""The sweeper: what a dead worker, a broken connection or a slow Vault left behind is found, ended and proven gone."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select

from overseen.errors import OverseenError
from overseen.journal import Journal
from overseen.secrets.alone import alone
from overseen.secrets.credentials import CredentialSource
from overseen.secrets.errors import NotProven
from overseen.secrets.lease import LIVING, LeaseState
from overseen.secrets.ledger import Ledger
from overseen.secrets.run_tokens import CLOSED, ISSUED, end_run_token
from overseen.secrets.vault_search import FoundToken, VaultSearch
from overseen.settings import ResourceSettings
from overseen.store.database import Database
from overseen.store.tables import LeaseRecord, RunTokenRecord, now

_log = logging.getLogger(__name__)

_LOCK = 7_201_340
"""Advisory lock: one sweeper at a time is enough."""

OVERDUE_SECONDS = 5.0
"""How long past its end a lease of a living worker may stay open before the sweeper ends it."""

PATIENCE_SECONDS = 60.0
"""How long a living worker may take from intent to issue."""

UNSEEN_SECONDS = 10.0
"""How long a request whose answer never came may still be carried out inside Vault."""

_CLOCK_SLACK = timedelta(seconds=5)
_CASCADE_TRIES, _CASCADE_SECONDS = 10, 0.1


class WorkerLiveness(Protocol):
    """Knows which worker processes live."""

    async def is_alive(self, worker_id: str) -> bool:
        """Whether the worker holds its advisory lock."""
        ...


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """What one sweep did. `closed` are proven gone now, `remaining` could not be proven yet and are tried again."""

    closed: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()
    run_tokens_closed: int = 0
    strays_ended: int = 0
    """Living tokens whose ledger row was closed."""
    busy: bool = False
    """Another sweeper was at it, so this one did nothing."""


class Sweeper:
    """Safe to run in every worker at once and at any time; `source` and `search` use the kill switch's login."""

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        source: CredentialSource,
        search: VaultSearch,
        liveness: WorkerLiveness,
        resources: Mapping[str, ResourceSettings],
    ) -> None:
        self._database = database
        self._source = source
        self._search = search
        self._liveness = liveness
        self._mounts = sorted({resource.vault_mount for resource in resources.values()})
        self._ledger = Ledger(database, journal, actor="service:sweeper")

    async def sweep(self) -> SweepReport:
        """One pass. Nothing is done when another sweeper is at it. Raises Unavailable when the ledger is down."""
        async with alone(self._database, _LOCK) as mine:
            return await self._sweep() if mine else SweepReport(busy=True)

    async def _sweep(self) -> SweepReport:
        due = await self._due_leases()
        run_tokens = await self._due_run_tokens()
        tokens = await self._search.tokens()
        await self._close_expired()
        closed: list[str] = []
        remaining: list[str] = []
        for row in due:
            try:
                proven = await self._end(row, tokens)
            except OverseenError as error:
                _log.warning("lease %s is not proven gone yet: %s", row.lease_id, error)
                proven = False
            (closed if proven else remaining).append(row.lease_id)
        ended = [await self._end_run_token(row, tokens) for row in run_tokens]
        return SweepReport(
            closed=tuple(closed),
            remaining=tuple(remaining),
            run_tokens_closed=sum(ended),
            strays_ended=await self._end_strays(tokens, closed),
        )

    async def _due_leases(self) -> list[LeaseRecord]:
        async with self._database.read() as session:
            rows = await session.scalars(
                select(LeaseRecord).where(LeaseRecord.state.in_(LIVING)).order_by(LeaseRecord.lease_id)
            )
            living = list(rows.all())
        alive = await self._alive(row.worker_id for row in living)
        return [row for row in living if _is_due(row, alive=alive[row.worker_id])]

    async def _due_run_tokens(self) -> list[RunTokenRecord]:
        async with self._database.read() as session:
            rows = list((await session.scalars(select(RunTokenRecord).where(RunTokenRecord.state != CLOSED))).all())
        alive = await self._alive(row.worker_id for row in rows)
        return [row for row in rows if _is_due_run_token(row, alive=alive[row.worker_id])]

    async def _alive(self, worker_ids: Iterable[str]) -> dict[str, bool]:
        return {worker_id: await self._liveness.is_alive(worker_id) for worker_id in set(worker_ids)}

    async def _close_expired(self) -> None:
        """Signed things that could only run out have done so."""
        async with self._database.read() as session:
            expired = await session.scalars(
                select(LeaseRecord.lease_id).where(
                    LeaseRecord.state == LeaseState.IRREVOCABLE, LeaseRecord.expires_at < now()
                )
            )
            lease_ids = list(expired.all())
        if lease_ids:
            await self._ledger.closed(lease_ids, reason="expired")

    async def _end(self, row: LeaseRecord, tokens: Sequence[FoundToken]) -> bool:
        """Revoke and prove. False when it must be tried again."""
        accessor = row.accessor or next(
            (token.accessor for token in tokens if token.meta.get("lease_id") == row.lease_id), None
        )
        if accessor is None and not row.vault_leases:
            if now() - row.asked_at < timedelta(seconds=UNSEEN_SECONDS):
                return False
            if not await self._no_unknown_leases(row):
                return False
            await self._ledger.closed([row.lease_id], reason="never_issued")
            return True
        revoked_at = now()
        await self._source.revoke(accessor, row.vault_leases)
        if not await self._source.verify_gone(accessor, row.vault_leases):
            raise NotProven(f"Vault knows the lease {row.lease_id} still after it was revoked.")
        if not row.vault_leases and not await self._no_unknown_leases(row):
            return False
        signed = row.kind in {"identity", "certificate"} and (row.expires_at is None or row.expires_at > now())
        state = LeaseState.IRREVOCABLE if signed and row.expires_at is not None else LeaseState.CLOSED
        reason = "swept_overdue" if row.state == LeaseState.ISSUED else f"swept_{row.state}"
        await self._ledger.closed([row.lease_id], reason=reason, revoked_at=revoked_at, state=state)
        return True

    async def _no_unknown_leases(self, row: LeaseRecord) -> bool:
        """For a database grant whose answer may have been lost: whether no lease of its role is left that nobody knows.

        Revoking the token takes its leases along a moment later. One that stays unknown for longer than any answer may
        take is ended here.
        """
        if row.kind != "database":
            return True
        role = row.grants[0].replace("_", "-")
        paths = [f"{mount}/creds/{role}" for mount in self._mounts]
        for _ in range(_CASCADE_TRIES):
            known = await self._known_vault_leases(row.asked_at)
            unknown = [
                lease
                for lease in await self._search.database_leases(paths, known=known)
                if lease.issued_at > row.asked_at - _CLOCK_SLACK
            ]
            if not unknown:
                return True
            for lease in unknown:
                if now() - lease.issued_at > timedelta(seconds=UNSEEN_SECONDS):
                    await self._source.revoke(None, [lease.vault_lease])
            await asyncio.sleep(_CASCADE_SECONDS)
        return False

    async def _known_vault_leases(self, since: datetime) -> set[str]:
        async with self._database.read() as session:
            rows = await session.scalars(
                select(LeaseRecord.vault_leases).where(LeaseRecord.asked_at > since - timedelta(hours=3))
            )
            return {vault_lease for leases in rows.all() for vault_lease in leases}

    async def _end_run_token(self, row: RunTokenRecord, tokens: Sequence[FoundToken]) -> bool:
        if row.accessor is None:
            row.accessor = next(
                (token.accessor for token in tokens if token.meta.get("run_token_id") == row.run_token_id), None
            )
            if row.accessor is None and now() - row.asked_at < timedelta(seconds=UNSEEN_SECONDS):
                return False
        return await end_run_token(self._database, self._source, row, reason=row.reason or "swept")

    async def _end_strays(self, tokens: Sequence[FoundToken], closed: Collection[str]) -> int:
        """Tokens whose ledger row was closed before this sweep: minted late. Those without a row may be another
        house's.
        """
        grown = [token for token in tokens if now() - token.created_at > timedelta(seconds=UNSEEN_SECONDS)]
        old = [token for token in grown if token.meta.get("lease_id") not in (None, *closed)]
        if not old:
            return 0
        async with self._database.read() as session:
            over = await session.scalars(
                select(LeaseRecord.lease_id).where(
                    LeaseRecord.lease_id.in_([token.meta["lease_id"] for token in old]),
                    LeaseRecord.state.not_in(LIVING),
                )
            )
            ended = set(over.all())
        strays = [token for token in old if token.meta["lease_id"] in ended]
        for token in strays:
            _log.warning("ending a stray token of lease %s", token.meta["lease_id"])
            await self._source.revoke(token.accessor, ())
        return len(strays)


def _is_due(row: LeaseRecord, *, alive: bool) -> bool:
    if row.state == LeaseState.REVOKING or not alive:
        return True
    if row.state == LeaseState.INTENT:
        return now() - row.asked_at > timedelta(seconds=PATIENCE_SECONDS)
    return row.expires_at is not None and now() > row.expires_at + timedelta(seconds=OVERDUE_SECONDS)


def _is_due_run_token(row: RunTokenRecord, *, alive: bool) -> bool:
    if row.state == ISSUED:
        return not alive or (row.expires_at is not None and now() > row.expires_at)
    return row.state != "intent" or not alive or now() - row.asked_at > timedelta(seconds=PATIENCE_SECONDS)
