"""The queue before a route: one at a time over all workers, the longest waiting first, and nobody's place is lost."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text

from overseen.models import RouteProfile, RouteUnavailable
from overseen.models.openai_route import OpenAIRoute
from overseen.models.patience import IdleLimits
from overseen.models.turns import TurnQueue
from overseen.store import Database
from overseen.store.tables import ModelTurn
from overseen.testing import ScriptedModel
from tests.contract.models.conftest import Blobs, BuildGateway, ask, server
from tests.contract.models.streams import Trickling, stream_of
from tests.waiting import until

TEXT = '{"kind": "car", "amount": "642.50"}'
NARROW = RouteProfile(name="narrow", model="qwen", regions=frozenset({"local"}))


@asynccontextmanager
async def queues(database: Database, number: int) -> AsyncIterator[list[TurnQueue]]:
    opened = [TurnQueue(database) for _ in range(number)]
    try:
        yield opened
    finally:
        for queue in opened:
            await queue.close()


async def rows(database: Database) -> list[ModelTurn]:
    async with database.read() as session:
        return list((await session.scalars(select(ModelTurn).order_by(ModelTurn.asked_at))).all())


class Line:
    """Calls that stand in line; `order` is the order in which they got their turn."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.order: list[str] = []
        self.go_on = asyncio.Event()

    async def stand(self, queue: TurnQueue, name: str, profile: RouteProfile = NARROW, **asked: Any) -> None:
        async with queue.turn(ask(run_id=name, **asked), profile):
            self.order.append(name)
            await self.go_on.wait()

    async def waits(self, number: int) -> None:
        async def are_there() -> bool:
            return len([row for row in await rows(self.database) if row.started_at is None]) == number

        await until(are_there)


async def test_the_longest_waiting_is_next_over_all_workers(database: Database) -> None:
    line = Line(database)
    async with queues(database, 2) as (one, two), asyncio.TaskGroup() as group:
        for number, queue in enumerate((one, two, one, two, two, one)):
            group.create_task(line.stand(queue, f"run_{number}"))
            if number == 0:
                await until(lambda: line.order == ["run_0"])
            else:
                await line.waits(number)
        line.go_on.set()
    assert line.order == [f"run_{number}" for number in range(6)]
    assert await rows(database) == []


async def test_who_comes_while_others_wait_does_not_overtake(database: Database) -> None:
    """The place is free for a moment, between two looks of the one that waits."""
    line = Line(database)
    async with queues(database, 2) as (one, two), asyncio.TaskGroup() as group:
        group.create_task(line.stand(one, "first"))
        await until(lambda: line.order == ["first"])
        group.create_task(line.stand(one, "second"))
        await line.waits(1)
        line.go_on.set()
        group.create_task(line.stand(two, "third"))
    assert line.order == ["first", "second", "third"]


async def test_a_route_takes_as_many_at_once_as_it_says(database: Database) -> None:
    line = Line(database)
    profile = RouteProfile(name="wide", model="qwen", regions=frozenset({"local"}), concurrency=3)
    async with queues(database, 2) as opened, asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(line.stand(opened[number % 2], f"run_{number}", profile))
        await line.waits(2)
        assert len(line.order) == 3
        line.go_on.set()
    assert len(line.order) == 5


async def test_a_call_that_is_given_up_leaves_no_place_behind(database: Database) -> None:
    line = Line(database)
    async with queues(database, 2) as (one, two), asyncio.TaskGroup() as group:
        first = group.create_task(line.stand(one, "first"))
        await until(lambda: line.order == ["first"])
        second = group.create_task(line.stand(one, "second"))
        await line.waits(1)
        third = group.create_task(line.stand(two, "third"))
        await line.waits(2)
        second.cancel()
        first.cancel()
        await until(lambda: line.order == ["first", "third"])
        line.go_on.set()
        await third
    assert await rows(database) == []


async def test_giving_up_at_any_moment_loses_no_place(database: Database) -> None:
    async with queues(database, 2) as (one, two):
        for tenths in range(30):
            line = Line(database)
            calls = [asyncio.create_task(line.stand(queue, "x")) for queue in (one, two, one)]
            await asyncio.sleep(tenths / 3000)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
        async with asyncio.timeout(10), one.turn(ask(), NARROW):
            assert await rows(database) == []
    assert await rows(database) == []


