"""The ledger: every state a lease goes through, written before or right after it happens.

One method a transition, each in a transaction of its own with the journal entry that tells of it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import case, func, update
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.calls import ToolCall
from overseen.errors import Conflict, OverseenError
from overseen.journal import SYSTEM, Journal
from overseen.journal.events import Event, LeaseClosed, LeaseIssued, LeaseRefused
from overseen.journal.journal import Appending
from overseen.secrets import ledger_statements as statements
from overseen.secrets.errors import LeaseLost
from overseen.secrets.grants import Asked
from overseen.secrets.lease import LIVING, Held, LeaseState
from overseen.secrets.stops import check_stops
from overseen.store.database import Database
from overseen.store.tables import LeaseRecord, now

_REASON_LENGTH = 200


class Ledger:
    """Transitions of leases. `actor` is who the journal names, for example worker:<id> or service:sweeper.

    Those that every call makes cost one or two round trips each: see `overseen.secrets.ledger_statements`.
    """

    def __init__(self, database: Database, journal: Journal, *, actor: str, region: str = "local") -> None:
        self._database = database
        self._journal = journal
        self._actor = actor
        self._region = region

    async def intend(self, asked: Sequence[Asked], *, worker_id: str) -> None:
        """Write down what is about to be minted. Raises Stopped when a kill switch names the call.

        Raises LeaseLost when one was lifted just then.
        """
        call = asked[0].call
        common = {
            "call_id": asked[0].call_id,
            "run_id": call.run_id,
            "step_id": call.step_id,
            "agent": call.agent,
            "tool": call.tool,
            "region": self._region,
            "worker_id": worker_id,
            "authorization_id": call.authorization_id,
            "asked_at": now(),
        }
        rows = [
            {
                **common,
                "lease_id": one.lease_id,
                "grants": list(one.grant_names),
                "policies": [one.policy],
                "kind": one.kind,
            }
            for one in asked
        ]
        async with self._database.pipeline() as connection:
            if len(rows) > 1:  # one row is a transaction by itself
                await connection.execute("BEGIN")
            written = [await connection.execute(statements.INTEND, row) for row in rows]
            stopped = [cursor for cursor in written if await cursor.fetchone() is None]
            if len(rows) > 1:
                await connection.execute("ROLLBACK" if stopped else "COMMIT")
        if stopped:
            await self.check_stops(call)
            raise LeaseLost(
                "A kill switch that named the call was lifted this very moment.",
                not_done="No credential was given.",
                next_step="Make the call again.",
            )

    async def issued(self, held: Sequence[Held]) -> None:
        """The credentials are alive. Raises Stopped when a kill switch was pulled meanwhile, and LeaseLost when the
        sweeper took the lease for abandoned; then end them at once.
        """
        call = held[0].asked.call
        async with self._database.pipeline() as connection:
            await connection.execute("BEGIN")
            written = [
                await connection.execute(statements.ISSUE, {"lease_id": one.asked.lease_id, **_particulars(one)})
                for one in held
            ]
            chain = await self._journal.begin_append(connection, call.run_id)
            abandoned = [one for one, cursor in zip(held, written, strict=True) if await cursor.fetchone() is None]
            if not abandoned:
                await self._append(connection, chain, [_issued_event(one) for one in held])
            await connection.execute("ROLLBACK" if abandoned else "COMMIT")
        if abandoned:
            await self.check_stops(call)
            raise LeaseLost(
                f"The lease {abandoned[0].asked.lease_id} was taken for abandoned before it was issued.",
                not_done="No credential was given.",
                next_step="Make the call again.",
            )

    async def ended(
        self, held: Held, *, reason: str, revoked_at: datetime, used_at: datetime | None, state: LeaseState
    ) -> None:
        """The same as `closed` for one lease of a call that is over, in two round trips."""
        values = {
            "lease_id": held.asked.lease_id,
            "state": state.value,
            "reason": reason[:_REASON_LENGTH],
            "revoked_at": revoked_at,
            "used_at": used_at,
            "at": now(),
        }
        async with self._database.pipeline() as connection:
            await connection.execute("BEGIN")
            written = await connection.execute(statements.END, values)
            chain = await self._journal.begin_append(connection, held.asked.call.run_id)
            row = await written.fetchone()
            if row is not None and row[1] is not None:
                since, proven_gone_at = row
                lived = (proven_gone_at - since).total_seconds()
                event = LeaseClosed(
                    lease_id=held.asked.lease_id,
                    call_id=held.asked.call_id,
                    reason=reason[:_REASON_LENGTH],
                    lived_seconds=round(max(0.0, lived), 3),
                )
                await self._append(connection, chain, [event])
            await connection.execute("COMMIT")

    async def _append(
        self, connection: psycopg.AsyncConnection[Any], chain: Appending, events: Sequence[Event]
    ) -> None:
        for event in events:
            try:
                await chain.append(event, actor=self._actor)
            except Conflict:
                # The run's chain is sealed already; what happens after belongs to the house.
                house = await self._journal.begin_append(connection, SYSTEM)
                await house.append(event, actor=self._actor)

    async def check_stops(self, call: ToolCall) -> None:
        """Raises Stopped when a kill switch names the call."""
        async with self._database.read() as session:
            await check_stops(session, call)

    async def refused(
        self, asked: Sequence[Asked], error: OverseenError, *, state: LeaseState, accessor: str | None = None
    ) -> None:
        """No credential was given. `state` is revoking when one may exist all the same and must be looked for.

        `accessor` is that of a token which was minted and ended again: Vault's records tell of it.
        """
        async with self._database.transaction() as session:
            for one in asked:
                await session.execute(
                    update(LeaseRecord)
                    .where(LeaseRecord.lease_id == one.lease_id, LeaseRecord.state != LeaseState.CLOSED)
                    .values(
                        state=state,
                        reason=f"{error.code}: {error.message}"[:_REASON_LENGTH],
                        accessor=func.coalesce(LeaseRecord.accessor, accessor),
                    )
                )
                event = LeaseRefused(
                    lease_id=one.lease_id,
                    call_id=one.call.call_id,
                    grants=one.grant_names,
                    error_code=error.code,
                    message=error.message,
                )
                await self._tell(session, event, one.call.run_id)

    async def revoking(self, held: Held, reason: str) -> None:
        """Its end is not proven yet; keep all that is needed to end it."""
        async with self._database.transaction() as session:
            await session.execute(
                update(LeaseRecord)
                .where(LeaseRecord.lease_id == held.asked.lease_id, LeaseRecord.state.in_(LIVING))
                .values(state=LeaseState.REVOKING, reason=reason[:_REASON_LENGTH], **_particulars(held))
            )

    async def closed(
        self,
        lease_ids: Sequence[str],
        *,
        reason: str,
        revoked_at: datetime | None = None,
        used_at: datetime | None = None,
        state: LeaseState = LeaseState.CLOSED,
    ) -> list[str]:
        """Proven gone (or, with `state` irrevocable, as gone as can be). Returns the ids that were not before."""
        at = now()
        values: dict[str, object] = {
            "state": state,
            "reason": reason[:_REASON_LENGTH],
            "revoked_at": func.coalesce(LeaseRecord.revoked_at, revoked_at or at),
            "used_at": func.coalesce(LeaseRecord.used_at, used_at),
        }
        if state == LeaseState.CLOSED:
            values["proven_gone_at"] = case(
                (LeaseRecord.state == LeaseState.IRREVOCABLE, LeaseRecord.expires_at), else_=at
            )
        async with self._database.transaction() as session:
            rows = await session.execute(
                update(LeaseRecord)
                .where(LeaseRecord.lease_id.in_(lease_ids))
                .where(LeaseRecord.state.in_((*LIVING, LeaseState.IRREVOCABLE)))
                .values(**values)
                .returning(
                    LeaseRecord.lease_id,
                    LeaseRecord.call_id,
                    LeaseRecord.run_id,
                    func.coalesce(LeaseRecord.issued_at, LeaseRecord.asked_at).label("since"),
                    LeaseRecord.proven_gone_at,
                )
                .execution_options(synchronize_session=False)
            )
            ended = rows.all()
            for row in ended:
                if row.proven_gone_at is not None:
                    lived = (row.proven_gone_at - row.since).total_seconds()
                    event = LeaseClosed(
                        lease_id=row.lease_id,
                        call_id=row.call_id,
                        reason=reason[:_REASON_LENGTH],
                        lived_seconds=round(max(0.0, lived), 3),
                    )
                    await self._tell(session, event, row.run_id)
            return [row.lease_id for row in ended]

    async def _tell(self, session: AsyncSession, event: Event, run_id: str) -> None:
        try:
            await self._journal.append(event, stream=run_id, actor=self._actor, session=session)
        except Conflict:
            # The run's chain is sealed already; what happens after belongs to the house.
            await self._journal.append(event, stream=SYSTEM, actor=self._actor, session=session)


def _issued_event(held: Held) -> LeaseIssued:
    call = held.asked.call
    return LeaseIssued(
        lease_id=held.asked.lease_id,
        call_id=held.asked.call_id,
        agent=call.agent,
        tool=call.tool,
        grants=held.asked.grant_names,
        accessor=held.token.accessor,
        principals=held.principals,
        expires_at=held.expires_at.isoformat(),
    )


def _particulars(held: Held) -> dict[str, object]:
    return {
        "accessor": held.token.accessor,
        "policies": list(held.token.policies),
        "paths": [held.fetched.path] if held.fetched else [],
        "vault_leases": list(held.vault_leases),
        "principals": list(held.principals),
        "issued_at": held.issued_at,
        "expires_at": held.expires_at,
    }
