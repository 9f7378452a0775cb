"""How often passwords may be tried: guessing is slow for strangers, and nobody can lock anyone else out.

Every try counts until it turns out right; only that one is taken back, so an account of one's own buys nothing.
A browser that its person signed in with before has a count of its own: strangers who use up the others do not
touch it.
"""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from time import monotonic

from overseen.web.limits import AttemptLimit

_ADVICE = ", use a browser you signed in with before, or ask an operator for a sign-in link"
_WINDOW = 300.0
_NAME_WINDOW = 900.0


class SignInLimits:
    """At most 8 wrong tries in 5 minutes from one source at one name, 30 at any names; 60 in 15 minutes at one name
    from everywhere; 8 in 5 minutes from a browser that is known for that name, whatever others do."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._from_source = AttemptLimit(attempts=30, seconds=_WINDOW, advice=_ADVICE, clock=clock)
        self._at_name = AttemptLimit(attempts=60, seconds=_NAME_WINDOW, advice=_ADVICE, clock=clock)
        self._pair = AttemptLimit(attempts=8, seconds=_WINDOW, advice=_ADVICE, clock=clock)
        self._known = AttemptLimit(attempts=8, seconds=_WINDOW, clock=clock)

    def begin(self, *, address: str, name: str, known_device: str | None) -> Callable[[], None]:
        """Count one try; call what is returned when it was right. Raises TooManyAttempts before anything is checked.

        `known_device` is the token of a browser that signed in as `name` before, None for any other.
        """
        source = _source(address)
        counts = (
            [(self._known, f"{name}\n{known_device}")]
            if known_device is not None
            else [(self._pair, f"{source}\n{name}"), (self._from_source, source), (self._at_name, name)]
        )
        for limit, key in counts:
            limit.count(key)

        def was_right() -> None:
            for limit, key in counts:
                limit.take_back(key)

        return was_right


def _source(address: str) -> str:
    """Who shares a count: an address, or for IPv6 the network of 64 bits that one customer is given."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else f"{int(parsed) >> 64:x}"
