"""Whose turn it is: one queue before each route, shared by all workers, the longest waiting first.

A route takes as many calls at once as its `concurrency` says, over all processes together. Each place is an advisory
lock on one connection that a process keeps for this: when the process dies, or its connection does, the database frees
its places at once. Calls that must wait, or take longer than a moment, have a row in `model_turns`, which pages read.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString, TypeVar

import psycopg

from overseen.domain.identifiers import new_id
from overseen.errors import Unavailable
from overseen.models.pace import UsualPace
from overseen.models.types import ModelRequest, RouteProfile
from overseen.models.work_time import WorkClocks
from overseen.store import Database

_log = logging.getLogger(__name__)
T = TypeVar("T")

_PLACE_CLASS = 7205
_HOLDER_CLASS = 7206
"""First halves of the two-part advisory locks; the second is the hash of the place, or of the holder."""
_LOOK_SECONDS = 0.25
_REPORT_SECONDS = 1.0

HOLDER_LIVES: LiteralString = (
    "EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 7206"
    " AND objid = (hashtext(model_turns.holder)::bigint & 4294967295)::oid)"
)
"""SQL: whether the process that a row of model_turns belongs to is alive."""

HOLDER_DIED: LiteralString = "NOT " + HOLDER_LIVES

_TAKE: LiteralString = (
    "SELECT place FROM generate_series(0, %(concurrency)s - 1) AS place"  # noqa: S608 - constants of this file
    " WHERE CASE WHEN place = ANY(%(held)s::int[]) OR EXISTS (SELECT 1 FROM model_turns"
    "  WHERE route = %(route)s AND started_at IS NULL AND turn_id <> %(turn_id)s"
    "  AND (asked_at, turn_id) < (%(asked_at)s, %(turn_id)s) AND " + HOLDER_LIVES + ")"
    " THEN false ELSE pg_try_advisory_lock(%(class)s, hashtext(%(route)s || '/' || place)) END LIMIT 1"
)
_STORE: LiteralString = """
    INSERT INTO model_turns (turn_id, run_id, step_id, agent, purpose, route, holder, asked_at, started_at,
                             first_token_at, tokens, usual_seconds, seen_at)
    VALUES (%(turn_id)s, %(run_id)s, %(step_id)s, %(agent)s, %(purpose)s, %(route)s, %(holder)s, %(asked_at)s,
            %(started_at)s, %(first_token_at)s, %(tokens)s, %(usual_seconds)s, now())
    ON CONFLICT (turn_id) DO UPDATE SET holder = excluded.holder, started_at = excluded.started_at,
        first_token_at = excluded.first_token_at, tokens = excluded.tokens, usual_seconds = excluded.usual_seconds,
        seen_at = now()
"""


@dataclass
class Turn:
    """One call in the queue, and how far its answer has come. `heard` is the route's listener."""

    turn_id: str
    request: ModelRequest
    route: str
    asked_at: datetime
    started_at: datetime | None = None
    first_token_at: datetime | None = None
    tokens: int = 0
    stored: bool = False

    def heard(self, tokens: int) -> None:
        """So many tokens came."""
        if tokens and self.first_token_at is None:
            self.first_token_at = datetime.now(UTC)
        self.tokens = tokens


