"""What happened to a lease, as the events a security system counts: privileges were given, refused, taken away."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from overseen.api.reading.lease_views import LeaseView


class Happening(StrEnum):
    """What an exported event tells of."""

    GRANTED = "granted"
    DENIED = "denied"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class LeaseEvent:
    """One event of one lease. `proven` is whether its end is proven; None for what is no end."""

    happening: Happening
    at: datetime
    lease: LeaseView
    proven: bool | None = None

    @property
    def event_id(self) -> str:
        """The same whenever the same thing is exported again."""
        return f"{self.lease.lease_id}:{self.happening}"

    @property
    def sentence(self) -> str:
        """For people who read the event in another system."""
        lease = self.lease
        who = f"agent {lease.agent} for a call of {lease.tool}"
        if self.happening is Happening.GRANTED:
            return f"A credential was given to {who}"
        if self.happening is Happening.DENIED:
            return f"A credential was refused to {who}"
        if lease.state == "irrevocable":
            return f"The token of {who} was revoked; what it signed lives until it expires"
        return f"The credential of {who} " + ("was revoked and is proven gone" if self.proven else "is being revoked")


def lease_events(lease: LeaseView) -> tuple[LeaseEvent, ...]:
    """The events of one lease, oldest first; none while it is only asked for."""
    if lease.state == "refused":
        return (LeaseEvent(happening=Happening.DENIED, at=lease.asked_at, lease=lease),)
    found: list[LeaseEvent] = []
    if lease.issued_at is not None:
        found.append(LeaseEvent(happening=Happening.GRANTED, at=lease.issued_at, lease=lease))
    ended_at = lease.revoked_at or lease.proven_gone_at
    if ended_at is not None:
        proven = lease.proven_gone_at is not None
        found.append(LeaseEvent(happening=Happening.ENDED, at=ended_at, lease=lease, proven=proven))
    return tuple(found)
