"""Workers that have loaded their imports and wait for a job; each is used once and replaced in the background."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from overseen.errors import OverseenError
from overseen.tools.sandbox.port import SandboxProfile
from overseen.tools.sandbox.spawning import Ended
from overseen.tools.sandbox.worker import Worker


@dataclass(frozen=True, kw_only=True)
class WarmKind:
    """What makes two waiting workers interchangeable."""

    entry_module: str
    profile: SandboxProfile


class WarmPool:
    """Keeps up to `profile.prewarmed` workers of each kind waiting, `most` over all kinds; oldest kinds give way."""

    def __init__(
        self,
        start: Callable[[WarmKind], Awaitable[Worker]],
        end: Callable[[Worker], Awaitable[Ended]],
        *,
        most: int,
    ) -> None:
        self._start = start
        self._end = end
        self._most = most
        self._idle: dict[WarmKind, deque[Worker]] = {}
        self._filling: dict[WarmKind, asyncio.Task[None]] = {}
        self._dropping: set[asyncio.Future[Ended]] = set()
        self._closed = False

    def take(self, kind: WarmKind) -> Worker | None:
        """A waiting worker, or None when the caller must start one itself."""
        waiting = self._idle.get(kind)
        while waiting:
            worker = waiting.popleft()
            if worker.alive:
                # Kinds in use move to the end, where they are dropped last.
                self._idle[kind] = self._idle.pop(kind)
                return worker
            self._drop(worker)
        return None

    def refill(self, kind: WarmKind) -> None:
        """Bring the number of waiting workers back up, in the background."""
        if not self._closed and kind.profile.prewarmed > 0 and kind not in self._filling:
            task = asyncio.create_task(self._fill(kind))
            self._filling[kind] = task
            task.add_done_callback(lambda _: self._filling.pop(kind, None))

    async def prepare(self, kind: WarmKind) -> None:
        """Fill up now, and return when done."""
        self.refill(kind)
        filling = self._filling.get(kind)
        if filling is not None:
            await filling

    async def _fill(self, kind: WarmKind) -> None:
        waiting = self._idle.setdefault(kind, deque())
        while not self._closed and len(waiting) < min(kind.profile.prewarmed, self._most):
            try:
                worker = await self._start(kind)
            except OverseenError:
                # The job that needs it will start its own worker and report what is wrong.
                return
            if self._closed:
                await self._end(worker)
                return
            waiting.append(worker)
            self._make_room(kind)

    def _make_room(self, newest: WarmKind) -> None:
        while sum(map(len, self._idle.values())) > self._most:
            victim = next((kind for kind, waiting in self._idle.items() if waiting and kind != newest), newest)
            self._drop(self._idle[victim].popleft())

    def _drop(self, worker: Worker) -> None:
        task = asyncio.ensure_future(self._end(worker))
        self._dropping.add(task)
        task.add_done_callback(self._dropped)

    def _dropped(self, task: "asyncio.Future[Ended]") -> None:
        self._dropping.discard(task)
        # It was not in use: that its machinery died is reported by the calls that were.
        if not task.cancelled():
            task.exception()

    async def close(self) -> None:
        """End all waiting workers."""
        self._closed = True
        for task in list(self._filling.values()):
            await asyncio.wait([task])
        for waiting in self._idle.values():
            for worker in waiting:
                self._drop(worker)
        self._idle.clear()
        if self._dropping:
            await asyncio.wait(set(self._dropping))
