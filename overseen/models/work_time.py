"""How long a run has worked, and what ends its calls when its time is used up.

Work is the time in which a worker advances the run. Waiting for a turn at a model is counted apart: it is no work, but
a queue that does not move must not hold a run for ever either, so there is a limit for it too. Waiting for people is
neither: a parked run has no clock.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert

from overseen.errors import Unavailable
from overseen.models.errors import OutOfTime
from overseen.models.types import ModelAnswer, ModelPort, ModelRequest
from overseen.store import Database
from overseen.store.tables import RunTime

_log = logging.getLogger(__name__)

QUEUE_FACTOR = 4
"""A run may wait in queues for this many times the working time that its playbook gives it."""
_TICK_SECONDS = 0.5
_TICKS_PER_SAVE = 10
_MINUTE = 60


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Seconds since the requester last added something."""

    work: float = 0.0
    queue: float = 0.0


class WorkClock:
    """The clock of one run while a worker advances it."""

    def __init__(self, wall_seconds: float, spent: Spent) -> None:
        self._wall_seconds = wall_seconds
        self._work, self._queue = spent.work, spent.queue
        self._unsaved = Spent()
        self._waiting = 0
        self._calls = 0
        self._last = asyncio.get_running_loop().time()
        self.over = asyncio.Event()
        self.why = ""
        self.tick()

    def tick(self) -> None:
        """Count the time since the last tick as what it was: work, or waiting while nothing else went on."""
        now = asyncio.get_running_loop().time()
        passed, self._last = now - self._last, now
        if self._waiting and self._waiting >= self._calls:
            self._queue += passed
            self._unsaved = Spent(work=self._unsaved.work, queue=self._unsaved.queue + passed)
        else:
            self._work += passed
            self._unsaved = Spent(work=self._unsaved.work + passed, queue=self._unsaved.queue)
        if self._work >= self._wall_seconds:
            self.end(f"The {_minutes(self._wall_seconds)} of work that this task may take are used up.")
        elif self._queue >= QUEUE_FACTOR * self._wall_seconds:
            self.end(f"It waited {_minutes(QUEUE_FACTOR * self._wall_seconds)} for its turn at a model.")

    def end(self, why: str) -> None:
        """The run's time is over; every call is ended. `why` is a sentence for people. The first reason counts."""
        self.why = self.why or why
        self.over.set()

    def take_unsaved(self) -> Spent:
        """What was counted since this was last asked."""
        taken, self._unsaved = self._unsaved, Spent()
        return taken

    def put_back(self, unsaved: Spent) -> None:
        """It could not be saved; it is asked for again later."""
        now = self._unsaved
        self._unsaved = Spent(work=now.work + unsaved.work, queue=now.queue + unsaved.queue)

    @contextmanager
    def waiting(self) -> Generator[None]:
        """A call waits for its turn in this block."""
        self.tick()
        self._waiting += 1
        try:
            yield
        finally:
            self.tick()
            self._waiting -= 1

    @contextmanager
    def calling(self) -> Generator[None]:
        """A call of a model goes on in this block, waiting included."""
        self.tick()
        self._calls += 1
        try:
            yield
        finally:
            self.tick()
            self._calls -= 1


class WorkClocks:
    """The clocks of the runs that this process advances."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._running: dict[str, WorkClock] = {}

    @asynccontextmanager
    async def running(self, run_id: str, wall_seconds: float, *, anew: bool = False) -> AsyncGenerator[WorkClock]:
        """The run's clock goes in this block. `anew` gives it the whole of its time again: somebody added something."""
        clock = self._running[run_id] = WorkClock(wall_seconds, await self._spent(run_id, anew=anew))
        going = asyncio.create_task(self._go(run_id, clock))
        try:
            yield clock
        finally:
            going.cancel()
            await asyncio.wait([going])
            self._running.pop(run_id, None)
            clock.tick()
            await self._save(run_id, clock)

    def of(self, run_id: str) -> WorkClock | None:
        """The clock of a run; None for what is no run of this process, such as a question in the chat."""
        return self._running.get(run_id)

    @contextmanager
    def waiting(self, run_id: str) -> Generator[None]:
        """A call of the run waits for its turn in this block."""
        clock = self.of(run_id)
        if clock is None:
            yield
            return
        with clock.waiting():
            yield

    async def _go(self, run_id: str, clock: WorkClock) -> None:
        while True:
            for _ in range(_TICKS_PER_SAVE):
                await asyncio.sleep(_TICK_SECONDS)
                clock.tick()
            await self._save(run_id, clock)

    async def _spent(self, run_id: str, *, anew: bool) -> Spent:
        if anew:
            async with self._database.transaction() as session:
                nothing = {"work_seconds_now": 0.0, "queue_seconds_now": 0.0}
                await session.execute(update(RunTime).where(RunTime.run_id == run_id).values(nothing))
            return Spent()
        async with self._database.read() as session:
            query = select(RunTime.work_seconds_now, RunTime.queue_seconds_now).where(RunTime.run_id == run_id)
            row = (await session.execute(query)).one_or_none()
        return Spent() if row is None else Spent(work=row[0], queue=row[1])

    async def _save(self, run_id: str, clock: WorkClock) -> None:
        unsaved = clock.take_unsaved()
        added = {
            "work_seconds": unsaved.work,
            "queue_seconds": unsaved.queue,
            "work_seconds_now": unsaved.work,
            "queue_seconds_now": unsaved.queue,
        }
        table = RunTime.__table__.c
        try:
            async with self._database.transaction() as session:
                # A few seconds lost in a crash of the database cost less than a wait for its disk.
                await session.execute(text("SET LOCAL synchronous_commit = off"))
                await session.execute(
                    insert(RunTime)
                    .values(run_id=run_id, **added)
                    .on_conflict_do_update(
                        index_elements=["run_id"], set_={name: table[name] + value for name, value in added.items()}
                    )
                )
        except Unavailable as error:
            clock.put_back(unsaved)
            _log.warning("the working time of %s could not be saved: %s", run_id, error)


class TimedModel:
    """Ends a call when its run's time is used up, also in the middle of an answer, and begins none after that."""

    def __init__(self, inner: ModelPort, clocks: WorkClocks) -> None:
        self._inner = inner
        self._clocks = clocks

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """See ModelPort. Raises OutOfTime."""
        clock = self._clocks.of(request.run_id)
        if clock is None:
            return await self._inner.complete(request)
        if clock.over.is_set():
            raise _out_of_time(clock)
        with clock.calling():
            answering = asyncio.ensure_future(self._inner.complete(request))
            over = asyncio.ensure_future(clock.over.wait())
            try:
                await asyncio.wait([answering, over], return_when=asyncio.FIRST_COMPLETED)
                if answering.done():
                    return answering.result()
                raise _out_of_time(clock)
            finally:
                over.cancel()
                answering.cancel()
                await asyncio.wait([answering, over])


def _out_of_time(clock: WorkClock) -> OutOfTime:
    return OutOfTime(
        clock.why,
        not_done="The rest was not read.",
        next_step="A person decides with what is known; an answer of the requester starts the reading anew.",
    )


def _minutes(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:g} seconds"
    minutes = round(seconds / _MINUTE)
    return "minute" if minutes == 1 else f"{minutes} minutes"
