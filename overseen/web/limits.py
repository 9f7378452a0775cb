"""How often something may be tried, and how much of it may go on at once."""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager

from overseen.errors import Refused, Unavailable


class TooManyAttempts(Refused):
    """Someone tries something too often; waiting helps."""

    code = "too_many_attempts"
    retryable = True


class TooManyAtOnce(Unavailable):
    """Someone, or everyone together, has too much going on at the same time."""

    code = "too_many_at_once"


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
        advice: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._too_many = too_many
        self._not_done = not_done
        self._advice = advice
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
            advice = f"Wait {wait} seconds{self._advice}."
            raise TooManyAttempts(self._too_many, not_done=self._not_done, next_step=advice)
        tries.append(moment)
        if len(self._tries) > 10_000:
            self._forget_old(moment)

    def take_back(self, key: str) -> None:
        """Forget the newest try of `key`, one that turned out right. Those before it stay counted."""
        if tries := self._tries.get(key):
            tries.pop()

    def _forget_old(self, moment: float) -> None:
        for key in [key for key, tries in self._tries.items() if not tries or tries[-1] <= moment - self._seconds]:
            del self._tries[key]


class Slots:
    """At most `per_account` at once for one account and `total` for all; `what` names it, as in `open pages`."""

    def __init__(self, *, per_account: int, total: int, what: str) -> None:
        self._per_account = per_account
        self._total = total
        self._what = what
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, account_id: str) -> Generator[None]:
        """Hold one for the block. Raises TooManyAtOnce."""
        if self._taken[account_id] >= self._per_account:
            raise TooManyAtOnce(
                f"You have too many {self._what} at once.",
                not_done="Nothing was done.",
                next_step="End one of them, or wait until one has ended.",
            )
        if self._taken.total() >= self._total:
            raise TooManyAtOnce(
                f"There are too many {self._what} at once.", not_done="Nothing was done.", next_step="Try again later."
            )
        self._taken[account_id] += 1
        try:
            yield
        finally:
            self._taken[account_id] -= 1
            if not self._taken[account_id]:
                del self._taken[account_id]
