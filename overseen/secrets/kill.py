"""Kill switches: end one call, one run, one agent, one tool or everything, and prove that it is gone."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.identifiers import new_id
from overseen.errors import Conflict, InvalidInput, Misconfigured, NotFound, OverseenError, Refused, Unavailable
from overseen.journal import SYSTEM, Journal
from overseen.journal.events import KillSwitchAsked, KillSwitchLifted, KillSwitchProven, KillSwitchPulled
from overseen.secrets.connect import killswitch_vault
from overseen.secrets.credentials import CredentialSource, VaultCredentials
from overseen.secrets.errors import VaultRefused
from overseen.secrets.grants import irrevocable
from overseen.secrets.lease import LIVING, LeaseState
from overseen.secrets.ledger import Ledger
from overseen.secrets.run_tokens import CLOSED, ISSUED, REVOKING, end_run_token
from overseen.secrets.stops import Live, Scope, count_live, in_reach
from overseen.secrets.vault_client import VaultClient
from overseen.secrets.vault_search import VaultSearch
from overseen.settings import ResourceSettings, VaultSettings
from overseen.store.blobs import BlobStore
from overseen.store.database import Database
from overseen.store.tables import LeaseRecord, Run, RunTokenRecord, StopRecord, now

_log = logging.getLogger(__name__)

_Told = KillSwitchPulled | KillSwitchProven | KillSwitchLifted

PATIENCE_SECONDS = 10.0
"""How long a pulled switch goes on until it leaves the rest to the sweeper."""

_ROUND_SECONDS = 0.03
_AT_ONCE = 6
_EVERYTHING_TARGET = "*"


@dataclass(frozen=True, kw_only=True)
class KillReport:
    """What a pulled switch did. `proven` is whether every lease in its reach is proven gone, after `seconds`.

    `irrevocable` counts what nothing can end before it expires (signed tokens and certificates). `before` is what was
    live when it was pulled: where that is nothing, nothing was ended, and only what is new is refused.
    """

    stop_id: str
    scope: str
    target: str
    leases: int
    irrevocable: int
    proven: bool
    seconds: float
    before: Live


class KillSwitch:
    """Pulls switches with a login that can end everything and make nothing. What is stopped stays so until lifted.

    The stop is written down before Vault is asked for anything, so that from then on no new credential is given,
    however Vault is. What cannot be proven gone now (Vault down; no `vault` and `source` where this process has no
    login) is reported as not proven, and left to the workers' sweeper and `finish`.
    """

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        blobs: BlobStore,
        vault: VaultClient | None,
        source: CredentialSource | None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._database = database
        self._journal = journal
        self._blobs = blobs
        self._vault = vault
        self._source = source
        self._search = None if vault is None else VaultSearch(vault)
        self._ledger = Ledger(database, journal, actor="service:killswitch")

    async def pull(self, scope: Scope, target: str, *, reason: str, by: str) -> KillReport:
        """Stop a call, run, agent or tool, and end every lease in its reach.

        `by` says who: account:<id> or operator:<name>. Raises InvalidInput without a reason or target, Refused for
        everything (which takes two people: `ask_for_everything` and `confirm`).
        """
        if scope is Scope.EVERYTHING:
            raise Refused(
                "Stopping everything takes two people.",
                not_done="Nothing was stopped.",
                next_step="Ask for it, and have someone else confirm.",
            )
        _check_words(target, reason)
        stop_id = await self._write_stop(scope, target, reason, asked_by=by, pulled_by=by)
        return await self._end_all(stop_id, scope, target)

    async def ask_for_everything(self, *, reason: str, by: str) -> str:
        """Ask to stop everything; returns the id that someone else must confirm. Nothing is stopped yet."""
        _check_words(_EVERYTHING_TARGET, reason)
        return await self._write_stop(Scope.EVERYTHING, _EVERYTHING_TARGET, reason, asked_by=by, pulled_by=None)

    async def confirm(self, stop_id: str, *, by: str) -> KillReport:
        """The second person stops everything. Raises Refused when they are the first one, Conflict when it was done."""
        async with self._database.transaction() as session:
            row = await session.get(StopRecord, stop_id, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no request {stop_id}.", not_done="Nothing was stopped.")
            if row.pulled_at is not None or row.lifted_at is not None:
                raise Conflict(f"The request {stop_id} was settled already.", not_done="Nothing was stopped.")
            if row.asked_by == by:
                raise Refused(
                    "The one who asked to stop everything cannot confirm it.",
                    not_done="Nothing was stopped.",
                    next_step="Have someone else confirm it.",
                )
            row.pulled_by, row.pulled_at = by, now()
        return await self._end_all(stop_id, Scope.EVERYTHING, _EVERYTHING_TARGET)

    async def lift(self, stop_id: str, *, by: str, reason: str = "") -> None:
        """Let what was stopped go on with new leases, or withdraw what was only asked for.

        Raises NotFound, Conflict when it is not in force, and Unavailable when Vault must let an agent in again and
        does not answer; then nothing is lifted.
        """
        async with self._database.transaction() as session:
            row = await session.get(StopRecord, stop_id, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no kill switch {stop_id}.", not_done="Nothing was lifted.")
            if row.lifted_at is not None:
                raise Conflict(f"{stop_id} was lifted already.", not_done="Nothing was changed.")
            row.lifted_by, row.lifted_at = by, now()
            await session.flush()
            if row.scope == Scope.AGENT and not await _still_stopped(session, row.scope, row.target):
                await self._set_agent(row.target, disabled=False)
            event = KillSwitchLifted(
                stop_id=stop_id,
                scope=row.scope,
                target=row.target,
                reason_blob=await self._blobs.put(reason.encode(), "text/plain", session=session) if reason else None,
            )
            await self._tell_all(session, event, by)

    async def finish(self) -> int:
        """Go on with what earlier pulls could not prove; returns how many are proven gone now.

        To be called after a sweep, which ends the leases themselves. Raises Unavailable and VaultRefused.
        """
        before = now() - timedelta(seconds=self._patience_seconds)
        in_force = select(StopRecord.stop_id).where(StopRecord.pulled_at < before, *_unproven()).order_by("pulled_at")
        async with self._database.read() as session:
            stop_ids = (await session.scalars(in_force)).all()
        return sum([await self._finish(stop_id) for stop_id in stop_ids])

    async def _finish(self, stop_id: str) -> bool:
        async with self._database.transaction() as session:
            # Locked, so that nobody lifts it while its agent is being shut off.
            found = select(StopRecord).where(StopRecord.stop_id == stop_id, *_unproven()).with_for_update()
            row = await session.scalar(found)
            if row is None:
                return False
            scope = Scope(row.scope)
            if scope is Scope.AGENT:
                await self._set_agent(row.target, disabled=True)
            if await self._living(scope, row.target) or await self._living_run_tokens(scope, row.target):
                return False
            row.proven_at = now()
            event = KillSwitchProven(stop_id=stop_id, scope=row.scope, target=row.target)
            await self._tell_all(session, event, "service:killswitch")
            return True

    async def _end_all(self, stop_id: str, scope: Scope, target: str) -> KillReport:
        started = time.monotonic()
        before = await self._count_before(stop_id, scope, target)
        ended: list[LeaseRecord] = []
        shut = proven = False
        while True:
            try:
                if not shut:
                    await self._shut_door(scope, target)
                    shut = True
                living = await self._living(scope, target)
                results = await self._end_rows(living)
                ended += [row for row, done in zip(living, results, strict=True) if done]
                proven = await self._end_run_tokens(scope, target) and not await self._living(scope, target)
            except (Misconfigured, Unavailable, VaultRefused) as error:
                _log.warning("the kill switch %s is not proven yet: %s", stop_id, error)
            if proven or self._source is None or time.monotonic() - started >= self._patience_seconds:
                break
            await asyncio.sleep(_ROUND_SECONDS)
        if not proven:
            await self._leave_to_sweeper(scope, target)
        report = KillReport(
            stop_id=stop_id,
            scope=scope,
            target=target,
            leases=len(ended),
            irrevocable=sum(irrevocable(row.kind) for row in ended),
            proven=proven,
            seconds=round(time.monotonic() - started, 3),
            before=before,
        )
        await self._tell(report)
        return report

    async def _count_before(self, stop_id: str, scope: Scope, target: str) -> Live:
        """What is live now, kept with the switch."""
        async with self._database.transaction() as session:
            before = await count_live(session, scope, target)
            await session.execute(
                update(StopRecord)
                .where(StopRecord.stop_id == stop_id)
                .values(leases_before=before.leases, calls_before=before.calls)
            )
        return before

    async def _shut_door(self, scope: Scope, target: str) -> None:
        """What Vault itself can refuse from now on, before anything is ended one by one."""
        if scope is Scope.AGENT:
            await self._set_agent(target, disabled=True)
        if scope is Scope.EVERYTHING:
            vault = self._needed_vault()
            for role in await vault.list("sys/leases/lookup/database/creds"):
                path = f"sys/leases/revoke-prefix/database/creds/{role.strip('/')}"
                await vault.write(path, {"sync": False})

    def _needed_vault(self) -> VaultClient:
        if self._vault is None:
            raise Misconfigured(
                "This process has no login of the kill switch for Vault.",
                not_done="What lives in Vault was not ended from here.",
                next_step="Set OVERSEEN_VAULT_KILLSWITCH_ROLE_ID and OVERSEEN_VAULT_KILLSWITCH_SECRET_ID for it.",
            )
        return self._vault

    async def _set_agent(self, agent: str, *, disabled: bool) -> None:
        """Every token of the agent stops working at once; agents Vault does not know are stopped by our own record."""
        path, vault = f"identity/entity/name/agent-{agent}", self._needed_vault()
        try:
            await vault.read(path)
        except VaultRefused as refused:
            if refused.context.get("status") != 404:
                raise
            return
        await vault.write(path, {"disabled": disabled})

    async def _living(self, scope: Scope, target: str) -> Sequence[LeaseRecord]:
        async with self._database.read() as session:
            rows = await session.scalars(
                select(LeaseRecord).where(LeaseRecord.state.in_(LIVING), in_reach(scope, target))
            )
            return rows.all()

    async def _end_rows(self, rows: Sequence[LeaseRecord]) -> list[bool]:
        """Which of them are ended and proven gone now."""
        if self._search is not None and any(row.accessor is None for row in rows):
            by_lease = {token.meta.get("lease_id"): token.accessor for token in await self._search.tokens()}
            for row in rows:
                row.accessor = row.accessor or by_lease.get(row.lease_id)
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def end(row: LeaseRecord) -> bool:
            async with at_once:
                return await self._end_row(row)

        return list(await asyncio.gather(*(end(row) for row in rows)))

    async def _end_row(self, row: LeaseRecord) -> bool:
        if row.accessor is None or self._source is None:
            return False  # its worker is about to mint it, will see the stop and end it itself
        revoked_at = now()
        try:
            await self._source.revoke(row.accessor, row.vault_leases)
            if not await self._source.verify_gone(row.accessor, row.vault_leases):
                return False
        except OverseenError as error:
            _log.warning("lease %s is not proven gone yet: %s", row.lease_id, error)
            return False
        if row.state == LeaseState.INTENT:
            return (
                False  # a credential fetched with that token may be unknown to us; its worker or the sweeper closes it
            )
        state = LeaseState.IRREVOCABLE if irrevocable(row.kind) else LeaseState.CLOSED
        closed = await self._ledger.closed([row.lease_id], reason="killed", revoked_at=revoked_at, state=state)
        return bool(closed)

    async def _end_run_tokens(self, scope: Scope, target: str) -> bool:
        """Runs and everything: the tokens above all calls. Whether none is left."""
        rows, source = await self._living_run_tokens(scope, target), self._source
        if source is None:
            return not rows
        ended = await asyncio.gather(
            *(end_run_token(self._database, source, row, reason="killed") for row in rows if row.accessor)
        )
        return all(ended) and all(row.accessor for row in rows)

    async def _living_run_tokens(self, scope: Scope, target: str) -> Sequence[RunTokenRecord]:
        if scope not in (Scope.RUN, Scope.EVERYTHING):
            return ()
        reach = RunTokenRecord.run_id == target if scope is Scope.RUN else true()
        async with self._database.read() as session:
            rows = await session.scalars(select(RunTokenRecord).where(RunTokenRecord.state != CLOSED, reach))
            return rows.all()

    async def _leave_to_sweeper(self, scope: Scope, target: str) -> None:
        """From now on every sweep tries to end what is left, although its worker lives."""
        async with self._database.transaction() as session:
            await session.execute(
                update(LeaseRecord)
                .where(LeaseRecord.state == LeaseState.ISSUED, in_reach(scope, target))
                .values(state=LeaseState.REVOKING, reason="killed; not proven gone yet")
            )
            if scope in (Scope.RUN, Scope.EVERYTHING):
                reach = RunTokenRecord.run_id == target if scope is Scope.RUN else true()
                await session.execute(
                    update(RunTokenRecord)
                    .where(RunTokenRecord.state == ISSUED, reach)
                    .values(state=REVOKING, reason="killed")
                )

    async def _write_stop(self, scope: Scope, target: str, reason: str, *, asked_by: str, pulled_by: str | None) -> str:
        stop_id = new_id("stop")
        async with self._database.transaction() as session:
            reason_blob = await self._blobs.put(reason.encode(), "text/plain", session=session)
            session.add(
                StopRecord(
                    stop_id=stop_id,
                    scope=scope,
                    target=target,
                    reason_blob=reason_blob,
                    asked_by=asked_by,
                    pulled_by=pulled_by,
                    pulled_at=now() if pulled_by else None,
                )
            )
            if pulled_by is None:
                event = KillSwitchAsked(stop_id=stop_id, scope=scope, target=target, reason_blob=reason_blob)
                await self._journal.append(event, stream=SYSTEM, actor=asked_by, session=session)
        return stop_id

    async def _tell(self, report: KillReport) -> None:
        async with self._database.transaction() as session:
            row = await session.get_one(StopRecord, report.stop_id)
            event = KillSwitchPulled(
                scope=report.scope,
                target=report.target,
                reason_blob=row.reason_blob,
                leases=report.leases,
                proven_seconds=report.seconds,
                stop_id=report.stop_id,
                proven=report.proven,
            )
            await session.execute(
                update(StopRecord)
                .where(StopRecord.stop_id == report.stop_id)
                .values(leases=report.leases, proven_at=now() if report.proven else None)
            )
            await self._tell_all(session, event, row.pulled_by or row.asked_by)

    async def _tell_all(self, session: AsyncSession, event: _Told, actor: str) -> None:
        """The journal of the run it is about, while its chain is open, and that of the house."""
        # The run's own stream first: whoever seals a run's chain takes the two in this order too.
        if event.scope == Scope.RUN and await session.get(Run, event.target) is not None:
            # Its chain may be sealed already; then the house's journal alone tells of it.
            with contextlib.suppress(Conflict):
                await self._journal.append(event, stream=event.target, actor=actor, session=session)
        await self._journal.append(event, stream=SYSTEM, actor=actor, session=session)


@asynccontextmanager
async def open_kill_switch(
    *,
    database: Database,
    journal: Journal,
    blobs: BlobStore,
    vault: VaultSettings,
    resources: Mapping[str, ResourceSettings],
    patience_seconds: float = PATIENCE_SECONDS,
) -> AsyncGenerator[KillSwitch]:
    """The kill switches with the login that `vault` names, logged out at the end of the block.

    Where it names none, a pulled switch stops what it names all the same, and leaves the proof to the sweeper.
    """
    try:
        client = killswitch_vault(vault)
    except Misconfigured as error:
        _log.warning("the kill switch works without Vault: %s", error)
        client = None
    try:
        yield KillSwitch(
            database=database,
            journal=journal,
            blobs=blobs,
            vault=client,
            source=None if client is None else VaultCredentials(client, resources),
            patience_seconds=patience_seconds,
        )
    finally:
        if client is not None:
            await client.close()


async def _still_stopped(session: AsyncSession, scope: str, target: str) -> bool:
    in_force = (
        select(StopRecord.stop_id)
        .where(StopRecord.scope == scope, StopRecord.target == target)
        .where(StopRecord.pulled_at.is_not(None), StopRecord.lifted_at.is_(None))
    )
    return await session.scalar(in_force.limit(1)) is not None


def _unproven() -> tuple[ColumnElement[bool], ...]:
    return StopRecord.pulled_at.is_not(None), StopRecord.lifted_at.is_(None), StopRecord.proven_at.is_(None)


def _check_words(target: str, reason: str) -> None:
    if not target.strip() or len(target) > 80:
        raise InvalidInput("A kill switch needs the name of what to stop.", not_done="Nothing was stopped.")
    if not reason.strip():
        raise InvalidInput("A kill switch needs a reason.", not_done="Nothing was stopped.")
