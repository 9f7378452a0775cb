"""Kill switches that are pulled at the moment: what they name may get no credential."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.calls import ToolCall
from overseen.secrets.errors import Stopped
from overseen.secrets.lease import LIVING
from overseen.store.database import Database
from overseen.store.tables import CallRecord, LeaseRecord, StopRecord

EVERYTHING = "everything"


class Scope(StrEnum):
    """How far a kill switch reaches."""

    CALL = "call"
    RUN = "run"
    AGENT = "agent"
    TOOL = "tool"
    EVERYTHING = "everything"


def in_reach(scope: Scope, target: str) -> ColumnElement[bool]:
    """The condition that a lease is one that a switch of this scope and target ends."""
    columns = {
        Scope.CALL: LeaseRecord.call_id,
        Scope.RUN: LeaseRecord.run_id,
        Scope.AGENT: LeaseRecord.agent,
        Scope.TOOL: LeaseRecord.tool,
    }
    return true() if scope is Scope.EVERYTHING else columns[scope] == target


def calls_in_reach(scope: Scope, target: str) -> ColumnElement[bool]:
    """The same for a tool call."""
    columns = {
        Scope.CALL: CallRecord.call_id,
        Scope.RUN: CallRecord.run_id,
        Scope.AGENT: CallRecord.agent,
        Scope.TOOL: CallRecord.tool,
    }
    return true() if scope is Scope.EVERYTHING else columns[scope] == target


@dataclass(frozen=True, kw_only=True)
class Live:
    """What is live in the reach of a switch at one moment: leases that may be alive, and calls that run."""

    leases: int
    calls: int


async def count_live(session: AsyncSession, scope: Scope, target: str) -> Live:
    """What is live now."""
    leases = select(func.count()).select_from(LeaseRecord)
    calls = select(func.count()).select_from(CallRecord)
    return Live(
        leases=await session.scalar(leases.where(LeaseRecord.state.in_(LIVING), in_reach(scope, target))) or 0,
        calls=await session.scalar(calls.where(CallRecord.state == "started", calls_in_reach(scope, target))) or 0,
    )


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A kill switch that is pulled. `scope` is call, run, agent, tool or everything."""

    stop_id: str
    scope: str
    target: str
    by: str = ""
    """Who asked for it."""
    pulled_at: datetime | None = None
    """None while it is only asked for."""
    proven_at: datetime | None = None
    leases: int = 0


def names(
    *, run: str | None = None, agent: str | None = None, tool: str | None = None, call: str | None = None
) -> ColumnElement[bool]:
    """The condition that a kill switch is in force and names any of these, or everything."""
    named = (("run", run), ("agent", agent), ("tool", tool), ("call", call))
    matches = [and_(StopRecord.scope == scope, StopRecord.target == target) for scope, target in named if target]
    return and_(
        StopRecord.pulled_at.is_not(None),
        StopRecord.lifted_at.is_(None),
        or_(StopRecord.scope == EVERYTHING, *matches),
    )


def names_sql(*, run: str, agent: str, tool: str, call: str) -> str:
    """The same in SQL, of expressions for run, agent, tool and call."""
    return (
        "EXISTS (SELECT FROM stops WHERE stops.pulled_at IS NOT NULL AND stops.lifted_at IS NULL AND ("
        f"stops.scope = '{EVERYTHING}' OR (stops.scope, stops.target) IN "
        f"(('run', {run}), ('agent', {agent}), ('tool', {tool}), ('call', {call}))))"
    )


def names_call(call: ToolCall) -> ColumnElement[bool]:
    """The condition that a kill switch names the call, its run, agent, tool or everything."""
    return names(run=call.run_id, agent=call.agent, tool=call.tool, call=call.call_id)


def _stop(row: StopRecord) -> Stop:
    return Stop(
        stop_id=row.stop_id,
        scope=row.scope,
        target=row.target,
        by=row.asked_by,
        pulled_at=row.pulled_at,
        proven_at=row.proven_at,
        leases=row.leases,
    )


def stopped(stop: Stop) -> Stopped:
    """The error for something a kill switch names."""
    what = "Everything" if stop.scope == EVERYTHING else f"The {stop.scope} {stop.target}"
    return Stopped(
        f"{what} was stopped by a kill switch.",
        not_done="The tool was not called and no credential was given.",
        next_step="Someone of the security team can lift it: `overseen leases stops`.",
        scope=stop.scope,
        target=stop.target,
        stop_id=stop.stop_id,
    )


class Stops:
    """The question every gateway asks before a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_stopped(self, run: str, agent: str, tool: str) -> bool:
        """Whether a kill switch names this run, agent, tool or everything."""
        async with self._database.read() as session:
            found = select(StopRecord.stop_id).where(names(run=run, agent=agent, tool=tool)).limit(1)
            return await session.scalar(found) is not None

    async def in_force(self) -> list[Stop]:
        """Kill switches that are asked for or pulled and not lifted, the newest first."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(StopRecord).where(StopRecord.lifted_at.is_(None)).order_by(StopRecord.asked_at.desc())
            )
            return [_stop(row) for row in rows.all()]

    async def last(self) -> Stop | None:
        """The kill switch that was pulled last, lifted or not."""
        async with self._database.read() as session:
            row = await session.scalar(
                select(StopRecord)
                .where(StopRecord.pulled_at.is_not(None))
                .order_by(StopRecord.pulled_at.desc())
                .limit(1)
            )
            return None if row is None else _stop(row)

    async def check(self, call: ToolCall) -> None:
        """Raise Stopped when a kill switch names the call, its run, agent, tool or everything."""
        async with self._database.read() as session:
            await check_stops(session, call)


async def check_stops(session: AsyncSession, call: ToolCall) -> None:
    """The same inside a transaction of the caller."""
    row = await session.scalar(select(StopRecord).where(names_call(call)).limit(1))
    if row is not None:
        raise stopped(_stop(row))
