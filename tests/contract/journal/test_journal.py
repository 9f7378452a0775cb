"""The journal on a real PostgreSQL: order, following, closing, and what verify must find."""

import asyncio
from contextlib import aclosing

import pytest
from sqlalchemy import text
from sqlalchemy.pool import AsyncAdaptedQueuePool

from overseen.errors import Conflict, Unavailable
from overseen.journal import SYSTEM, Entry, Journal, events, verify
from overseen.store import Database
from tests.waiting import until

RUN = "run_1"
WHO = "worker:1"


def started(number: int) -> events.StepStarted:
    return events.StepStarted(step_id=f"s{number}", agent="extractor")


@pytest.fixture
def journal(database: Database) -> Journal:
    return Journal(database)


async def fill(journal: Journal, count: int, stream: str = RUN) -> None:
    for number in range(count):
        await journal.append(started(number), stream=stream, actor=WHO)


async def close(journal: Journal, database: Database, stream: str = RUN) -> None:
    async with database.transaction() as session:
        await journal.close_chain(stream, signature=None, actor=WHO, session=session)


async def tamper(database: Database, statement: str) -> None:
    async with database.transaction() as session:
        await session.execute(text(statement))


async def test_entries_written_at_once_form_one_chain(journal: Journal) -> None:
    await asyncio.gather(*(journal.append(started(number), stream=RUN, actor=WHO) for number in range(12)))
    assert [entry.sequence for entry in await journal.entries(RUN)] == list(range(1, 13))
    assert (await verify(journal)).holds


async def test_what_must_be_told_once_is_told_once(journal: Journal) -> None:
    first = await journal.append(started(1), stream=RUN, actor=WHO, once="step:1")
    again = await journal.append(started(1), stream=RUN, actor="worker:2", once="step:1")
    assert again == first
    assert len(await journal.entries(RUN)) == 1


async def test_an_entry_of_a_transaction_that_failed_does_not_exist(journal: Journal, database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as session:
            await journal.append(started(1), stream=RUN, actor=WHO, session=session)
            raise RuntimeError
    assert await journal.entries(RUN) == []


async def test_a_closed_chain_takes_nothing_more(journal: Journal, database: Database) -> None:
    await fill(journal, 2)
    await close(journal, database)
    with pytest.raises(Conflict):
        await journal.append(started(3), stream=RUN, actor=WHO)
    assert (await journal.entries(SYSTEM))[-1].payload["run_id"] == RUN


async def test_a_follower_sees_every_entry_once_and_in_order(journal: Journal) -> None:
    await fill(journal, 3)
    seen: list[int] = []

    async def follow() -> None:
        async for entry in journal.follow(RUN, after=1):
            seen.append(entry.sequence)
            if entry.sequence == 8:
                return

    following = asyncio.create_task(follow())
    await fill(journal, 5)
    await asyncio.wait_for(following, 10)
    assert seen == [2, 3, 4, 5, 6, 7, 8]


async def connections(database: Database) -> int:
    async with database.read() as session:
        counted = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(await session.scalar(counted) or 0)


async def listening(database: Database) -> set[int]:
    """The processes of the server that listen for announcements."""
    found = text("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
    async with database.read() as session:
        return set(await session.scalars(found))


async def nobody_listens(database: Database) -> bool:
    return not await listening(database)


@pytest.fixture
def never_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """What followers see was announced to them, not found by looking."""
    monkeypatch.setattr("overseen.journal.journal._PATIENCE_SECONDS", 60.0)


async def first_of(journal: Journal, stream: str) -> Entry:
    async with aclosing(journal.follow(stream)) as entries:
        return await anext(entries)


@pytest.mark.usefixtures("never_looking")
async def test_followers_share_one_connection(journal: Journal, database: Database) -> None:
    before = await connections(database)
    followers = [asyncio.create_task(first_of(journal, f"run_{number}")) for number in range(60)]
    await until(lambda: listening(database))
    pool = database.engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)

    async def only_one_more() -> bool:
        return await connections(database) <= before + pool.size() + 1

    await until(only_one_more)
    await asyncio.gather(*(fill(journal, 1, f"run_{number}") for number in range(60)))
    heard = await asyncio.wait_for(asyncio.gather(*followers), 20)
    assert [entry.stream for entry in heard] == [f"run_{number}" for number in range(60)]


async def test_the_connection_ends_with_its_last_follower(journal: Journal, database: Database) -> None:
    for _ in range(2):
        follower = asyncio.create_task(first_of(journal, RUN + "x"))
        await until(lambda: listening(database))
        assert len(await listening(database)) == 1
        follower.cancel()
        await asyncio.wait([follower])
        await until(lambda: nobody_listens(database))


@pytest.mark.parametrize("turns", range(4))
async def test_a_follower_that_leaves_just_when_news_arrives_is_gone(
    journal: Journal, database: Database, turns: int
) -> None:
    follower = asyncio.create_task(first_of(journal, RUN))
    await until(lambda: listening(database))
    await asyncio.sleep(0.2)
    (grown,) = journal._announcements._followers
    grown.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    follower.cancel()
    done, _ = await asyncio.wait([follower], timeout=5)
    assert done
    assert journal._announcements._followers == {}


@pytest.mark.usefixtures("never_looking")
async def test_a_follower_outlives_a_lost_connection(journal: Journal, database: Database) -> None:
    follower = asyncio.create_task(first_of(journal, RUN))
    await until(lambda: listening(database))
    lost = await listening(database)
    ended = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()"
    )
    async with database.read() as session:
        assert (await session.scalars(ended)).all()

    async def anew() -> set[int]:
        try:
            return await listening(database) - lost
        except Unavailable:  # a connection of the pool that was ended, too
            return set()

    await until(anew)
    await fill(journal, 1)
    assert (await asyncio.wait_for(follower, 20)).sequence == 1


