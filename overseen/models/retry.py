"""The wrapper that tries again when a route is down, within a budget that keeps an outage from being multiplied."""

import dataclasses
import random

from overseen.clock import Clock
from overseen.errors import Unavailable
from overseen.models.schema_check import FailureRecorder
from overseen.models.types import ModelAnswer, ModelPort, ModelRequest

_ATTEMPTS = 4
_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 8.0


class RetryAllowance:
    """How many retries a process may make: `burst` at once, and one more for every `requests_per_retry` requests."""

    def __init__(self, *, burst: int = 10, requests_per_retry: int = 5) -> None:
        self._burst = float(burst)
        self._left = float(burst)
        self._gain = 1 / requests_per_retry

    def earn(self) -> None:
        """A request was made."""
        self._left = min(self._burst, self._left + self._gain)

    def take(self) -> bool:
        """Whether one more retry is allowed; counts it if so."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class RetryingModel:
    """Tries up to four times, one after the other, with growing and jittered waits, only after Unavailable.

    A try that failed is over before the next one begins: routes end it on the server, too.
    """

    def __init__(
        self, inner: ModelPort, failures: FailureRecorder, clock: Clock, allowance: RetryAllowance | None = None
    ) -> None:
        self._inner = inner
        self._failures = failures
        self._clock = clock
        self._allowance = allowance or RetryAllowance()

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """See ModelPort."""
        # Every try keeps the place of the first: whoever was pushed out by a failure does not go to the end.
        request = dataclasses.replace(request, asked_at=request.asked_at or self._clock.now())
        self._allowance.earn()
        for attempt in range(1, _ATTEMPTS):
            try:
                return await self._inner.complete(request)
            except Unavailable as error:
                if not self._allowance.take():
                    raise
                await self._failures.record_failure(request, error, attempt=attempt, will_retry=True)
                await self._clock.sleep(_delay(attempt))
        return await self._inner.complete(request)


def _delay(attempt: int) -> float:
    longest = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
