"""Makes checkpoints: finds the heads that moved, brings the tree up to date, has the root signed, stores it all.

One process at a time makes them; see the service `witness`. Nothing here takes part in appending.
"""

import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.journal.chain import GENESIS
from overseen.journal.checkpoints import Checkpoint, MovedHead, digest_of_moved
from overseen.journal.errors import JournalDamaged
from overseen.journal.merkle import Head, bucket_hash, bucket_of, root_of
from overseen.journal.signing import Signer
from overseen.store.database import Database
from overseen.store.tables import (
    CheckpointBucket,
    CheckpointHead,
    CheckpointLeaf,
    CheckpointRow,
    JournalRow,
    now,
)

MAX_HEADS = 5_000
"""A checkpoint names at most this many heads that moved; more of them make more checkpoints."""
_FULL_EVERY_SECONDS = 300.0
_LATE_SECONDS = 60.0
"""A transaction may commit an entry this much later than others with higher ids; the full look finds later ones."""
_NAMED = 5
_INSERT_ROWS = 1_000

_SINCE = "AND h.stream IN (SELECT DISTINCT stream FROM journal WHERE entry_id > :since)"
# Heads that differ from their leaves, with what stands in the journal at both places.
_MOVED = """
WITH moved AS (
    SELECT h.stream, h.sequence, h.head_hash, h.closed, coalesce(l.sequence, 0) AS leaf_sequence,
           l.head_hash AS leaf_hash, coalesce(l.closed, false) AS leaf_closed
    FROM journal_heads h LEFT JOIN journal_checkpoint_leaves l ON l.stream = h.stream
    WHERE (l.stream IS NULL OR h.sequence <> l.sequence OR h.head_hash <> l.head_hash OR h.closed <> l.closed)
    {since}
    -- By bucket: where there are many, each checkpoint touches few buckets.
    ORDER BY sha256(convert_to(h.stream, 'UTF8')) LIMIT :limit
)
SELECT moved.*,
       (SELECT hash FROM journal j WHERE j.stream = moved.stream AND j.sequence = moved.leaf_sequence) AS kept_hash,
       (SELECT hash FROM journal j WHERE j.stream = moved.stream AND j.sequence = moved.sequence) AS last_hash,
       coalesce(beside.order_digest, '') AS order_digest
FROM moved LEFT JOIN LATERAL (
    SELECT encode(sha256(convert_to(string_agg(
        j.sequence || ':' || j.entry_id || ':' || to_json(coalesce(j.once_key, ''))::text, E'\\n' ORDER BY j.sequence
    ), 'UTF8')), 'hex') AS order_digest
    FROM journal j WHERE j.stream = moved.stream AND j.sequence > moved.leaf_sequence AND j.sequence <= moved.sequence
) beside ON true
"""
_GONE = """
SELECT l.stream FROM journal_checkpoint_leaves l LEFT JOIN journal_heads h ON h.stream = l.stream
WHERE h.stream IS NULL ORDER BY l.stream LIMIT :limit
"""

_STORE_HEADS = """
WITH moved AS (
    SELECT * FROM unnest(CAST(:streams AS varchar[]), CAST(:buckets AS integer[]), CAST(:sequences AS bigint[]),
                         CAST(:hashes AS varchar[]), CAST(:closed AS boolean[]), CAST(:orders AS varchar[]))
        AS moved (stream, bucket, sequence, head_hash, closed, order_digest)
), kept AS (
    INSERT INTO journal_checkpoint_heads (stream, number, sequence, head_hash, closed, order_digest)
    SELECT stream, :number, sequence, head_hash, closed, order_digest FROM moved
)
INSERT INTO journal_checkpoint_leaves (stream, bucket, sequence, head_hash, closed)
SELECT stream, bucket, sequence, head_hash, closed FROM moved
ON CONFLICT (stream) DO UPDATE
    SET sequence = excluded.sequence, head_hash = excluded.head_hash, closed = excluded.closed
"""
_STORE_BUCKETS = """
INSERT INTO journal_checkpoint_buckets (bucket, hash)
SELECT * FROM unnest(CAST(:buckets AS integer[]), CAST(:hashes AS bytea[]))
ON CONFLICT (bucket) DO UPDATE SET hash = excluded.hash
"""


@dataclass(frozen=True, kw_only=True)
class _Moved:
    """A head that moved, and how many entries were there when it was last looked at."""

    head: MovedHead
    entries_before: int


