"""The ledger: every state a lease goes through, written before or right after it happens.

One method a transition, each in a transaction of its own with the journal entry that tells of it.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, exists, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.errors import Conflict, OverseenError
from overseen.journal import SYSTEM, Journal
from overseen.journal.events import Event, LeaseClosed, LeaseIssued, LeaseRefused
from overseen.secrets.errors import LeaseEnded
from overseen.secrets.grants import Asked
from overseen.secrets.lease import LIVING, Held, LeaseState
from overseen.secrets.stops import check_stops, names_call
from overseen.store.database import Database
from overseen.store.tables import Authorization, Decision, LeaseRecord, Run, Task, now

_REASON_LENGTH = 200
_DECISION = "decision:"


class Ledger:
    """Transitions of leases. `actor` is who the journal names, for example worker:<id> or service:sweeper."""

    def __init__(self, database: Database, journal: Journal, *, actor: str, region: str = "local") -> None:
        self._database = database
        self._journal = journal
        self._actor = actor
        self._region = region

    async def intend(self, asked: Sequence[Asked], *, worker_id: str) -> None:
        """Write down what is about to be minted. Raises Stopped when a kill switch names the call."""
        call = asked[0].call
        stop = exists().where(names_call(call))
        requester = select(Task.requester_id).join(Run, Run.task_id == Task.task_id).where(Run.run_id == call.run_id)
        async with self._database.transaction() as session:
            approver_id = await _approver(session, call.authorization_id)
            for one in asked:
                # One round trip for the row, who asked for it, and the kill switches.
                row: dict[str, object] = {
                    "lease_id": one.lease_id,
                    "call_id": call.call_id,
                    "run_id": call.run_id,
                    "step_id": call.step_id,
                    "agent": call.agent,
                    "tool": call.tool,
                    "grants": list(one.grant_names),
                    "policies": [one.policy],
                    "paths": [],
                    "kind": one.kind,
                    "region": self._region,
                    "approver_id": approver_id,
                    "worker_id": worker_id,
                    "state": LeaseState.INTENT.value,
                    "vault_leases": [],
                    "principals": [],
                    "asked_at": now(),
                }
                table = LeaseRecord.__table__.c
                values = [literal(value, table[name].type).label(name) for name, value in row.items()]
                source = select(*values, requester.scalar_subquery().label("requester_id")).where(~stop)
                written = await session.scalar(
                    insert(LeaseRecord).from_select([*row, "requester_id"], source).returning(LeaseRecord.lease_id)
                )
                if written is None:
                    await check_stops(session, call)

    async def issued(self, held: Sequence[Held]) -> None:
        """The credentials are alive. Raises Stopped when a kill switch was pulled meanwhile; then end them at once."""
        call = held[0].asked.call
        stop = exists().where(names_call(call))
        async with self._database.transaction() as session:
            for one in held:
                written = await session.scalar(
                    update(LeaseRecord)
                    .where(LeaseRecord.lease_id == one.asked.lease_id, LeaseRecord.state == LeaseState.INTENT, ~stop)
                    .values(state=LeaseState.ISSUED, **_particulars(one))
                    .returning(LeaseRecord.lease_id)
                )
                if written is None:
                    await check_stops(session, call)
                    raise LeaseEnded(
                        f"The lease {one.asked.lease_id} was taken for abandoned before it was issued.",
                        not_done="No credential was given.",
                        next_step="Make the call again.",
                    )
                event = LeaseIssued(
                    lease_id=one.asked.lease_id,
                    call_id=call.call_id,
                    agent=call.agent,
                    tool=call.tool,
                    grants=one.asked.grant_names,
                    accessor=one.token.accessor,
                    principals=one.principals,
                    expires_at=one.expires_at.isoformat(),
                )
                await self._tell(session, event, call.run_id)

    async def refused(self, asked: Sequence[Asked], error: OverseenError, *, state: LeaseState) -> None:
        """No credential was given. `state` is revoking when one may exist all the same and must be looked for."""
        async with self._database.transaction() as session:
            for one in asked:
                await session.execute(
                    update(LeaseRecord)
                    .where(LeaseRecord.lease_id == one.lease_id, LeaseRecord.state != LeaseState.CLOSED)
                    .values(state=state, reason=f"{error.code}: {error.message}"[:_REASON_LENGTH])
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


async def _approver(session: AsyncSession, authorization_id: str | None) -> str | None:
    """Who approved the call: a reviewer's account, or nobody when the boundary did."""
    if authorization_id is None:
        return None
    granted_by = await session.scalar(
        select(Authorization.granted_by).where(Authorization.authorization_id == authorization_id)
    )
    if granted_by is None or not granted_by.startswith(_DECISION):
        return None
    return await session.scalar(
        select(Decision.reviewer_id).where(Decision.decision_id == granted_by.removeprefix(_DECISION))
    )
