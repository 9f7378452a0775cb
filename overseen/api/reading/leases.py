"""The ledger of leases as the security team reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.api.reading.views import Page
from overseen.errors import NotFound
from overseen.store import Database
from overseen.store.tables import Account, CallRecord, LeaseRecord, now

LIVE_STATES = ("intent", "issued", "revoking")


@dataclass(frozen=True, kw_only=True)
class LeaseFilter:
    """Which leases to list, newest first. `show` is empty, live, overdue, denied or irrevocable."""

    show: str = ""
    agent: str = ""
    tool: str = ""
    state: str = ""
    run_id: str = ""
    call_id: str = ""
    cursor: str = ""
    limit: int = 50


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
    """One point in a lease's life. `share` is its place between asked (0.0) and the end of the drawing (1.0)."""

    name: str
    at: datetime
    share: float
    seconds: float


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
    effect: str | None = None

    def life(self) -> tuple[Moment, ...]:
        """Asked, issued, used, revoked, proven gone and expiry, drawn to scale up to the latest of the real ones."""
        named = [
            ("asked", self.asked_at),
            ("issued", self.issued_at),
            ("used", self.used_at),
            ("revoked", self.revoked_at),
            ("proven gone", self.proven_gone_at),
        ]
        known = [(name, at) for name, at in named if at is not None]
        end = max(at for _, at in known) if self.proven_gone_at else now()
        width = max((end - self.asked_at).total_seconds(), 0.001)
        return tuple(
            Moment(
                name=name,
                at=at,
                seconds=(at - self.asked_at).total_seconds(),
                share=min(1.0, max(0.0, (at - self.asked_at).total_seconds() / width)),
            )
            for name, at in known
        )


class LeaseReader:
    """Reads the ledger. Access is the caller's business."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counters(self) -> LeaseCounters:
        """Counts over the whole ledger."""
        async with self._database.read() as session:
            row = (
                await session.execute(
                    select(
                        func.count().filter(_shown("live")).label("live"),
                        func.count().filter(_shown("overdue")).label("overdue"),
                        func.count().filter(_shown("denied")).label("denied"),
                        func.count().filter(_shown("irrevocable")).label("irrevocable"),
                        func.count().label("total"),
                    ).select_from(LeaseRecord)
                )
            ).one()
        return LeaseCounters(
            live=row.live, overdue=row.overdue, denied=row.denied, irrevocable=row.irrevocable, total=row.total
        )

    async def list(self, chosen: LeaseFilter) -> tuple[tuple[LeaseView, ...], Page]:
        """Leases that match, newest first."""
        conditions: list[ColumnElement[bool]] = [_shown(chosen.show)] if chosen.show else []
        for column, value in (
            (LeaseRecord.agent, chosen.agent),
            (LeaseRecord.tool, chosen.tool),
            (LeaseRecord.state, chosen.state),
            (LeaseRecord.run_id, chosen.run_id),
            (LeaseRecord.call_id, chosen.call_id),
        ):
            if value:
                conditions.append(column == value)
        async with self._database.read() as session:
            total = await session.scalar(select(func.count()).select_from(LeaseRecord).where(*conditions)) or 0
            query = select(LeaseRecord).where(*conditions)
            if chosen.cursor:
                last = await session.get(LeaseRecord, chosen.cursor)
                if last is not None:
                    query = query.where(
                        (LeaseRecord.asked_at < last.asked_at)
                        | and_(LeaseRecord.asked_at == last.asked_at, LeaseRecord.lease_id < last.lease_id)
                    )
            query = query.order_by(LeaseRecord.asked_at.desc(), LeaseRecord.lease_id.desc()).limit(chosen.limit + 1)
            rows = (await session.scalars(query)).all()
            names = await _account_names(session, rows)
        shown = rows[: chosen.limit]
        views = tuple(_view(row, names) for row in shown)
        return views, Page(total=total, cursor=views[-1].lease_id if len(rows) > chosen.limit else None)

    async def lease(self, lease_id: str) -> LeaseView:
        """One lease. Raises NotFound."""
        async with self._database.read() as session:
            row = await session.get(LeaseRecord, lease_id)
            if row is None:
                raise NotFound("There is no such lease.", next_step="Check the id.")
            call = await session.get(CallRecord, row.call_id)
            return _view(row, await _account_names(session, [row]), effect=call.effect if call else None)

    async def choices(self) -> dict[str, tuple[str, ...]]:
        """What the filters can be set to: agents, tools and states that occur."""
        async with self._database.read() as session:
            return {
                column.key: tuple((await session.scalars(select(column).distinct().order_by(column).limit(100))).all())
                for column in (LeaseRecord.agent, LeaseRecord.tool, LeaseRecord.state)
            }


def _shown(show: str) -> ColumnElement[bool]:
    match show:
        case "live":
            return LeaseRecord.state.in_(LIVE_STATES)
        case "overdue":
            return and_(LeaseRecord.state.in_(LIVE_STATES), LeaseRecord.expires_at < func.now())
        case "denied":
            return LeaseRecord.state == "refused"
        case "irrevocable":
            return LeaseRecord.state == "irrevocable"
        case _:
            return LeaseRecord.lease_id.is_not(None)


async def _account_names(session: AsyncSession, rows: Sequence[LeaseRecord]) -> dict[str, str]:
    wanted = {account for row in rows for account in (row.requester_id, row.approver_id) if account}
    if not wanted:
        return {}
    found = await session.execute(
        select(Account.account_id, Account.display_name).where(Account.account_id.in_(wanted))
    )
    return dict(found.all())


def _view(row: LeaseRecord, names: dict[str, str], effect: str | None = None) -> LeaseView:
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
        effect=effect,
    )
