"""Server-sent events: what a page shows, sent anew when the journal says that something happened."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing

from fastapi.sse import ServerSentEvent

from overseen.errors import Forbidden, NotFound
from overseen.journal import Journal
from overseen.web.session import SignInNeeded

_GATHER_SECONDS = 0.15
"""Entries that come this close together are shown with one message."""

_STREAM_SECONDS = 1800.0
"""Then a stream ends and the browser connects anew, so that none outlives the person who looked."""

_MAX_DIGITS = 18

PROGRESS_SECONDS = 1.0
"""How often a page looks how far an answer has come."""

_NO_LONGER_ALLOWED = (SignInNeeded, Forbidden, NotFound)

Render = Callable[[], Awaitable[str]]
"""What is to be shown now. Asks anew who is looking (`ViewerNowHere`): when that person may not see it any more, the
stream ends, and the browser learns the reason when it connects again."""


def position(cursor: Mapping[str, int]) -> str:
    """Where a page stands in its streams, as an event id: `run_x:12,task_y:3`."""
    return ",".join(f"{stream}:{sequence}" for stream, sequence in sorted(cursor.items()))


def parse_position(text: str, streams: Mapping[str, int]) -> dict[str, int]:
    """The cursor that `text` names; streams it does not name, or names wrongly, start as in `streams`."""
    cursor = dict(streams)
    for part in text.split(","):
        stream, _, sequence = part.rpartition(":")
        if stream in cursor and sequence.isascii() and sequence.isdecimal() and len(sequence) <= _MAX_DIGITS:
            cursor[stream] = int(sequence)
    return cursor


async def live_page(
    journal: Journal, cursor: Mapping[str, int], render: Render, *, until_seconds: float = _STREAM_SECONDS
) -> AsyncGenerator[ServerSentEvent]:
    """One message whenever any stream grew beyond `cursor`: what `render` returns then, its id the new position.

    A browser that lost the connection sends the last id back, so it misses nothing and is sent nothing twice.
    Ends after `until_seconds`.
    """
    ends = time.monotonic() + until_seconds
    seen = dict(cursor)
    grown = asyncio.Event()

    async def watch() -> None:
        async with aclosing(journal.follow_streams(cursor)) as entries:
            async for entry in entries:
                seen[entry.stream] = entry.sequence
                grown.set()

    watcher = asyncio.create_task(watch())
    try:
        while True:
            if not await _first_done(grown, watcher, ends - time.monotonic()):
                return
            await asyncio.sleep(_GATHER_SECONDS)
            grown.clear()
            at = position(seen)
            try:
                drawn = await render()
            except _NO_LONGER_ALLOWED:
                return
            yield ServerSentEvent(raw_data=drawn, id=at)
    finally:
        watcher.cancel()
        await asyncio.wait([watcher])


async def live_numbers(
    render: Render, *, seconds: float = 2.0, until_seconds: float = _STREAM_SECONDS
) -> AsyncGenerator[ServerSentEvent]:
    """What `render` returns, looked at every `seconds` and sent when it changed: for numbers over many streams.

    Ends after `until_seconds`.
    """
    shown = ""
    ends = time.monotonic() + until_seconds
    while time.monotonic() < ends:
        try:
            drawn = await render()
        except _NO_LONGER_ALLOWED:
            return
        if drawn != shown:
            shown = drawn
            yield ServerSentEvent(raw_data=drawn)
        await asyncio.sleep(seconds)


async def _first_done(grown: asyncio.Event, watcher: asyncio.Task[None], seconds: float) -> bool:
    """Wait for news, False when none came; the error of a watcher that ended is raised here rather than lost."""
    waiting = asyncio.create_task(grown.wait())
    try:
        done, _ = await asyncio.wait([waiting, watcher], timeout=max(0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if watcher.done():
        watcher.result()
    return bool(done)
