"""How often something may be tried."""

import time
from collections import defaultdict, deque
from collections.abc import Callable

from overseen.errors import Refused


class TooManyAttempts(Refused):
    """Someone tries something too often; waiting helps."""

    code = "too_many_attempts"
    retryable = True


class AttemptLimit:
    """At most `attempts` within `seconds` a key (an address, an account name).

    Kept in memory: a restart forgives, and several web processes count apart. Passwords are slow to check besides.
    """

    def __init__(
        self,
        *,
        attempts: int,
        seconds: float,
        too_many: str = "Too many tries to sign in.",
        not_done: str = "You are not signed in.",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._too_many = too_many
        self._not_done = not_done
        self._attempts = attempts
        self._seconds = seconds
        self._clock = clock
        self._tries: defaultdict[str, deque[float]] = defaultdict(deque)

    def count(self, key: str) -> None:
        """Note one try. Raises TooManyAttempts."""
        moment = self._clock()
        tries = self._tries[key]
        while tries and tries[0] <= moment - self._seconds:
            tries.popleft()
        if len(tries) >= self._attempts:
            wait = int(tries[0] + self._seconds - moment) + 1
            raise TooManyAttempts(self._too_many, not_done=self._not_done, next_step=f"Wait {wait} seconds.")
        tries.append(moment)
        if len(self._tries) > 10_000:
            self._forget_old(moment)

    def clear(self, key: str) -> None:
        """Forget the tries of `key`, after one that was right."""
        self._tries.pop(key, None)

    def _forget_old(self, moment: float) -> None:
        for key in [key for key, tries in self._tries.items() if not tries or tries[-1] <= moment - self._seconds]:
            del self._tries[key]