class TurnQueue:
    """The queue as one process sees it."""

    def __init__(self, database: Database, *, clocks: WorkClocks | None = None, pace: UsualPace | None = None) -> None:
        self._url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._clocks = clocks or WorkClocks(database)
        self._pace = pace or UsualPace(database)
        self._holder = new_id("holder")
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._using = asyncio.Lock()
        self._held: set[tuple[str, int]] = set()
        self._freed = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def turn(self, request: ModelRequest, profile: RouteProfile) -> AsyncGenerator[Turn]:
        """A place at the route for the length of the block; waits for it as long as others were there before.

        Raises Unavailable when the database is down.
        """
        asked_at = request.asked_at or datetime.now(UTC)
        turn = Turn(turn_id=new_id("turn"), request=request, route=profile.name, asked_at=asked_at)
        reporting = asyncio.create_task(self._report(turn))
        try:
            place = await self._place(turn, profile.concurrency)
            try:
                turn.started_at = datetime.now(UTC)
                yield turn
            finally:
                await self._whole(self._give_back(profile.name, place))
        finally:
            reporting.cancel()
            await asyncio.wait([reporting])
            if turn.stored:
                await self._whole(self._forget(turn))

    async def close(self) -> None:
        """Let go of the connection, and of every place with it."""
        async with self._using:
            if self._connection is not None:
                await self._connection.close()

    async def _place(self, turn: Turn, concurrency: int) -> int:
        place = await self._take(turn, concurrency)
        if place is not None:
            return place
        with self._clocks.waiting(turn.request.run_id):
            await self._whole(self._store(turn))
            while place is None:
                self._freed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._freed.wait()
                place = await self._take(turn, concurrency)
        return place

    async def _take(self, turn: Turn, concurrency: int) -> int | None:
        """A free place, None when all are taken or others wait longer. One that comes too late is given back."""
        taking = asyncio.ensure_future(self._try(turn, concurrency))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            place = None
            with suppress(Unavailable):
                place = await taking
            if place is not None:
                await self._give_back(turn.route, place)
            raise

    async def _try(self, turn: Turn, concurrency: int) -> int | None:
        async with self._using:
            connection = await self._connected()
            wanted = {
                "concurrency": concurrency,
                "held": [place for route, place in self._held if route == turn.route],
                "route": turn.route,
                "turn_id": turn.turn_id,
                "asked_at": turn.asked_at,
                "class": _PLACE_CLASS,
            }
            row = await self._guarded(lambda: _first_row(connection, _TAKE, wanted))
            if row is None:
                return None
            self._held.add((turn.route, row[0]))
            return row[0]

    async def _give_back(self, route: str, place: int) -> None:
        async with self._using:
            # A place of a connection that broke is free already, and may be another's by now.
            if (route, place) in self._held and self._connection is not None:
                connection = self._connection
                self._held.discard((route, place))
                wanted = {"class": _PLACE_CLASS, "route": route, "place": place}
                unlock: LiteralString = (
                    "SELECT pg_advisory_unlock(%(class)s, hashtext(%(route)s || '/' || %(place)s::int))"
                )
                with suppress(Unavailable):
                    await self._guarded(lambda: _first_row(connection, unlock, wanted))
        self._freed.set()

    async def _report(self, turn: Turn) -> None:
        """Keep the turn's row up to date, at most once a second; what is over within a second has none."""
        told: tuple[object, ...] = ()
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            now = (self._holder, turn.started_at, turn.tokens)
            if now != told:
                with suppress(Unavailable):  # that nobody can watch is no reason to stop
                    await self._whole(self._store(turn))
                    told = now

    async def _store(self, turn: Turn) -> None:
        request = turn.request
        usual = await self._pace.usual_seconds(turn.route, request.purpose)
        row = {
            "turn_id": turn.turn_id,
            "run_id": request.run_id,
            "step_id": request.step_id,
            "agent": request.agent,
            "purpose": request.purpose,
            "route": turn.route,
            "asked_at": turn.asked_at,
            "started_at": turn.started_at,
            "first_token_at": turn.first_token_at,
            "tokens": turn.tokens,
            "usual_seconds": usual,
        }
        turn.stored = True
        await self._execute(_STORE, row)

    async def _forget(self, turn: Turn) -> None:
        with suppress(Unavailable):  # the row tells of a process that is gone once this one ends
            await self._execute("DELETE FROM model_turns WHERE turn_id = %(turn_id)s", {"turn_id": turn.turn_id})

    async def _execute(self, statement: LiteralString, values: dict[str, Any]) -> None:
        async with self._using:
            connection = await self._connected()
            await self._guarded(lambda: connection.execute(statement, {**values, "holder": self._holder}))

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        # Another name than before: what was stored under that one, and could not be removed, is nobody's now.
        self._held.clear()
        self._holder = new_id("holder")
        connection = await self._guarded(
            lambda: psycopg.AsyncConnection.connect(self._url, autocommit=True, keepalives_idle=10)
        )
        held = {"class": _HOLDER_CLASS, "holder": self._holder}
        await self._guarded(
            lambda: connection.execute("SELECT pg_advisory_lock(%(class)s, hashtext(%(holder)s))", held)
        )
        self._connection = connection
        return connection

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return await work()
        except psycopg.OperationalError as error:
            raise Unavailable(
                "The database does not answer.",
                not_done="No model was asked.",
                next_step="Try again in a moment; an operator can run `overseen status`.",
            ) from error

    async def _whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it to its end even when the caller is cancelled: half a statement would leave the connection unusable."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise


async def _first_row(
    connection: psycopg.AsyncConnection[Any], statement: LiteralString, values: dict[str, Any]
) -> tuple[Any, ...] | None:
    return await (await connection.execute(statement, values)).fetchone()
