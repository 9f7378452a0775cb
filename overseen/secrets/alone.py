"""Work that one process of the house does at a time."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import text

from overseen.store.database import Database


@asynccontextmanager
async def alone(database: Database, key: int) -> AsyncGenerator[bool]:
    """True inside the block while no other process holds the advisory lock `key`, else False. Does not wait.

    The database drops the lock when this process or its connection dies. Raises Unavailable when the database is down.
    """
    async with database.connection() as connection:
        mine = (await connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key})).scalar_one()
        try:
            yield bool(mine)
        finally:
            if mine:
                await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