_TAKER = """
import asyncio, sys
from overseen.models import Message, MessageRole, ModelRequest, RouteProfile
from overseen.models.turns import TurnQueue
from overseen.store import Database

async def main():
    queue = TurnQueue(Database(sys.stdin.readline().strip()))
    request = ModelRequest(run_id="run_dead", step_id="s", agent="a", purpose="p", region="local", max_tokens=1,
                           messages=(Message(role=MessageRole.USER, text="x"),))
    async with queue.turn(request, RouteProfile(name="narrow", model="qwen", regions=frozenset({"local"}))):
        print("has its turn", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def worker_with_a_turn(url: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _TAKER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(f"{url}\n".encode())
    await process.stdin.drain()
    return process


async def said(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()


async def test_the_place_of_a_worker_that_is_killed_is_free_at_once(database: Database) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    holder = await worker_with_a_turn(url)
    assert b"turn" in await said(holder)
    waiter = await worker_with_a_turn(url)

    async def waits_and_runs() -> bool:
        return {row.started_at is None for row in await rows(database)} == {True, False}

    # One is being answered, and one waits before us; both die.
    await until(waits_and_runs)
    async with queues(database, 1) as (ours,):
        line = Line(database)
        call = asyncio.create_task(line.stand(ours, "ours"))
        await line.waits(2)
        for process in (waiter, holder):
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
        await until(lambda: line.order == ["ours"], seconds=10)
        line.go_on.set()
        await call


async def test_a_connection_that_breaks_frees_its_places_and_is_made_anew(database: Database) -> None:
    async with queues(database, 1) as (one,):
        async with one.turn(ask(), NARROW):
            async with database.transaction() as session:
                ended = await session.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_locks"
                        " WHERE locktype = 'advisory' AND classid = 7206 AND granted"
                    )
                )
                assert len(ended.all()) == 1
            async with queues(database, 1) as (two,), asyncio.timeout(10), two.turn(ask(), NARROW):
                pass
        async with asyncio.timeout(10), one.turn(ask(), NARROW), queues(database, 1) as (two,):
            # It has a place again, not only a name: another has to wait.
            line = Line(database)
            call = asyncio.create_task(line.stand(two, "other"))
            await line.waits(1)
            call.cancel()
            await asyncio.wait([call])


async def test_the_row_of_a_call_tells_how_far_it_is(database: Database) -> None:
    async with queues(database, 1) as (one,):
        async with one.turn(ask(run_id="run_7", purpose="read_letter"), NARROW) as turn:
            assert await rows(database) == []
            turn.heard(41)
            await until(lambda: turn.stored)

            async def told() -> bool:
                return [(row.run_id, row.purpose, row.tokens) for row in await rows(database)] == [
                    ("run_7", "read_letter", 41)
                ]

            await until(told)
            [row] = await rows(database)
            assert row.started_at is not None
            assert row.first_token_at is not None
        assert await rows(database) == []


async def test_a_full_queue_costs_no_call_its_patience_and_none_is_asked_twice(
    gateway_for: BuildGateway, database: Database
) -> None:
    """Three runs in two workers before a server with one place, each answer longer than any limit of silence."""
    slow = Trickling(stream_of(TEXT), rest=0.15)
    limits = IdleLimits(first_token_seconds=1.0, idle_seconds=1.0)
    async with server(slow) as url:
        workers = [gateway_for(OpenAIRoute(NARROW, url, blobs=Blobs(), limits=limits)) for _ in range(2)]
        answers = await asyncio.gather(
            *(workers[number % 2].complete(ask(run_id=f"run_{number}")) for number in range(3))
        )
        for worker in workers:
            await worker.close()
    assert [answer.text for answer in answers] == [TEXT] * 3
    assert (slow.asked, slow.most_at_once, slow.cut) == (3, 1, 0)


async def test_a_call_that_hangs_is_cut_and_the_next_try_waits_until_it_is_over(
    gateway_for: BuildGateway, database: Database
) -> None:
    hanging = Trickling(stream_of(TEXT)[:3], rest=0)
    hanging.last_rest = 60
    limits = IdleLimits(first_token_seconds=5.0, idle_seconds=0.3)
    async with server(hanging) as url:
        gateway = gateway_for(OpenAIRoute(NARROW, url, blobs=Blobs(), limits=limits))
        with pytest.raises(RouteUnavailable, match="fell silent"):
            await gateway.complete(ask())
        await gateway.close()
    assert (hanging.asked, hanging.most_at_once, hanging.cut) == (4, 1, 4)


async def test_when_one_route_hangs_the_next_try_goes_to_another(gateway_for: BuildGateway) -> None:
    hanging, good = Trickling([], rest=0, first_rest=60), Trickling(stream_of(TEXT), rest=0)
    limits = IdleLimits(first_token_seconds=0.5, idle_seconds=0.5)
    other = RouteProfile(name="other", model="qwen", regions=frozenset({"local"}))
    async with server(hanging) as first, server(good) as second:
        gateway = gateway_for(
            OpenAIRoute(NARROW, first, blobs=Blobs(), limits=limits),
            OpenAIRoute(other, second, blobs=Blobs(), limits=limits),
        )
        assert (await gateway.complete(ask())).route == "other"
        await gateway.close()
    assert (hanging.asked, good.asked) == (1, 1)


async def test_a_try_after_a_failure_keeps_its_place(database: Database) -> None:
    line = Line(database)
    async with queues(database, 1) as (one,), asyncio.TaskGroup() as group:
        group.create_task(line.stand(one, "first"))
        await until(lambda: line.order == ["first"])
        group.create_task(line.stand(one, "later"))
        await line.waits(1)
        group.create_task(line.stand(one, "again", asked_at=datetime(2020, 1, 1, tzinfo=UTC)))
        await line.waits(2)
        line.go_on.set()
    assert line.order == ["first", "again", "later"]


async def test_every_try_of_a_call_has_the_time_of_the_first(gateway_for: BuildGateway) -> None:
    down = RouteUnavailable("The server is down.", route="scripted")
    model = ScriptedModel({"extract": [down, down, {"kind": "car", "amount": "1"}]})
    await gateway_for(model).complete(ask())
    assert len({request.asked_at for request in model.requests}) == 1
    assert model.requests[0].asked_at is not None
