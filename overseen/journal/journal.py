"""Append to the journal, read it, follow it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import and_, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.errors import Conflict, Defect, Unavailable
from overseen.journal.announcements import CHANNEL, Announcements
from overseen.journal.chain import GENESIS, Entry, entry_hash
from overseen.journal.events import ChainClosed, Event
from overseen.store.database import Database
from overseen.store.tables import JournalHead, JournalRow, now

SYSTEM = "system"
"""The stream of what belongs to no run: sign-ins, closed chains, kill switches, findings of the reconciler."""

_PATIENCE_SECONDS = 5.0
"""How long a follower trusts announcements before it looks by itself."""
_RETRY_SECONDS = 0.5

_LOCK_HEAD = "SELECT sequence, head_hash, closed FROM journal_heads WHERE stream = %(stream)s FOR UPDATE"
_MAKE_HEAD = (
    "INSERT INTO journal_heads (stream, sequence, head_hash, closed) VALUES "
    "(%(stream)s, %(sequence)s, %(head_hash)s, false) ON CONFLICT DO NOTHING"
)
# Delivered to followers when the transaction commits, never before.
_APPEND = """
WITH entry AS (
    INSERT INTO journal (stream, sequence, at, kind, actor, payload, previous_hash, hash)
    VALUES (%(stream)s::varchar, %(sequence)s::bigint, %(at)s, %(kind)s, %(actor)s, %(payload)s, %(previous_hash)s,
            %(hash)s::varchar)
), moved AS (
    UPDATE journal_heads SET sequence = %(sequence)s::bigint, head_hash = %(hash)s::varchar
    WHERE stream = %(stream)s::varchar
)
SELECT pg_notify(%(channel)s, %(stream)s::varchar)
"""


def entry_of(row: Any) -> Entry:
    """An entry from its row."""
    return Entry(
        stream=row.stream,
        sequence=row.sequence,
        entry_id=row.entry_id,
        at=row.at.astimezone(UTC),
        kind=row.kind,
        actor=row.actor,
        payload=row.payload,
        previous_hash=row.previous_hash,
        hash=row.hash,
        once_key=row.once_key,
    )


class Appending:
    """A chain that is locked by a transaction in which an entry is about to be added; see `Journal.begin_append`."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], stream: str, head: psycopg.AsyncCursor[Any]) -> None:
        self._connection = connection
        self._stream = stream
        self._head = head
        self._last: tuple[int, str] | None = None

    async def append(self, event: Event, *, actor: str) -> None:
        """Add one entry, there when the caller's transaction commits. Raises Conflict when the chain is closed."""
        sequence, previous_hash = self._last or await self._read_head()
        at, payload = now(), event.payload()
        sequence += 1
        entry: dict[str, Any] = {
            "stream": self._stream,
            "sequence": sequence,
            "at": at,
            "kind": event.kind,
            "actor": actor,
            "payload": payload,
            "previous_hash": previous_hash,
        }
        new_hash = entry_hash(**entry)
        values = {**entry, "payload": Jsonb(payload), "hash": new_hash, "channel": CHANNEL}
        await self._connection.execute(_APPEND, values)
        self._last = (sequence, new_hash)

    async def _read_head(self) -> tuple[int, str]:
        row = await self._head.fetchone()
        if row is None:
            await self._connection.execute(_MAKE_HEAD, {"stream": self._stream, "sequence": 0, "head_hash": GENESIS})
            row = await (await self._connection.execute(_LOCK_HEAD, {"stream": self._stream})).fetchone()
        if row is None:
            raise Defect(f"The journal of {self._stream} has no head.", not_done="Nothing was recorded.")
        sequence, head_hash, closed = row
        if closed:
            raise Conflict(f"The journal of {self._stream} is closed.", not_done="An entry was not recorded.")
        return sequence, head_hash


