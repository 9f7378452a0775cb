"""Bring Overseen's database up: our tables, the checkpoints' and the workflows'."""

import asyncio

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from overseen.blocking import run_blocking
from overseen.engine.workflow_library import DBOS
from overseen.settings import DatabaseSettings, load_settings
from overseen.store import migrate


async def prepare_database(settings: DatabaseSettings) -> None:
    """Run all migrations. Safe to run again, and by two processes at once (ours hold an advisory lock)."""
    await migrate(settings.sqlalchemy_url)
    async with AsyncPostgresSaver.from_conn_string(settings.dsn) as saver:
        await saver.setup()
    await run_blocking(DBOS.migrate, settings.dsn)


if __name__ == "__main__":
    asyncio.run(prepare_database(load_settings().database))


if __name__ == "__main__":
    asyncio.run(prepare_database(load_settings().database))
