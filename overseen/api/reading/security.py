"""How the credentials of the house stand: numbers, services that watch them, kill switches, findings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Integer, cast, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.api.reading.accounts import account_names, actor_label, actor_names
from overseen.api.reading.decoding import read_text
from overseen.api.reading.finding_words import FindingWords, words_of
from overseen.api.reading.lease_filter import LIVE_STATES
from overseen.api.reading.lease_views import LeaseCounters, LeaseView, lease_view, people
from overseen.api.reading.leases import LeaseReader
from overseen.api.reading.stop_targets import StopTargets
from overseen.errors import NotFound
from overseen.journal import SYSTEM
from overseen.secrets.stops import Scope, count_live, in_reach
from overseen.store import BlobStore, Database
from overseen.store.tables import (
    JournalRow,
    LeaseRecord,
    RunTokenRecord,
    ServiceReport,
    StopRecord,
    now,
)

_SILENT_AFTER = timedelta(seconds=60)
_MOST_FINDINGS = 200
_SHOWN_IN_REACH = 8


@dataclass(frozen=True, kw_only=True)
class ServiceState:
    """What a service that runs beside the work said last. `silent`: so long ago that it no longer counts."""

    name: str
    ok: bool
    at: datetime
    silent: bool
    message: str


@dataclass(frozen=True, kw_only=True)
class StopView:
    """A kill switch. `state` is asked, withdrawn, pulled (not proven yet), proven or lifted.

    `living` leases and `running` calls are live in its reach now, `leases_before` and `calls_before` were when it was
    pulled (None where that was not counted). `reason` is None where it was erased.
    """

    stop_id: str
    scope: str
    target: str
    state: str
    reason: str | None
    asked_by: str
    asked_by_actor: str
    asked_at: datetime
    pulled_by: str | None
    pulled_at: datetime | None
    proven_at: datetime | None
    leases: int
    living: int
    running: int
    leases_before: int | None
    calls_before: int | None
    lifted_by: str | None
    lifted_at: datetime | None

    @property
    def met_nothing(self) -> bool:
        """Whether nothing was live in its reach when it was pulled, so that nothing was ended."""
        return self.pulled_at is not None and self.leases == 0 and not self.leases_before and not self.calls_before

    @property
    def proven_seconds(self) -> float | None:
        """From pulling to the proof that nothing in its reach lives; None while that is not proven."""
        if self.pulled_at is None or self.proven_at is None:
            return None
        return max(0.0, (self.proven_at - self.pulled_at).total_seconds())


@dataclass(frozen=True, kw_only=True)
class FindingView:
    """One finding of the reconciler, with what its name means. `explained` is what someone said it was."""

    sequence: int
    at: datetime
    name: str
    words: FindingWords
    accessor: str | None
    lease_id: str | None
    detail: tuple[tuple[str, str], ...]
    explained: str | None
    explained_by: str | None
    is_open: bool


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The top of the security page. `unreconciled` counts findings that nobody has explained."""

    counters: LeaseCounters
    unreconciled: int
    canary: ServiceState | None
    reconciler: ServiceState | None
    last_kill: StopView | None
    asked: tuple[StopView, ...]
    in_force: tuple[StopView, ...]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What a kill switch would end now. `leases` are the newest of the `living` ones; `running` calls go on without
    a credential.
    """

    scope: Scope
    target: str
    living: int
    running: int
    runs: int
    leases: tuple[LeaseView, ...]


class SecurityReader:
    """Reads what the security team watches. Access is the caller's business."""

    def __init__(self, database: Database, blobs: BlobStore, leases: LeaseReader) -> None:
        self._database = database
        self._blobs = blobs
        self._leases = leases
        self.targets = StopTargets(database)

    async def standing(self) -> Standing:
        """The numbers of this moment."""
        async with self._database.read() as session:
            reports = {row.name: row for row in (await session.scalars(select(ServiceReport))).all()}
            unreconciled = await session.scalar(
                select(func.count()).select_from(JournalRow).where(*_FINDINGS, ~_EXPLAINED)
            )
            open_rows = await session.scalars(
                select(StopRecord).where(StopRecord.lifted_at.is_(None)).order_by(StopRecord.asked_at.desc())
            )
            rows = list(open_rows.all())
            last = await session.scalar(
                select(StopRecord)
                .where(StopRecord.pulled_at.is_not(None))
                .order_by(StopRecord.pulled_at.desc())
                .limit(1)
            )
            stops = {stop.stop_id: stop for stop in await self._stops(session, [*rows, *([last] if last else [])])}
        standing_stops = [stops[row.stop_id] for row in rows]
        return Standing(
            counters=await self._leases.counters(),
            unreconciled=unreconciled or 0,
            canary=_service(reports.get("canary")),
            reconciler=_service(reports.get("reconciler")),
            last_kill=stops[last.stop_id] if last else None,
            asked=tuple(stop for stop in standing_stops if stop.state == "asked"),
            in_force=tuple(stop for stop in standing_stops if stop.state != "asked"),
        )

    async def stops(self, *, limit: int = 100) -> tuple[StopView, ...]:
        """Kill switches, the newest first, lifted ones included."""
        async with self._database.read() as session:
            rows = await session.scalars(select(StopRecord).order_by(StopRecord.asked_at.desc()).limit(limit))
            return await self._stops(session, rows.all())

    async def stop(self, stop_id: str) -> StopView:
        """One kill switch. Raises NotFound."""
        async with self._database.read() as session:
            row = await session.get(StopRecord, stop_id)
            if row is None:
                raise NotFound("There is no such kill switch.", next_step="See the list of leases.")
            return (await self._stops(session, [row]))[0]

    async def stops_of_run(self, run_id: str) -> tuple[StopView, ...]:
        """Kill switches that were pulled for exactly this run, and those for everything that are in force."""
        of_run = (StopRecord.scope == Scope.RUN) & (StopRecord.target == run_id)
        everything = (StopRecord.scope == Scope.EVERYTHING) & StopRecord.lifted_at.is_(None)
        async with self._database.read() as session:
            rows = await session.scalars(
                select(StopRecord)
                .where(StopRecord.pulled_at.is_not(None), of_run | everything)
                .order_by(StopRecord.pulled_at.desc())
            )
            return await self._stops(session, rows.all())

    async def reach(self, scope: Scope, target: str) -> Reach:
        """What a switch would end now. Raises NotFound for what there is not, InvalidInput for no name."""
        target = await self.targets.check(scope, target)
        where = (LeaseRecord.state.in_(LIVE_STATES), in_reach(scope, target))
        async with self._database.read() as session:
            running = (await count_live(session, scope, target)).calls
            counted = (
                await session.execute(
                    select(func.count().label("living"), func.count(LeaseRecord.run_id.distinct()).label("runs"))
                    .select_from(LeaseRecord)
                    .where(*where)
                )
            ).one()
            query = select(LeaseRecord).where(*where).order_by(LeaseRecord.asked_at.desc()).limit(_SHOWN_IN_REACH)
            rows = (await session.scalars(query)).all()
            names = await account_names(session, people(rows))
        leases = tuple(lease_view(row, names) for row in rows)
        return Reach(
            scope=scope, target=target, living=counted.living, running=running, runs=counted.runs, leases=leases
        )

    async def findings(self, *, only_open: bool = False, limit: int = _MOST_FINDINGS) -> tuple[FindingView, ...]:
        """Findings of the reconciler: those nobody explained first, then the newest."""
        return await self._findings(*([~_EXPLAINED] if only_open else []), limit=limit)

    async def _findings(self, *conditions: ColumnElement[bool], limit: int) -> tuple[FindingView, ...]:
        async with self._database.read() as session:
            query = select(JournalRow).where(*_FINDINGS, *conditions)
            query = query.order_by(_EXPLAINED, JournalRow.sequence.desc()).limit(limit)
            rows = (await session.scalars(query)).all()
            explained = {
                row.payload["sequence"]: row
                for row in (
                    await session.scalars(
                        select(JournalRow)
                        .where(JournalRow.stream == SYSTEM, JournalRow.kind == "FindingExplained")
                        .order_by(JournalRow.sequence)
                    )
                ).all()
            }
            names = await account_names(session, actor_names([row.actor for row in explained.values()]))
        return tuple([await self._finding(row, explained.get(row.sequence), names) for row in rows])

    async def finding(self, sequence: int) -> FindingView:
        """The finding of that entry in the house's journal. Raises NotFound."""
        found = await self._findings(JournalRow.sequence == sequence, limit=1)
        if not found:
            raise NotFound("There is no such finding.", next_step="See the list of findings.")
        return found[0]

    async def _finding(self, row: JournalRow, said: JournalRow | None, names: dict[str, str]) -> FindingView:
        payload = row.payload
        return FindingView(
            sequence=row.sequence,
            at=row.at,
            name=payload["name"],
            words=words_of(payload["name"]),
            accessor=payload.get("accessor"),
            lease_id=payload.get("lease_id"),
            detail=tuple((name, str(value)) for name, value in payload.get("detail", {}).items()),
            explained=await read_text(self._blobs, said.payload["reason_blob"]) if said else None,
            explained_by=actor_label(said.actor, names) if said else None,
            is_open=said is None,
        )

    async def _stops(self, session: AsyncSession, rows: Sequence[StopRecord]) -> tuple[StopView, ...]:
        actors = {actor for row in rows for actor in (row.asked_by, row.pulled_by, row.lifted_by)}
        names = await account_names(session, actor_names(actors))
        return tuple([await self._stop(session, row, names) for row in rows])

    async def _stop(self, session: AsyncSession, row: StopRecord, names: dict[str, str]) -> StopView:
        living, running, leases, proven_at = 0, 0, row.leases, row.proven_at
        if row.pulled_at is not None and row.lifted_at is None:
            living, later_at, later = await _what_became(session, row, row.pulled_at)
            running = (await count_live(session, Scope(row.scope), row.target)).calls
            if proven_at is None and later_at is not None:
                # The switch gave up waiting; the sweeper has proven since that all are gone.
                proven_at, leases = later_at, max(leases, later)
        return StopView(
            stop_id=row.stop_id,
            scope=row.scope,
            target=row.target,
            state=_state(row, proven_at),
            reason=await read_text(self._blobs, row.reason_blob),
            asked_by=actor_label(row.asked_by, names) or "",
            asked_by_actor=row.asked_by,
            asked_at=row.asked_at,
            pulled_by=actor_label(row.pulled_by, names),
            pulled_at=row.pulled_at,
            proven_at=proven_at,
            leases=leases,
            living=living,
            running=running,
            leases_before=row.leases_before,
            calls_before=row.calls_before,
            lifted_by=actor_label(row.lifted_by, names),
            lifted_at=row.lifted_at,
        )


