"""The circuit breaker gives a part that fails some rest, and tries it carefully after."""

from overseen.secrets.breaker import CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def opened(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker(failures=3, rest_seconds=5.0, clock=clock)
    for _ in range(3):
        assert breaker.admit()
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    assert not opened(Clock()).admit()


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = CircuitBreaker(failures=2, clock=Clock())
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    assert breaker.admit()


def test_after_its_rest_one_probe_goes_out() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.seconds = 5.0
    assert breaker.admit()
    assert not breaker.admit()


def test_a_probe_that_succeeds_closes_it() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.seconds = 5.0
    breaker.admit()
    breaker.succeeded()
    assert breaker.admit()
    assert breaker.admit()


def test_a_probe_that_fails_opens_it_for_another_rest() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.seconds = 5.0
    breaker.admit()
    breaker.failed()
    clock.seconds = 9.0
    assert not breaker.admit()
    clock.seconds = 10.0
    assert breaker.admit()


def test_a_probe_that_was_abandoned_makes_way_for_the_next() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.seconds = 5.0
    breaker.admit()
    breaker.abandoned()
    assert breaker.admit()
