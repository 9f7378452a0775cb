"""A cap on concurrent work in which the more urgent goes first."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import IntEnum


class Urgency(IntEnum):
    """Who goes first when all slots are taken: ending credentials always comes before making new ones."""

    REVOKE = 0
    ISSUE = 1


class Slots:
    """At most `capacity` blocks at once; those waiting enter by urgency, then in the order they came."""

    def __init__(self, capacity: int) -> None:
        self._free = capacity
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def slot(self, urgency: Urgency) -> AsyncGenerator[None]:
        """Hold one slot for the length of the block."""
        await self._take(urgency)
        try:
            yield
        finally:
            self._give_back()

    async def _take(self, urgency: Urgency) -> None:
        if self._free > 0:
            self._free -= 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (int(urgency), next(self._order), mine))
        try:
            await mine
        except asyncio.CancelledError:
            # The slot may have been handed over in the same turn of the loop as the cancellation.
            if mine.done() and not mine.cancelled():
                self._give_back()
            raise

    def _give_back(self) -> None:
        while self._waiting:
            _, _, next_in_line = heapq.heappop(self._waiting)
            if not next_in_line.done():
                next_in_line.set_result(None)
                return
        self._free += 1
