"""How far the present call has come: where its time went, and whether the tool may already have done something."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from overseen.domain.calls import Effect
from overseen.tools.errors import EffectKnown


@dataclass
class Progress:
    """One call under way. `timings` are seconds by part; `tool_started` is set once the tool may have had an effect."""

    timings: dict[str, float] = field(default_factory=dict[str, float])
    tool_started: bool = False

    def rounded_timings(self) -> dict[str, float]:
        """Seconds by part so far, to the microsecond."""
        return {part: round(seconds, 6) for part, seconds in self.timings.items()}

    def effect_known(self, effect: Effect | None) -> EffectKnown:
        """What is certain about the effect of a call that ended now without a result."""
        return "no" if effect in (None, Effect.READ) or not self.tool_started else "unknown"


_present: ContextVar[Progress | None] = ContextVar("present_call", default=None)


@contextmanager
def new_progress() -> Generator[Progress]:
    """The progress of the call made inside the block, as every wrapper within it sees it."""
    progress = Progress()
    token = _present.set(progress)
    try:
        yield progress
    finally:
        _present.reset(token)


def present_progress() -> Progress:
    """The progress of the call under way; a fresh one that nobody reads when the gateway runs without a record."""
    return _present.get() or Progress()


@contextmanager
def timed(part: str) -> Generator[None]:
    """Add the seconds spent inside the block to `part` of the present call."""
    progress, began = present_progress(), time.perf_counter()
    try:
        yield
    finally:
        progress.timings[part] = progress.timings.get(part, 0.0) + time.perf_counter() - began
