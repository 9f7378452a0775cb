"""Waiting in tests for what other tasks and processes bring about, however busy the machine is."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], object | Awaitable[object]], *, seconds: float = 20.0) -> None:
    """Come back when `holds` is true. Raises TimeoutError when it is not within `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            held = holds()
            if await held if inspect.isawaitable(held) else held:
                return
            await asyncio.sleep(0.02)
