"""Of runs with a mark in common exactly one is told of no other, however their reservations meet."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import combinations

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from overseen.domain.same_loss import LossMark
from overseen.store import Database
from overseen.store.loss_keys import LossKeys, forget_loss_keys, other_losses
from overseen.store.tables import Account, LossKeyRecord, LossMatch, Run, Task
from tests.stack_fixtures import async_url

RUNS = 6


def mark(own: int | str, *near: int | str) -> LossMark:
    return LossMark(title=f"the same {own}", own=str(own), looked_for=(str(own), *map(str, near)))


def day(number: int, within: int = 2) -> LossMark:
    return mark(number, *(number + apart for apart in range(-within, within + 1) if apart))


@pytest_asyncio.fixture
async def keys(database: Database) -> LossKeys:
    async with database.transaction() as session:
        session.add(Account(account_id="acc", name="acc", display_name="acc", roles=[]))
        await session.flush()
        for number in range(RUNS):
            task = Task(
                task_id=f"task_{number}",
                playbook="p",
                requester_id="acc",
                region="local",
                title_blob="0" * 64,
                form_token=str(number),
            )
            session.add(task)
            await session.flush()
            session.add(
                Run(
                    run_id=f"run_{number}",
                    task_id=task.task_id,
                    playbook="p",
                    playbook_digest="0" * 64,
                    region="local",
                    state="running",
                )
            )
    return LossKeys(database, b"k" * 32)


@pytest_asyncio.fixture
async def workers(database_url: str) -> AsyncIterator[list[LossKeys]]:
    """As many as there are runs, each with connections of its own."""
    databases = [Database(async_url(database_url), pool_size=1) for _ in range(RUNS)]
    yield [LossKeys(database, b"k" * 32) for database in databases]
    for database in databases:
        await database.close()


async def reserved(keys: LossKeys, run: int, *marks: LossMark) -> list[str]:
    return [loss.run_id for loss in await keys.reserve(f"run_{run}", "p", marks)]


async def test_the_second_is_told_of_the_first_and_what_is_the_same(keys: LossKeys) -> None:
    assert await keys.reserve("run_0", "p", [mark("bill"), mark("day")]) == []
    (found,) = await keys.reserve("run_1", "p", [mark("day"), mark("bill"), mark("else")])
    assert (found.run_id, found.task_id, found.state) == ("run_0", "task_0", "running")
    assert set(found.titles) == {"the same bill", "the same day"}


async def test_whoever_was_first_stays_first_when_tried_again(keys: LossKeys) -> None:
    await reserved(keys, 0, mark("bill"))
    assert await reserved(keys, 1, mark("bill")) == ["run_0"]
    assert await reserved(keys, 0, mark("bill")) == []
    assert await reserved(keys, 1, mark("bill")) == ["run_0"]


async def test_a_mark_that_comes_later_is_held_against_those_who_had_it(keys: LossKeys) -> None:
    await reserved(keys, 0, mark("first reading"))
    await reserved(keys, 1, mark("bill"))
    assert await reserved(keys, 0, mark("first reading"), mark("bill")) == ["run_1"]


async def test_what_is_near_counts_in_both_directions(keys: LossKeys) -> None:
    await reserved(keys, 0, day(10))
    assert await reserved(keys, 1, day(12)) == ["run_0"]
    assert await reserved(keys, 2, day(8)) == ["run_0"]
    assert await reserved(keys, 3, day(14)) == ["run_1"]
    assert await reserved(keys, 4, day(20)) == []


@pytest.mark.parametrize("state", ["settled", "denied", "closed", "failed", "stopped", "waiting_requester"])
async def test_whatever_became_of_the_first_it_is_named(keys: LossKeys, database: Database, state: str) -> None:
    await reserved(keys, 0, mark("bill"))
    async with database.transaction() as session:
        (await session.get_one(Run, "run_0")).state = state
    (found,) = await keys.reserve("run_1", "p", [mark("bill")])
    assert found.state == state


async def test_another_playbook_is_another_business(keys: LossKeys) -> None:
    await reserved(keys, 0, mark("bill"))
    assert await keys.reserve("run_1", "q", [mark("bill")]) == []


async def test_a_second_run_of_the_same_task_is_not_another_task(keys: LossKeys, database: Database) -> None:
    await reserved(keys, 0, mark("bill"))
    async with database.transaction() as session:
        (await session.get_one(Run, "run_1")).task_id = "task_0"
    assert await reserved(keys, 1, mark("bill")) == []


async def test_no_mark_stands_in_the_table_nor_its_plain_digest(keys: LossKeys, database: Database) -> None:
    await reserved(keys, 0, mark("CAR-2214-KL"))
    async with database.read() as session:
        stored = " ".join(row[0] for row in await session.execute(text("SELECT t::text FROM loss_keys t")))
        plain = await session.scalar(text("SELECT encode(sha256('CAR-2214-KL'), 'hex')"))
    assert "2214" not in stored
    assert str(plain) not in stored
    other = LossKeys(database, b"x" * 32)
    assert await reserved(other, 1, mark("CAR-2214-KL")) == []


async def test_runs_that_reserve_at_the_same_moment_leave_one_alone(keys: LossKeys, workers: list[LossKeys]) -> None:
    for _ in range(25):
        told = await asyncio.gather(*(reserved(worker, run, mark("bill")) for run, worker in enumerate(workers)))
        assert [len(others) for others in told].count(0) == 1
        assert sorted(map(len, told)) == list(range(RUNS))
        await forget_loss_keys(keys._database)


async def test_days_that_are_near_race_too(keys: LossKeys, workers: list[LossKeys]) -> None:
    for _ in range(25):
        told = await asyncio.gather(*(reserved(worker, run, day(run)) for run, worker in enumerate(workers)))
        alone = [run for run, others in enumerate(told) if not others]
        assert all(later - earlier > 2 for earlier, later in combinations(alone, 2)), alone
        await forget_loss_keys(keys._database)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rounds=st.lists(
        st.lists(st.tuples(st.integers(0, RUNS - 1), st.sets(st.integers(0, 9), max_size=3)), min_size=1, max_size=4),
        min_size=1,
        max_size=4,
    )
)
async def test_no_two_that_went_alone_have_anything_in_common(
    keys: LossKeys, workers: list[LossKeys], rounds: list[list[tuple[int, Iterable[int]]]]
) -> None:
    """Rounds of reservations, those of a round at the same moment; a run that was told of none goes, for good."""
    await forget_loss_keys(keys._database)
    known: dict[int, set[int]] = {}
    gone: set[int] = set()
    for reservations in rounds:
        together = {run: days for run, days in reservations if run not in gone}
        told = await asyncio.gather(
            *(reserved(workers[run], run, *(day(number) for number in days)) for run, days in together.items())
        )
        for (run, days), others in zip(together.items(), told, strict=True):
            known.setdefault(run, set()).update(days)
            if not others and days:
                gone.add(run)
    for one, other in combinations(gone, 2):
        # What a run was known by in an earlier round counts for it too.
        assert not any(abs(a - b) <= 2 for a in known[one] for b in known[other]), (one, other)


async def test_what_was_found_once_is_found_for_good(keys: LossKeys) -> None:
    await reserved(keys, 0, mark("bill"))
    assert await reserved(keys, 1, mark("bill")) == ["run_0"]
    assert await reserved(keys, 1, mark("told otherwise the second time")) == ["run_0"]
    assert await reserved(keys, 1) == ["run_0"]


async def test_the_first_is_shown_who_came_after_it(keys: LossKeys, database: Database) -> None:
    for run in range(3):
        await reserved(keys, run, mark("bill"))
    others = await other_losses(database, "run_1")
    assert [(other.run_id, other.came_before) for other in others] == [("run_0", True), ("run_2", False)]
    assert await other_losses(database, "run_5") == []


async def test_forgetting_forgets_all(keys: LossKeys, database: Database) -> None:
    await reserved(keys, 0, mark("bill"))
    await forget_loss_keys(database)
    async with database.read() as session:
        assert (await session.scalars(select(LossKeyRecord))).all() == []
        assert (await session.scalars(select(LossMatch))).all() == []
