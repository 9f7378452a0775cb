"""Which workers live: a worker holds an advisory lock on its own id, which the database drops the moment it dies."""

import os
import socket
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import psycopg
from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert

from overseen.domain.identifiers import new_id
from overseen.errors import Conflict
from overseen.store import Database
from overseen.store.tables import WorkerRecord

_LOCK_CLASS = 7201
"""First half of the two-part advisory lock; the second is the hash of the worker's id."""


def new_worker_id() -> str:
    """An id no other worker ever had: two live workers under one id would run the same work twice."""
    return new_id("worker")


class WorkerLiveness:
    """Says whether a worker lives."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_alive(self, worker_id: str) -> bool:
        """Whether some process holds the lock of `worker_id` right now."""
        return worker_id not in await self.dead({worker_id})

    async def dead(self, worker_ids: Collection[str]) -> set[str]:
        """Those of `worker_ids` whose lock nobody holds."""
        query = text(
            "SELECT wanted FROM unnest(CAST(:ids AS text[])) AS wanted WHERE NOT EXISTS ("
            "  SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = :class"
            "  AND objid = (hashtext(wanted)::bigint & 4294967295)::oid)"
        )
        async with self._database.read() as session:
            rows = await session.scalars(query, {"ids": list(worker_ids), "class": _LOCK_CLASS})
            return set(rows.all())


@asynccontextmanager
async def living_worker(database: Database, worker_id: str, region: str) -> AsyncGenerator[psycopg.AsyncConnection]:
    """Hold the lock of `worker_id` inside the block, and keep its row.

    Yields the connection that holds the lock: when it breaks, the lock is gone and the worker must end, because
    others may already be taking over its work.
    """
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, keepalives_idle=10)
    async with connection:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_LOCK_CLASS, worker_id))
        row = await cursor.fetchone()
        if row is None or not row[0]:
            raise Conflict(f"Another process lives under the id {worker_id}.", not_done="The worker did not start.")
        async with database.transaction() as session:
            process = {"pid": os.getpid(), "host": socket.gethostname()}
            await session.execute(
                insert(WorkerRecord)
                .values(worker_id=worker_id, region=region, process=process)
                .on_conflict_do_nothing()
            )
        yield connection
        async with database.transaction() as session:
            await session.execute(
                update(WorkerRecord).where(WorkerRecord.worker_id == worker_id).values(ended_at=datetime.now(UTC))
            )


async def known_workers(database: Database) -> list[WorkerRecord]:
    """All workers that ever lived, the newest first."""
    async with database.read() as session:
        return list((await session.scalars(select(WorkerRecord).order_by(WorkerRecord.started_at.desc()))).all())
