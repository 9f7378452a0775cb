"""A circuit breaker: after enough failures in a row, fail at once for a while instead of waiting for time-outs."""

import time
from collections.abc import Callable


class CircuitBreaker:
    """Closed until `failures` in a row; then open for `rest_seconds`; then one probe at a time decides.

    Not thread safe: use it on the event loop only. `clock` gives seconds and never goes back.
    """

    def __init__(
        self, *, failures: int = 5, rest_seconds: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether requests are turned away at the moment."""
        return self._opened_at is not None and (self._probing or self._clock() - self._opened_at < self._rest_seconds)

    def admit(self) -> bool:
        """Whether a request may go out now. True after the rest makes it the probe: report how it went."""
        if self._opened_at is None:
            return True
        if self.is_open:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """The part answered, if only to say no."""
        self._failures = 0
        self._opened_at = None
        self._probing = False

    def failed(self) -> None:
        """The part did not answer."""
        self._failures += 1
        self._probing = False
        if self._failures >= self._limit:
            self._opened_at = self._clock()

    def abandoned(self) -> None:
        """The request was given up before anyone knew how it went."""
        self._probing = False
