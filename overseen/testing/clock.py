"""A clock that tests move by hand."""

import asyncio
from datetime import UTC, datetime, timedelta


class FakeClock:
    """A Clock that stands still. Sleeping moves it on at once and lets other tasks run; `slept` keeps every wait."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The moment the clock stands at."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Seconds moved since the clock was made."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Move the clock on by `seconds` without waiting."""
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Move the clock on; ValueError when it would go back."""
        if seconds < 0:
            raise ValueError("A clock does not go back.")
        self._elapsed += seconds