async def _what_became(session: AsyncSession, row: StopRecord, pulled_at: datetime) -> tuple[int, datetime | None, int]:
    """How many leases in the switch's reach live, when the last of the others was proven gone, and how many were.

    The moment is None while anything lives, a run's token included.
    """
    reach = in_reach(Scope(row.scope), row.target)
    ended = LeaseRecord.proven_gone_at >= pulled_at
    found = (
        await session.execute(
            select(
                func.count().filter(LeaseRecord.state.in_(LIVE_STATES)).label("living"),
                func.max(LeaseRecord.proven_gone_at).filter(ended).label("gone_at"),
                func.count().filter(ended).label("ended"),
            )
            .select_from(LeaseRecord)
            .where(reach)
        )
    ).one()
    alive = found.living > 0
    if not alive and row.scope in (Scope.RUN, Scope.EVERYTHING):
        of_run = RunTokenRecord.run_id == row.target if row.scope == Scope.RUN else true()
        query = select(RunTokenRecord.run_token_id).where(RunTokenRecord.state != "closed", of_run).limit(1)
        alive = await session.scalar(query) is not None
    return found.living, None if alive else found.gone_at, found.ended


def _explained() -> ColumnElement[bool]:
    said = JournalRow.__table__.alias("said")
    return (
        select(said.c.sequence)
        .where(said.c.stream == SYSTEM, said.c.kind == "FindingExplained")
        .where(cast(said.c.payload["sequence"].astext, Integer) == JournalRow.sequence)
        .exists()
    )


_FINDINGS = (JournalRow.stream == SYSTEM, JournalRow.kind == "ReconcilerFinding")
_EXPLAINED = _explained()


def _state(row: StopRecord, proven_at: datetime | None) -> str:
    if row.lifted_at is not None:
        return "lifted" if row.pulled_at is not None else "withdrawn"
    if row.pulled_at is None:
        return "asked"
    return "proven" if proven_at is not None else "pulled"


def _service(row: ServiceReport | None) -> ServiceState | None:
    if row is None:
        return None
    said = row.detail.get("message") or row.detail.get("error_code") or ""
    return ServiceState(name=row.name, ok=row.ok, at=row.at, silent=now() - row.at > _SILENT_AFTER, message=str(said))