class Checkpointer:
    """Makes checkpoints for one process. It remembers how far it looked, which is a matter of speed only."""

    def __init__(self, database: Database, signer: Signer) -> None:
        self._database = database
        self._signer = signer
        self._looked: deque[tuple[float, int]] = deque()
        self._full_at: float | None = None
        self._buckets: tuple[str, dict[int, bytes]] = ("none", {})

    async def newest(self) -> Checkpoint | None:
        """The last checkpoint, without the heads that moved."""
        async with self._database.read() as session:
            return await newest_checkpoint(session)

    async def make(self, *, even_if_nothing_moved: bool = False) -> list[Checkpoint]:
        """As many checkpoints as it takes to cover all that is committed now; none when nothing moved.

        Raises JournalDamaged when what was covered before is gone or different, and VaultUnavailable and VaultRefused
        of the signer; then nothing was stored.
        """
        made: list[Checkpoint] = []
        full = self._full_at is None or time.monotonic() - self._full_at > _FULL_EVERY_SECONDS
        since = None if full else self._looked[0][1]
        began, highest = time.monotonic(), await self._highest_entry()
        if full:
            await self._check_none_is_gone()
        while True:
            moved = await self._moved(since)
            if not moved and (made or not even_if_nothing_moved):
                break
            made.append(await self._make_one(moved))
            if len(moved) < MAX_HEADS:
                break
        self._remember(began, highest, full=full)
        return made

    def _remember(self, began: float, highest: int, *, full: bool) -> None:
        if full:
            self._full_at = began
            self._looked.clear()
        self._looked.append((began, highest))
        while len(self._looked) > 1 and began - self._looked[1][0] > _LATE_SECONDS:
            self._looked.popleft()

    async def _highest_entry(self) -> int:
        async with self._database.read() as session:
            return await session.scalar(select(func.max(JournalRow.entry_id))) or 0

    async def _check_none_is_gone(self) -> None:
        async with self._database.read() as session:
            gone = (await session.scalars(text(_GONE), {"limit": _NAMED + 1})).all()
        if gone:
            raise _damaged("Whole streams that were witnessed are gone", gone)

    async def _moved(self, since: int | None) -> list[_Moved]:
        statement = text(_MOVED.format(since="" if since is None else _SINCE))
        values = {"limit": MAX_HEADS, **({} if since is None else {"since": since})}
        async with self._database.read() as session:
            rows = (await session.execute(statement, values)).all()
        if lost := [row.stream for row in rows if not _continues(row)]:
            raise _damaged("Entries that were witnessed are gone or different", lost)
        return [
            _Moved(
                head=MovedHead(
                    stream=row.stream,
                    sequence=row.sequence,
                    head_hash=row.head_hash,
                    closed=row.closed,
                    order_digest=row.order_digest,
                ),
                entries_before=row.leaf_sequence,
            )
            for row in rows
        ]

    async def _make_one(self, moved: Sequence[_Moved]) -> Checkpoint:
        heads = tuple(one.head for one in moved)
        async with self._database.read() as session:
            before = await newest_checkpoint(session)
            touched = await self._touched_buckets(session, heads)
            buckets = await self._buckets_of(session, before)
        checkpoint = Checkpoint(
            number=1 if before is None else before.number + 1,
            at=now(),
            previous=GENESIS if before is None else before.digest,
            root=root_of({**buckets, **touched}),
            streams=(0 if before is None else before.streams) + sum(one.entries_before == 0 for one in moved),
            entries=(0 if before is None else before.entries)
            + sum(one.head.sequence - one.entries_before for one in moved),
            moved_digest=digest_of_moved(heads),
            signature="",
            moved=heads,
        )
        signature = await self._signer.sign(checkpoint.signed_text)
        signed = replace(checkpoint, signature=signature)
        async with self._database.transaction() as session:
            await _store(session, signed, heads, touched)
        self._buckets = (signed.digest, {**buckets, **touched})
        return signed

    async def _buckets_of(self, session: AsyncSession, before: Checkpoint | None) -> dict[int, bytes]:
        """The hashes of all buckets as the newest checkpoint has them; kept here while this process makes them."""
        digest = "" if before is None else before.digest
        if self._buckets[0] == digest:
            return self._buckets[1]
        rows = (await session.execute(select(CheckpointBucket.__table__))).all()
        buckets = {row.bucket: row.hash for row in rows}
        if before is not None and root_of(buckets) != before.root:
            raise _damaged("The tree of the checkpoints is not the newest one's", ("journal_checkpoint_buckets",))
        return buckets

    async def _touched_buckets(self, session: AsyncSession, heads: Sequence[MovedHead]) -> dict[int, bytes]:
        """The new hashes of the buckets that `heads` are in."""
        inside: dict[int, dict[str, Head]] = defaultdict(dict)
        numbers = {bucket_of(head.stream) for head in heads}
        leaves = await session.execute(
            select(CheckpointLeaf.__table__).where(CheckpointLeaf.bucket.in_(sorted(numbers)))
        )
        for row in leaves.all():
            inside[row.bucket][row.stream] = Head(
                stream=row.stream, sequence=row.sequence, head_hash=row.head_hash, closed=row.closed
            )
        for head in heads:
            inside[bucket_of(head.stream)][head.stream] = Head(
                stream=head.stream, sequence=head.sequence, head_hash=head.head_hash, closed=head.closed
            )
        return {number: bucket_hash(found.values()) for number, found in inside.items()}


