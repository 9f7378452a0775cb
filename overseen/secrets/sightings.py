"""What the reconciler remembers of Vault's records: in memory for one look, in the database to go on from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import ColumnElement, String, any_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import InstrumentedAttribute

from overseen.secrets.audit_log import AuditEntry, AuditPlace
from overseen.store.database import Database
from overseen.store.tables import AuditPosition, VaultSighting, WorkerRecord, now

MEMORY = timedelta(hours=24)
"""How long tokens are remembered after they were made, to tell a late use from a stranger's."""

_LATE_COMMITS = timedelta(seconds=60)
"""How long after its own time a row of the ledger may come to light."""

_READER = "reconciler"


def among(
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None], values: Collection[str]
) -> ColumnElement[bool]:
    """The condition that `column` is one of `values`, however many there are."""
    return column == any_(bindparam(None, sorted(values), type_=ARRAY(String)))


class Memory(Protocol):
    """What was seen so far."""

    async def add(self, entries: Sequence[AuditEntry], place: AuditPlace | None) -> None:
        """Remember the tokens and leases that these entries tell of, and that the file was read up to `place`."""
        ...

    async def accessors(self, token_hashes: Collection[str]) -> dict[str, str]:
        """The accessors of tokens that were seen being made, by Vault's hash of the token."""
        ...

    async def unseen(self, keys: Collection[str]) -> set[str]:
        """Those accessors and lease ids of which nothing was seen."""
        ...

    async def checked_from(self) -> datetime | None:
        """From when on the ledger is to be compared; None when nothing was seen yet."""
        ...

    async def checked(self, moment: datetime) -> None:
        """The ledger was compared up to `moment`. What is older than `MEMORY` may be forgotten."""
        ...


def _sightings(entries: Sequence[AuditEntry]) -> dict[str, tuple[str | None, datetime]]:
    """Token hash (of tokens) and time, by accessor or lease id."""
    seen: dict[str, tuple[str | None, datetime]] = {}
    for entry in entries:
        if entry.made_accessor is not None:
            seen[entry.made_accessor] = (entry.made_hash, entry.at)
        if entry.vault_lease is not None:
            seen[entry.vault_lease] = (None, entry.at)
    return seen


class MemoryOfOneLook:
    """Remembers in this process only."""

    def __init__(self) -> None:
        self._first_at: datetime | None = None
        self._at: dict[str, datetime] = {}
        self._accessor_of_hash: dict[str, str] = {}

    async def add(self, entries: Sequence[AuditEntry], place: AuditPlace | None) -> None:  # noqa: ARG002
        """See Memory."""
        if entries and self._first_at is None:
            self._first_at = entries[0].at
        for key, (token_hash, at) in _sightings(entries).items():
            self._at[key] = at
            if token_hash is not None:
                self._accessor_of_hash[token_hash] = key

    async def accessors(self, token_hashes: Collection[str]) -> dict[str, str]:
        """See Memory."""
        return {found: self._accessor_of_hash[found] for found in token_hashes if found in self._accessor_of_hash}

    async def unseen(self, keys: Collection[str]) -> set[str]:
        """See Memory."""
        return {key for key in keys if key not in self._at}

    async def checked_from(self) -> datetime | None:
        """See Memory."""
        return self._first_at

    async def checked(self, moment: datetime) -> None:
        """See Memory."""
        oldest = moment - MEMORY
        self._at = {key: at for key, at in self._at.items() if at >= oldest}
        self._accessor_of_hash = {found: key for found, key in self._accessor_of_hash.items() if key in self._at}
        if self._first_at is not None:
            self._first_at = max(self._first_at, oldest)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Where the reader that goes on stopped. `since`: what Vault recorded before is left out."""

    place: AuditPlace | None
    since: datetime


class KeptMemory:
    """Remembers in the database, so that whichever worker reconciles next goes on where the last one stopped."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self) -> Kept:
        """Where to go on; the first time from the moment the first worker of this house lived."""
        async with self._database.transaction() as session:
            row = await session.get(AuditPosition, _READER)
            if row is None:
                since = await session.scalar(select(func.min(WorkerRecord.started_at))) or now()
                row = AuditPosition(reader=_READER, head=None, offset=0, since=since, checked_to=since)
                session.add(row)
            place = None if row.head is None else AuditPlace(head=row.head, offset=row.offset)
            return Kept(place=place, since=row.since)

    async def add(self, entries: Sequence[AuditEntry], place: AuditPlace | None) -> None:
        """See Memory. What was seen and how far was read are stored together or not at all."""
        rows = [
            {"key": key, "token_hash": token_hash, "at": at} for key, (token_hash, at) in _sightings(entries).items()
        ]
        async with self._database.transaction() as session:
            if rows:
                await session.execute(insert(VaultSighting).on_conflict_do_nothing(), rows)
            if place is not None:
                position = await session.get_one(AuditPosition, _READER)
                position.head, position.offset = place.head, place.offset

    async def accessors(self, token_hashes: Collection[str]) -> dict[str, str]:
        """See Memory."""
        if not token_hashes:
            return {}
        async with self._database.read() as session:
            rows = await session.execute(
                select(VaultSighting.token_hash, VaultSighting.key).where(among(VaultSighting.token_hash, token_hashes))
            )
            return {token_hash: key for token_hash, key in rows.all() if token_hash is not None}

    async def unseen(self, keys: Collection[str]) -> set[str]:
        """See Memory."""
        if not keys:
            return set()
        async with self._database.read() as session:
            seen = await session.scalars(select(VaultSighting.key).where(among(VaultSighting.key, keys)))
            return set(keys) - set(seen.all())

    async def checked_from(self) -> datetime | None:
        """See Memory."""
        async with self._database.read() as session:
            position = await session.get_one(AuditPosition, _READER)
            return max(position.since, position.checked_to - _LATE_COMMITS)

    async def checked(self, moment: datetime) -> None:
        """See Memory."""
        async with self._database.transaction() as session:
            (await session.get_one(AuditPosition, _READER)).checked_to = moment
            await session.execute(delete(VaultSighting).where(VaultSighting.at < moment - MEMORY))
