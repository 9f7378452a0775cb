"""Sessions: one unit of work a block; inner code never commits."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from overseen.errors import Defect, Unavailable

_RESTED_SECONDS = 1.0
"""A connection that was used less long ago is taken for alive. One that broke meanwhile costs an Unavailable, as it
would have a moment earlier: a server takes about as long to come back."""


class Database:
    """Overseen's own Postgres. `url` is postgresql+psycopg://..., see `DatabaseSettings.sqlalchemy_url`."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_recycle=600,
            # What is stored is content; the text of an error ends up in a log.
            hide_parameters=True,
        )
        _keep_values_out_of_errors(self.engine)
        _ping_the_rested(self.engine)
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
        """A bare connection in autocommit, for advisory locks."""
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
                if driver.closed:
                    await connection.invalidate()
                else:
                    await driver.rollback()
                raise

    @asynccontextmanager
    async def _guarded(self) -> AsyncGenerator[None]:
        try:
            yield
        except psycopg.Error as error:
            # From the driver itself, past the engine: see `pipeline`.
            mask_error(error)
            if isinstance(error, psycopg.OperationalError):
                raise _silent() from error
            raise
        except PoolTimeout as error:
            raise Unavailable(
                "The database is busy: every connection of this process is in use.",
                not_done="Nothing was stored.",
                next_step="Try again in a moment; an operator can raise `database: pool_size:` in settings.yaml.",
            ) from error
        except OperationalError as error:
            raise _silent() from error

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


def mask_error(error: BaseException) -> None:
    """Leave of an error of the driver what it is and where: Postgres quotes the values it complains of."""
    if not isinstance(error, psycopg.Error):
        return
    place = (error.diag.constraint_name, error.diag.table_name, error.diag.column_name)
    if error.sqlstate is not None:
        error.args = (" ".join([f"SQLSTATE {error.sqlstate}", *(name for name in place if name)]),)


def _silent() -> Unavailable:
    return Unavailable(
        "The database does not answer.",
        not_done="Nothing was stored.",
        next_step="Try again in a moment; an operator can run `overseen status`.",
    )


def _keep_values_out_of_errors(engine: AsyncEngine) -> None:
    def mask(context: ExceptionContext) -> None:
        error, wrapped = context.original_exception, context.sqlalchemy_exception
        mask_error(error)
        if wrapped is not None and isinstance(error, psycopg.Error) and error.sqlstate is not None:
            wrapped.args = (f"({type(error).__name__}) {error}",)

    event.listen(engine.sync_engine, "handle_error", mask)


def _ping_the_rested(engine: AsyncEngine) -> None:
    """Like `pool_pre_ping`, which costs a round trip each time, only where a connection has rested for a while."""
    dialect = engine.dialect

    def rests(_: Any, record: ConnectionPoolEntry) -> None:
        record.info["rests_since"] = time.monotonic()

    def is_taken(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
        since = record.info.get("rests_since")
        if since is None or time.monotonic() - since < _RESTED_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error  # the pool makes new connections and takes one of those

    event.listen(engine.sync_engine, "checkin", rests)
    event.listen(engine.sync_engine, "checkout", is_taken)