async def newest_checkpoint(session: AsyncSession) -> Checkpoint | None:
    """The last checkpoint of the database, without the heads that moved."""
    row = await session.scalar(select(CheckpointRow).order_by(CheckpointRow.number.desc()).limit(1))
    return None if row is None else checkpoint_of(row)


def checkpoint_of(row: Any, moved: tuple[MovedHead, ...] | None = None) -> Checkpoint:
    """A checkpoint from its row, and the heads that moved where they are at hand."""
    return Checkpoint(
        number=row.number,
        at=row.at.astimezone(UTC),
        previous=row.previous,
        root=row.root,
        streams=row.streams,
        entries=row.entries,
        moved_digest=row.moved_digest,
        signature=row.signature,
        moved=moved,
    )


async def stored_checkpoints(session: AsyncSession, *, after: int, limit: int) -> list[Checkpoint]:
    """Checkpoints above number `after` with the heads that moved, oldest first."""
    query = select(CheckpointRow).where(CheckpointRow.number > after).order_by(CheckpointRow.number).limit(limit)
    rows = (await session.scalars(query)).all()
    if not rows:
        return []
    heads: dict[int, list[MovedHead]] = defaultdict(list)
    numbers = CheckpointHead.number.between(rows[0].number, rows[-1].number)
    for row in (await session.execute(select(CheckpointHead.__table__).where(numbers))).all():
        heads[row.number].append(moved_of(row))
    return [checkpoint_of(row, _sorted(heads[row.number])) for row in rows]


def moved_of(row: Any) -> MovedHead:
    """A head that moved from its row."""
    return MovedHead(
        stream=row.stream,
        sequence=row.sequence,
        head_hash=row.head_hash,
        closed=row.closed,
        order_digest=row.order_digest,
    )


def _sorted(heads: Sequence[MovedHead]) -> tuple[MovedHead, ...]:
    return tuple(sorted(heads, key=lambda head: head.stream.encode()))


def _continues(row: Row[Any]) -> bool:
    """Whether a head that moved goes on from where it was, and is where its entries end."""
    kept = row.leaf_sequence == 0 or row.kept_hash == row.leaf_hash
    forward = row.sequence >= row.leaf_sequence and (row.closed or not row.leaf_closed)
    return kept and forward and row.last_hash == row.head_hash


def _damaged(what: str, names: Sequence[str]) -> JournalDamaged:
    more = ", ..." if len(names) > _NAMED else ""
    return JournalDamaged(f"{what}: {', '.join(names[:_NAMED])}{more}.", streams=list(names[:_NAMED]))


async def _store(
    session: AsyncSession, checkpoint: Checkpoint, heads: Sequence[MovedHead], touched: dict[int, bytes]
) -> None:
    session.add(
        CheckpointRow(
            number=checkpoint.number,
            at=checkpoint.at,
            previous=checkpoint.previous,
            root=checkpoint.root,
            streams=checkpoint.streams,
            entries=checkpoint.entries,
            moved_digest=checkpoint.moved_digest,
            signature=checkpoint.signature,
        )
    )
    await session.flush()
    for start in range(0, len(heads), _INSERT_ROWS):
        page = heads[start : start + _INSERT_ROWS]
        columns = {
            "number": checkpoint.number,
            "streams": [head.stream for head in page],
            "buckets": [bucket_of(head.stream) for head in page],
            "sequences": [head.sequence for head in page],
            "hashes": [head.head_hash for head in page],
            "closed": [head.closed for head in page],
            "orders": [head.order_digest for head in page],
        }
        await session.execute(text(_STORE_HEADS), columns)
    if touched:
        await session.execute(text(_STORE_BUCKETS), {"buckets": list(touched), "hashes": list(touched.values())})
