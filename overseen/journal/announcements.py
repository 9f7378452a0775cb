"""Hears which streams of the journal have grown, and wakes those who follow them.

One connection a process, however many pages are open: a connection for each would use up what PostgreSQL allows long
before anything else was busy.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import psycopg

from overseen.store.database import Database

CHANNEL = "overseen_journal"
"""Where a transaction that adds an entry announces the entry's stream when it commits."""

_RECONNECT_SECONDS = 0.5


class Announcements:
    """What is announced on CHANNEL. Connected while somebody follows; a lost connection is made anew."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followers: dict[asyncio.Event, frozenset[str]] = {}
        self._hearing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def of(self, streams: Iterable[str]) -> AsyncGenerator[asyncio.Event]:
        """An event that is set whenever one of `streams` may have grown; the follower clears it before it looks."""
        grown = asyncio.Event()
        self._followers[grown] = frozenset(streams)
        if self._hearing is None:
            self._hearing = asyncio.create_task(self._hear())
        try:
            yield grown
        finally:
            del self._followers[grown]
            await self._hear_no_more_if_alone()

    async def _hear_no_more_if_alone(self) -> None:
        hearing = self._hearing
        if hearing is not None and not self._followers:
            self._hearing = None
            hearing.cancel()
            await asyncio.wait([hearing])

    async def _hear(self) -> None:
        while True:
            try:
                await self._hear_once()
            except psycopg.Error:
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _hear_once(self) -> None:
        url = self._database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            # What was announced before this moment was heard by nobody.
            for grown in self._followers:
                grown.set()
            async for notification in connection.notifies():
                for grown, streams in self._followers.items():
                    if notification.payload in streams:
                        grown.set()
