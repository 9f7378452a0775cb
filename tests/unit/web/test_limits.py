"""How often something may be tried."""

import pytest

from overseen.errors import Refused
from overseen.web.limits import AttemptLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_try_too_many_is_refused() -> None:
    limit = AttemptLimit(attempts=2, seconds=10, clock=Clock())
    limit.count("rosa")
    limit.count("rosa")
    with pytest.raises(Refused, match="Wait 11 seconds"):
        limit.count("rosa")


def test_others_are_not_held_up() -> None:
    limit = AttemptLimit(attempts=1, seconds=10, clock=Clock())
    limit.count("rosa")
    limit.count("rene")


def test_old_tries_are_forgotten() -> None:
    clock = Clock()
    limit = AttemptLimit(attempts=1, seconds=10, clock=clock)
    limit.count("rosa")
    clock.now = 10.5
    limit.count("rosa")