class Journal:
    """The append-only, hash-chained record.

    One chain a stream. Streams are run ids (closed when the run ends), task ids (the chat, which goes on) and `system`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._announcements = Announcements(database)

    async def append(
        self, event: Event, *, stream: str, actor: str, session: AsyncSession | None = None, once: str | None = None
    ) -> Entry:
        """Add one entry, in the caller's transaction if a session is given, else in its own.

        `actor` says who: worker:<id>, agent:<name>, account:<id>, service:<name>. With `once`, an entry that this
        stream already has under that key is returned instead: work tried again after a crash is told once.
        Raises Conflict when the stream's chain is closed.
        """
        if session is not None:
            return await self._append(session, event, stream, actor, once)
        async with self._database.transaction() as own:
            return await self._append(own, event, stream, actor, once)

    async def append_all(
        self, events: Sequence[Event], *, stream: str, actor: str, session: AsyncSession | None = None
    ) -> None:
        """Add several entries in order, all or none."""
        if session is None:
            async with self._database.transaction() as own:
                await self.append_all(events, stream=stream, actor=actor, session=own)
            return
        for event in events:
            await self._append(session, event, stream, actor)

    async def _append(
        self, session: AsyncSession, event: Event, stream: str, actor: str, once: str | None = None
    ) -> Entry:
        await session.execute(
            insert(JournalHead).values(stream=stream, sequence=0, head_hash=GENESIS).on_conflict_do_nothing()
        )
        head = (
            await session.execute(
                select(JournalHead.sequence, JournalHead.head_hash, JournalHead.closed)
                .where(JournalHead.stream == stream)
                .with_for_update()
            )
        ).one()
        if once is not None:
            known = await session.scalar(
                select(JournalRow).where(JournalRow.stream == stream, JournalRow.once_key == once)
            )
            if known is not None:
                return entry_of(known)
        if head.closed:
            raise Conflict(f"The journal of {stream} is closed.", not_done=f"{event.kind} was not recorded.")
        at, payload = now(), event.payload()
        sequence = head.sequence + 1
        row = JournalRow(
            stream=stream,
            sequence=sequence,
            at=at,
            kind=event.kind,
            actor=actor,
            payload=payload,
            previous_hash=head.head_hash,
            once_key=once,
            hash=entry_hash(
                stream=stream,
                sequence=sequence,
                at=at,
                kind=event.kind,
                actor=actor,
                payload=payload,
                previous_hash=head.head_hash,
            ),
        )
        session.add(row)
        await session.flush()
        await session.execute(
            update(JournalHead).where(JournalHead.stream == stream).values(sequence=sequence, head_hash=row.hash)
        )
        # Delivered to followers when the transaction commits, never before.
        await session.execute(text("SELECT pg_notify(:channel, :stream)"), {"channel": CHANNEL, "stream": stream})
        return entry_of(row)

    async def begin_append(self, connection: psycopg.AsyncConnection[Any], stream: str) -> "Appending":
        """Lock the stream's chain in the transaction of `connection`, for which `Database.pipeline` is made.

        Nothing is waited for: the lock travels with what else is executed before `Appending.append`.
        """
        head = await connection.execute(_LOCK_HEAD, {"stream": stream})
        return Appending(connection, stream, head)

    async def entries(self, stream: str, *, after: int = 0, limit: int | None = None) -> list[Entry]:
        """Entries of one stream with a sequence above `after`, oldest first."""
        query = select(JournalRow).where(JournalRow.stream == stream, JournalRow.sequence > after)
        query = query.order_by(JournalRow.sequence).limit(limit)
        async with self._database.read() as session:
            return [entry_of(row) for row in (await session.scalars(query)).all()]

    async def all_entries(self, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Entries of every stream with an entry id above `after`, in the order they were written."""
        query = select(JournalRow).where(JournalRow.entry_id > after).order_by(JournalRow.entry_id).limit(limit)
        async with self._database.read() as session:
            return [entry_of(row) for row in (await session.scalars(query)).all()]

    async def head(self, stream: str) -> JournalHead | None:
        """Where the stream's chain ends, None when nothing was ever written to it."""
        async with self._database.read() as session:
            return await session.get(JournalHead, stream)

    async def streams(self) -> list[str]:
        """All streams, by name."""
        async with self._database.read() as session:
            return list((await session.scalars(select(JournalHead.stream).order_by(JournalHead.stream))).all())

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[AsyncSession]:
        """A session that sees the database as it is now until the block ends, whatever is written meanwhile."""
        async with self._database.read() as session:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    async def follow(self, stream: str, *, after: int = 0) -> AsyncGenerator[Entry]:
        """Entries of one stream as they are written, starting above `after`; never ends by itself."""
        async with aclosing(self.follow_streams({stream: after})) as entries:
            async for entry in entries:
                yield entry

    async def follow_streams(self, after: Mapping[str, int]) -> AsyncGenerator[Entry]:
        """Entries of several streams as they are written. `after` maps each stream to the last sequence already seen.

        While the database is away it waits; nothing is left out, because every look starts from the last sequence seen.
        """
        seen = dict(after)
        async with self._announcements.of(seen) as grown:
            while True:
                grown.clear()
                try:
                    news = await self._above(seen)
                except Unavailable:
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                for entry in news:
                    seen[entry.stream] = entry.sequence
                    yield entry
                # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with the news.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PATIENCE_SECONDS):
                        await grown.wait()

    async def _above(self, seen: Mapping[str, int]) -> list[Entry]:
        grown = or_(*(and_(JournalRow.stream == stream, JournalRow.sequence > last) for stream, last in seen.items()))
        async with self._database.read() as session:
            rows = await session.scalars(select(JournalRow).where(grown).order_by(JournalRow.entry_id))
            return [entry_of(row) for row in rows.all()]

    async def close_chain(
        self, stream: str, *, signature: str | None, actor: str, session: AsyncSession, head_hash: str | None = None
    ) -> bool:
        """Seal a run's chain: nothing can be added, and its head is anchored in the stream `system`.

        With `head_hash`, what was signed: False, and nothing is done, when the chain has another end by now or is
        closed. Use `overseen.journal.seal_chain`, which signs.
        """
        head = (
            await session.execute(select(JournalHead).where(JournalHead.stream == stream).with_for_update())
        ).scalar_one()
        if head_hash is not None and (head.closed or head.head_hash != head_hash):
            return False
        head.closed = True
        head.signature = signature
        await self._append(
            session,
            ChainClosed(run_id=stream, sequence=head.sequence, head_hash=head.head_hash, signature=signature),
            SYSTEM,
            actor,
        )
        return True
