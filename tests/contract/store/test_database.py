"""Transactions and pipelines on a real PostgreSQL."""

import traceback
from contextlib import AsyncExitStack

import psycopg
import pytest
from sqlalchemy import func, select, text

from overseen.errors import Unavailable
from overseen.store import Database
from overseen.store.tables import WorkerRecord

INSERT = (
    "INSERT INTO workers (worker_id, region, process, started_at, seen_at) VALUES (%s, 'local', '{}', now(), now())"
)


async def count(database: Database) -> int:
    async with database.read() as session:
        return (await session.execute(select(func.count()).select_from(WorkerRecord))).scalar_one()


async def test_what_a_pipeline_committed_is_there(database: Database) -> None:
    async with database.pipeline() as connection:
        await connection.execute("BEGIN")
        for name in ("a", "b"):
            await connection.execute(INSERT, (name,))
        await connection.execute("COMMIT")
    assert await count(database) == 2


async def test_what_was_begun_is_rolled_back_when_the_block_raises(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.pipeline() as connection:
            await connection.execute("BEGIN")
            await connection.execute(INSERT, ("a",))
            raise ZeroDivisionError
    assert await count(database) == 0


async def test_an_error_of_the_database_comes_out_of_the_block_and_the_connection_is_good_again(
    database: Database,
) -> None:
    for _ in range(3):
        with pytest.raises(psycopg.errors.UniqueViolation):
            async with database.pipeline() as connection:
                await connection.execute("BEGIN")
                await connection.execute(INSERT, ("a",))
                await connection.execute(INSERT, ("a",))
                await connection.execute("COMMIT")
    assert await count(database) == 0


async def test_a_connection_that_breaks_is_said_to_be_unavailable(database: Database) -> None:
    with pytest.raises(Unavailable):
        async with database.pipeline() as connection:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await count(database) == 0


async def test_connections_that_broke_while_they_rested_are_made_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overseen.store.database._RESTED_SECONDS", 0.0)
    async with database.read() as one, database.read() as another:
        for session in (one, another):
            await session.execute(select(1))
    async with database.connection() as connection:
        others = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
        assert len((await connection.execute(text(others))).all()) == 1
    assert [await count(database) for _ in range(3)] == [0, 0, 0]


async def test_when_every_connection_is_in_use_it_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.engine.pool, "_timeout", 0.1)
    with pytest.raises(Unavailable, match="busy"):
        async with AsyncExitStack() as held:
            for _ in range(40):
                await (await held.enter_async_context(database.read())).execute(text("SELECT 1"))
    assert await count(database) == 0


SECRET = "Jane Miller, 14 Elm Street"


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("INSERT INTO workers (worker_id, region, process) VALUES (:text, :text, :text)", {"text": SECRET}),
        ("SELECT CAST(:text AS integer)", {"text": SECRET}),
        (
            "INSERT INTO service_reports (name, worker_id, at, ok, detail) VALUES (:text, :text, now(), true, '{}')",
            {"text": SECRET},
        ),
    ],
    ids=["not JSON", "not a number", "twice"],
)
async def test_an_error_of_the_database_quotes_nothing_that_was_sent(
    database: Database, statement: str, values: dict[str, str]
) -> None:
    with pytest.raises(Exception, match="SQLSTATE") as caught:
        async with database.transaction() as session:
            for _ in range(2):
                await session.execute(text(statement), values)
    assert "Elm Street" not in "".join(traceback.format_exception(caught.value))


async def test_nor_does_one_that_comes_past_the_engine(database: Database) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation, match="SQLSTATE 23505 workers_pkey") as caught:
        async with database.pipeline() as connection:
            await connection.execute("BEGIN")
            for _ in range(2):
                await connection.execute(INSERT, (SECRET,))
            await connection.execute("COMMIT")
    assert "Elm Street" not in "".join(traceback.format_exception(caught.value))
