"""How long a route waits: for the first token, and then from token to token. Never for the answer as a whole."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class IdleLimits:
    """When a call counts as hanging.

    `first_token_seconds` leaves time for the server's own queue and for reading a long prompt on a busy machine;
    `idle_seconds` is the longest silence after that. While something comes, a call is never cut.
    """

    first_token_seconds: float = 600.0
    idle_seconds: float = 120.0


class Patience:
    """The deadline of one call; every sign of life moves it."""

    def __init__(self, limits: IdleLimits) -> None:
        self._limits = limits
        self._answering = False
        self._deadline = asyncio.get_running_loop().time() + limits.first_token_seconds

    def heard(self, *, answering: bool) -> None:
        """Something came; `answering` once the answer itself has begun."""
        self._answering |= answering
        limit = self._limits.idle_seconds if self._answering else self._limits.first_token_seconds
        self._deadline = asyncio.get_running_loop().time() + limit

    def limit(self) -> asyncio.Timeout:
        """A block that raises TimeoutError at the deadline."""
        return asyncio.timeout_at(self._deadline)

    @property
    def words(self) -> str:
        """What happened when the deadline passed."""
        if self._answering:
            return f"fell silent in the middle of its answer for {self._limits.idle_seconds:g} s"
        return f"did not begin to answer within {self._limits.first_token_seconds:g} s"