@pytest.mark.parametrize(
    ("statement", "sequence"),
    [
        ("""UPDATE journal SET payload = '{"step_id": "s2", "agent": "extractoR"}' WHERE sequence = 3""", 3),
        ("UPDATE journal SET at = at + interval '1 microsecond' WHERE sequence = 3", 3),
        ("UPDATE journal SET actor = 'worker:2' WHERE sequence = 3", 3),
        ("UPDATE journal SET hash = repeat('0', 64) WHERE sequence = 3", 3),
        ("DELETE FROM journal WHERE sequence = 3", 4),
        ("DELETE FROM journal WHERE sequence >= 3", 3),
    ],
)
async def test_verify_names_the_entry_that_was_tampered_with(
    journal: Journal, database: Database, statement: str, sequence: int
) -> None:
    await fill(journal, 5)
    assert (await verify(journal)).holds
    await tamper(database, statement + f" AND stream = '{RUN}'")
    found = await verify(journal)
    assert found.breaks[0].stream == RUN
    assert found.breaks[0].sequence == sequence


async def test_a_run_that_vanished_whole_is_missed_by_its_anchor(journal: Journal, database: Database) -> None:
    await fill(journal, 2)
    await close(journal, database)
    await tamper(database, f"DELETE FROM journal WHERE stream = '{RUN}'")
    await tamper(database, f"DELETE FROM journal_heads WHERE stream = '{RUN}'")
    assert [found.stream for found in (await verify(journal)).breaks] == [RUN]


async def test_a_chain_rewritten_whole_differs_from_its_anchor(journal: Journal, database: Database) -> None:
    await fill(journal, 2)
    await close(journal, database)
    await tamper(database, f"DELETE FROM journal WHERE stream = '{RUN}'")
    await tamper(database, f"DELETE FROM journal_heads WHERE stream = '{RUN}'")
    await fill(journal, 2)
    assert not (await verify(journal)).holds


async def add_in_pipeline(journal: Journal, database: Database, *numbers: int, stream: str = RUN) -> None:
    async with database.pipeline() as connection:
        await connection.execute("BEGIN")
        chain = await journal.begin_append(connection, stream)
        for number in numbers:
            await chain.append(started(number), actor=WHO)
        await connection.execute("COMMIT")


async def test_entries_added_in_few_round_trips_continue_the_same_chain(journal: Journal, database: Database) -> None:
    await add_in_pipeline(journal, database, 1, 2)
    await fill(journal, 1)
    await asyncio.gather(*(add_in_pipeline(journal, database, number) for number in range(3, 9)))
    assert [entry.sequence for entry in await journal.entries(RUN)] == list(range(1, 10))
    assert (await verify(journal)).holds


@pytest.mark.usefixtures("never_looking")
async def test_followers_hear_of_entries_added_in_few_round_trips(journal: Journal, database: Database) -> None:
    follower = asyncio.create_task(first_of(journal, RUN))
    await until(lambda: listening(database))
    await add_in_pipeline(journal, database, 1)
    assert (await asyncio.wait_for(follower, 20)).sequence == 1


async def test_a_closed_chain_takes_no_entries_in_few_round_trips_either(journal: Journal, database: Database) -> None:
    await fill(journal, 1)
    await close(journal, database)
    with pytest.raises(Conflict):
        await add_in_pipeline(journal, database, 2)
    assert len(await journal.entries(RUN)) == 1
