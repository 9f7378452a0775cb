"""Sessions: one unit of work a block; inner code never commits."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from overseen.errors import Defect, Unavailable


class Database:
    """Overseen's own Postgres. `url` is postgresql+psycopg://..., see `DatabaseSettings.sqlalchemy_url`."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, pool_recycle=600
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises. Raises Unavailable when down."""
        async with self._guarded(), self._sessions.begin() as session:
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        """A session for reading; whatever it changes is rolled back."""
        async with self._guarded(), self._sessions() as session:
            yield session

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[AsyncConnection]:
        """A bare connection in autocommit, for LISTEN and advisory locks."""
        async with self._guarded(), self.engine.connect() as connection:
            yield await connection.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def pipeline(self) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
        """A connection of the driver in pipeline mode: what is executed in the block travels together, until an answer
        is fetched. Begin and commit yourself; what was begun is rolled back when the block raises.

        For the few places where every round trip counts.
        """
        async with self._guarded(), self.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            driver: psycopg.AsyncConnection[Any] | None = (await connection.get_raw_connection()).driver_connection
            if driver is None:
                raise Defect("The pool gave out a connection without a driver.", not_done="Nothing was stored.")
            try:
                async with driver.pipeline():
                    yield driver
            except BaseException:
                await driver.rollback()
                raise

    @asynccontextmanager
    async def _guarded(self) -> AsyncGenerator[None]:
        try:
            yield
        except (OperationalError, psycopg.OperationalError) as error:
            raise Unavailable(
                "The database does not answer.",
                not_done="Nothing was stored.",
                next_step="Try again in a moment; an operator can run `overseen status`.",
            ) from error

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()
