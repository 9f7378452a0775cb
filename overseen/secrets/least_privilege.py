"""What each tool is granted against what it used: an unused grant, or a lease far longer than needed, is too much."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from overseen.secrets.lease import LeaseState
from overseen.store.database import Database
from overseen.store.tables import LeaseRecord, now

_LEASE_FLOOR_SECONDS = 10
_ROOM = 3.0
"""A lease should be this many times as long as the longest use, for slow days."""
_ENOUGH = 20
"""Below this many leases nothing is proposed."""


@dataclass(frozen=True, kw_only=True)
class Privilege:
    """One grant of one tool over the days looked at.

    `used` counts leases whose credential was taken out at all; `longest_seconds` is the longest a lease was held, and
    `granted_seconds` the longest one could have been. `proposal` is empty when nothing should change.
    """

    tool: str
    grant: str
    policies: tuple[str, ...]
    paths: tuple[str, ...]
    leases: int
    used: int
    refused: int
    last_used_at: datetime | None
    longest_seconds: float
    granted_seconds: float
    proposal: str


async def least_privilege(database: Database, *, days: int = 30) -> list[Privilege]:
    """Every grant that was leased in the last `days`, by tool and grant."""
    held = func.extract("epoch", func.coalesce(LeaseRecord.revoked_at, LeaseRecord.expires_at) - LeaseRecord.issued_at)
    granted = func.extract("epoch", LeaseRecord.expires_at - LeaseRecord.issued_at)
    query = (
        select(
            LeaseRecord.tool,
            LeaseRecord.grants,
            func.count().label("leases"),
            func.count(LeaseRecord.used_at).label("used"),
            func.count().filter(LeaseRecord.state == LeaseState.REFUSED).label("refused"),
            func.max(LeaseRecord.used_at).label("last_used_at"),
            func.coalesce(func.max(held), 0).label("longest"),
            func.coalesce(func.max(granted), 0).label("granted"),
            func.array_agg(LeaseRecord.policies[1].distinct()).label("policies"),
            func.array_remove(func.array_agg(LeaseRecord.paths[1].distinct()), None).label("paths"),
        )
        .where(LeaseRecord.asked_at > now() - timedelta(days=days), func.cardinality(LeaseRecord.grants) > 0)
        .group_by(LeaseRecord.tool, LeaseRecord.grants)
        .order_by(LeaseRecord.tool, LeaseRecord.grants)
    )
    async with database.read() as session:
        rows = (await session.execute(query)).all()
    return [
        Privilege(
            tool=row.tool,
            grant=row.grants[0],
            policies=tuple(row.policies),
            paths=tuple(row.paths),
            leases=row.leases,
            used=row.used,
            refused=row.refused,
            last_used_at=row.last_used_at,
            longest_seconds=round(float(row.longest), 3),
            granted_seconds=round(float(row.granted), 3),
            proposal=propose(
                tool=row.tool,
                grant=row.grants[0],
                leases=row.leases,
                used=row.used,
                longest_seconds=float(row.longest),
                granted_seconds=float(row.granted),
            ),
        )
        for row in rows
    ]


def propose(*, tool: str, grant: str, leases: int, used: int, longest_seconds: float, granted_seconds: float) -> str:
    """The narrower policy that would have done; empty when this one is about right or too little is known."""
    if leases < _ENOUGH:
        return ""
    if used == 0:
        return f"Take the grant {grant} away from {tool}: none of {leases} leases was used."
    enough = max(_LEASE_FLOOR_SECONDS, math.ceil(longest_seconds * _ROOM))
    if enough < granted_seconds / 2:
        return (
            f"Let {grant} live {enough} s for {tool} instead of {granted_seconds:.0f}: "
            f"it was never held longer than {longest_seconds:.1f} s."
        )
    return ""
