"""What each tool is granted against what it used: an unused grant, tables never touched, or a lease far longer than
needed are too much."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Select, func, select

from overseen.journal.events import DoorRequest
from overseen.secrets.lease import LeaseState
from overseen.store.database import Database
from overseen.store.tables import JournalRow, LeaseRecord, now

_LEASE_FLOOR_SECONDS = 10
_ROOM = 3.0
"""A lease should be this many times as long as the longest use, for slow days."""
_ENOUGH = 20
"""Below this many leases nothing is proposed."""


@dataclass(frozen=True, kw_only=True)
class Privilege:
    """One grant of one tool over the days looked at.

    `used` counts leases whose credential was taken out at all; `longest_seconds` is the longest a lease was held, and
    `granted_seconds` the longest one could have been. `tables` are those that were touched and `allowed` those that
    could have been, with what was or might be done to them; empty for grants that are no database's. `unexplained` says
    that some statements could not be looked into: then no other tables are proposed. `proposal` is empty when nothing
    should change.
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
    tables: Mapping[str, tuple[str, ...]]
    allowed: Mapping[str, tuple[str, ...]]
    unexplained: bool
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
        seen = (await session.execute(_doors(days))).all()
    tables: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    allowed: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    unexplained: set[tuple[str, str]] = set()
    for tool, grant, touched, might, unknown in seen:
        _add(tables[tool, grant], touched)
        _add(allowed[tool, grant], might)
        if unknown:
            unexplained.add((tool, grant))
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
            tables=_sorted(tables[row.tool, row.grants[0]]),
            allowed=_sorted(allowed[row.tool, row.grants[0]]),
            unexplained=(row.tool, row.grants[0]) in unexplained,
            proposal=propose(
                tool=row.tool,
                grant=row.grants[0],
                leases=row.leases,
                used=row.used,
                longest_seconds=float(row.longest),
                granted_seconds=float(row.granted),
                tables={} if (row.tool, row.grants[0]) in unexplained else _sorted(tables[row.tool, row.grants[0]]),
                allowed=_sorted(allowed[row.tool, row.grants[0]]),
            ),
        )
        for row in rows
    ]


def _doors(days: int) -> Select[str, Any, Any, Any, Any]:
    """Tool, grant, tables touched and allowed, statements unexplained, as doors told in `days`; each answer once."""
    detail, call_id, door = JournalRow.payload["detail"], JournalRow.payload["call_id"], JournalRow.payload["door"]
    return (
        select(LeaseRecord.tool, door.astext, detail["tables"], detail["allowed"], detail["unexplained"])
        .join(LeaseRecord, (LeaseRecord.call_id == call_id.astext) & (LeaseRecord.grants[1] == door.astext))
        .where(
            JournalRow.kind == DoorRequest.kind,
            JournalRow.at > now() - timedelta(days=days),
            detail["kind"].astext == "database",
        )
        .distinct()
    )


def _add(known: dict[str, set[str]], told: Mapping[str, Sequence[str]] | None) -> None:
    for name, operations in (told or {}).items():
        known[name] |= set(operations)


def _sorted(known: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(sorted(known[name])) for name in sorted(known)}


def propose(
    *,
    tool: str,
    grant: str,
    leases: int,
    used: int,
    longest_seconds: float,
    granted_seconds: float,
    tables: Mapping[str, Sequence[str]] = MappingProxyType({}),
    allowed: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """The narrower policy that would have done; empty when this one is about right or too little is known."""
    if leases < _ENOUGH:
        return ""
    if used == 0:
        return f"Take the grant {grant} away from {tool}: none of {leases} leases was used."
    proposals: list[str] = []
    needless = {
        name: left for name, rights in allowed.items() if (left := sorted(set(rights) - set(tables.get(name, ()))))
    }
    # A table that is not granted itself was reached through a view, whose use is not seen.
    if needless and tables and tables.keys() <= allowed.keys():
        enough = "; ".join(f"GRANT {', '.join(rights).upper()} ON {name}" for name, rights in tables.items())
        spare = ", ".join(f"{'/'.join(rights)} on {name}" for name, rights in needless.items())
        proposals.append(f"Give {tool} a grant of its own with {enough}; it never used {spare} of {grant}.")
    lasting = max(_LEASE_FLOOR_SECONDS, math.ceil(longest_seconds * _ROOM))
    if lasting < granted_seconds / 2:
        proposals.append(
            f"Let {grant} live {lasting} s for {tool} instead of {granted_seconds:.0f}: "
            f"it was never held longer than {longest_seconds:.1f} s."
        )
    return " ".join(proposals)
