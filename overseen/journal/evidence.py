"""What checkpoints and witnesses say has to be in the journal, and where they contradict each other."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.journal.chain import Break
from overseen.journal.checkpointing import stored_checkpoints
from overseen.journal.checkpoints import Checkpoint, digest_of_moved, follows
from overseen.journal.errors import WitnessUnavailable
from overseen.journal.merkle import Head, root_over
from overseen.journal.signing import SignatureCheck
from overseen.journal.witnesses import Witness
from overseen.store.tables import CheckpointHead, CheckpointRow, WitnessRow, now

CHECKPOINTS = "checkpoints"
"""What breaks of the checkpoints themselves are said to be in; their sequence is the checkpoint's number."""

_PAGE = 200
_BEHIND_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Point:
    """A head that was witnessed at `at`, by checkpoint `number`."""

    number: int
    at: datetime
    sequence: int
    head_hash: str
    closed: bool
    order_digest: str


@dataclass(frozen=True, kw_only=True)
class WitnessReport:
    """What a witness holds: up to which checkpoint, and what is wrong with it; empty when nothing is."""

    name: str
    number: int
    problem: str = ""


@dataclass(kw_only=True)
class Evidence:
    """Everything checkpoints and witnesses tell. `points` are by stream, oldest first."""

    points: dict[str, list[Point]] = field(default_factory=lambda: defaultdict[str, list[Point]](list))
    breaks: list[Break] = field(default_factory=list[Break])
    unproven: list[str] = field(default_factory=list[str])
    witnesses: list[WitnessReport] = field(default_factory=list[WitnessReport])
    checkpoints: int = 0
    signatures_checked: int = 0
    first: Checkpoint | None = None
    newest: Checkpoint | None = None
    witnessed: Checkpoint | None = None
    """The last checkpoint that a witness holds and the database too."""

    def add(self, checkpoint: Checkpoint) -> None:
        """Take up the heads that a checkpoint says moved."""
        for head in checkpoint.moved or ():
            self.points[head.stream].append(
                Point(
                    number=checkpoint.number,
                    at=checkpoint.at,
                    sequence=head.sequence,
                    head_hash=head.head_hash,
                    closed=head.closed,
                    order_digest=head.order_digest,
                )
            )

    def broken(self, number: int, problem: str, since: datetime | None = None) -> None:
        """Something is wrong with a checkpoint."""
        self.breaks.append(Break(stream=CHECKPOINTS, sequence=number, problem=problem, since=since))

    def first_point(self, stream: str) -> Point | None:
        """Where a stream stood when it was first witnessed."""
        points = self.points.get(stream)
        return points[0] if points else None


async def ask_witnesses(witnesses: Sequence[Witness]) -> dict[str, list[Checkpoint] | WitnessUnavailable]:
    """What each witness holds, by name.

    To be asked before the database is read: what a witness holds was in the database first, so that an honest one is
    never ahead of what is read after it.
    """
    held: dict[str, list[Checkpoint] | WitnessUnavailable] = {}
    for witness in witnesses:
        if witness.asked:
            try:
                held[witness.name] = await witness.all()
            except WitnessUnavailable as error:
                held[witness.name] = error
    return held


async def points_of(session: AsyncSession, stream: str) -> Evidence:
    """What the database's own checkpoints say of one stream; nothing is asked of witnesses."""
    query = (
        select(CheckpointRow.at, CheckpointHead)
        .join(CheckpointRow, CheckpointRow.number == CheckpointHead.number)
        .where(CheckpointHead.stream == stream)
        .order_by(CheckpointHead.number)
    )
    found = Evidence()
    for at, row in (await session.execute(query)).all():
        found.points[stream].append(
            Point(
                number=row.number,
                at=at,
                sequence=row.sequence,
                head_hash=row.head_hash,
                closed=row.closed,
                order_digest=row.order_digest,
            )
        )
    return found


class EvidenceReader:
    """Reads the checkpoints of the database and holds them against what witnesses hold."""

    def __init__(
        self,
        session: AsyncSession,
        held: dict[str, list[Checkpoint] | WitnessUnavailable],
        signatures: SignatureCheck | None,
    ) -> None:
        self._session = session
        self._held = held
        self._signatures = signatures
        self._found = Evidence()
        self._digests: dict[int, str] = {}
        self._without_heads: set[int] = set()

    async def read(self) -> Evidence:
        """All of it."""
        found = self._found
        async for checkpoint in self._stored():
            await self._take(checkpoint)
        for name, held in self._held.items():
            await self._compare(name, held)
        for points in found.points.values():
            points.sort(key=lambda point: (point.number, point.sequence))
        self._check_root()
        if found.newest is None and not found.breaks:
            found.unproven.append("No checkpoint was made yet: a worker makes the first when it starts.")
        if not self._held:
            found.unproven.append("No witness was asked.")
        return found

    async def _stored(self) -> AsyncIterator[Checkpoint]:
        after = 0
        while page := await stored_checkpoints(self._session, after=after, limit=_PAGE):
            for checkpoint in page:
                yield checkpoint
            after = page[-1].number

    async def _take(self, checkpoint: Checkpoint) -> None:
        found, number = self._found, checkpoint.number
        if not follows(checkpoint, found.newest):
            before = found.newest.number if found.newest else 0
            if number != before + 1:
                found.broken(number, f"checkpoints {before + 1} to {number - 1} are missing before it")
            else:
                found.broken(number, "does not follow from the checkpoint before it")
        if digest_of_moved(checkpoint.moved or ()) != checkpoint.moved_digest:
            found.broken(number, "the heads it names were changed, removed or added", checkpoint.at)
            self._without_heads.add(number)
        else:
            found.add(checkpoint)
        await self._check_signature(checkpoint, "its signature is not ours")
        found.checkpoints += 1
        found.first, found.newest = found.first or checkpoint, checkpoint.without_moved()
        self._digests[number] = checkpoint.digest

    async def _check_signature(self, checkpoint: Checkpoint, problem: str) -> bool:
        if self._signatures is None:
            return False
        self._found.signatures_checked += 1
        if await self._signatures.verify(checkpoint.signed_text, checkpoint.signature):
            return True
        self._found.broken(checkpoint.number, problem)
        return False

    async def _compare(self, name: str, held: list[Checkpoint] | WitnessUnavailable) -> None:
        told = await self._session.get(WitnessRow, name)
        number = 0 if isinstance(held, WitnessUnavailable) or not held else held[-1].number
        if isinstance(held, WitnessUnavailable):
            problem = str(held)
        elif not held:
            problem = (
                f"it is empty or gone; it was told up to checkpoint {told.number}" if told else "it holds nothing yet"
            )
        else:
            problem = await self._behind(number)
            await self._compare_each(name, held)
            if told is not None and told.number > number:
                problem = f"it was cut: it was told up to checkpoint {told.number}, and holds them up to {number} only"
                self._found.broken(number + 1, f"{name}: {problem}", held[-1].at)
        if problem:
            self._found.unproven.append(f"{name}: {problem}")
        self._found.witnesses.append(WitnessReport(name=name, number=number, problem=problem))

    async def _behind(self, number: int) -> str:
        query = select(CheckpointRow.at).where(CheckpointRow.number == number + 1)
        next_at = await self._session.scalar(query)
        if next_at is not None and now() - next_at > _BEHIND_AFTER:
            return f"it was told nothing since checkpoint {number}, made before {next_at:%Y-%m-%d %H:%M} UTC"
        return ""

    async def _compare_each(self, name: str, held: Sequence[Checkpoint]) -> None:
        found, newest = self._found, self._found.newest
        ours = newest.number if newest else 0
        before: Checkpoint | None = None
        for checkpoint in held:
            if before is not None and not follows(checkpoint, before):
                found.broken(
                    checkpoint.number, f"{name}: what it holds does not follow from {before.number}", before.at
                )
            before = checkpoint
            if self._digests.get(checkpoint.number) == checkpoint.digest:
                if found.witnessed is None or checkpoint.number > found.witnessed.number:
                    found.witnessed = checkpoint.without_moved()
                if checkpoint.number in self._without_heads and self._add_from_witness(checkpoint):
                    self._without_heads.discard(checkpoint.number)
                continue
            if not await self._check_signature(checkpoint, f"{name}: the signature it holds is not ours"):
                continue
            if checkpoint.number <= ours:
                found.broken(checkpoint.number, f"differs from what {name} holds", checkpoint.at)
            self._add_from_witness(checkpoint)
        if held[-1].number > ours:
            lost = [checkpoint for checkpoint in held if checkpoint.number > ours]
            since = newest.at if newest else held[0].at
            problem = (
                f"the database was rolled back or emptied: {name} holds checkpoints up to {held[-1].number} "
                f"({held[-1].at:%Y-%m-%d %H:%M:%S} UTC, {held[-1].entries} entries in {held[-1].streams} streams), the "
                f"database {f'up to {ours}' if ours else 'none'}"
            )
            found.broken(min(lost[0].number, ours + 1), problem, since)

    def _add_from_witness(self, checkpoint: Checkpoint) -> bool:
        """Take up what a witness says moved, where it kept that and the checkpoint vouches for it."""
        if checkpoint.moved is None or digest_of_moved(checkpoint.moved) != checkpoint.moved_digest:
            return False
        self._found.add(checkpoint)
        return True

    def _check_root(self) -> None:
        found = self._found
        if found.newest is None:
            return
        heads: dict[str, Head] = {}
        for stream, points in found.points.items():
            ours = [point for point in points if point.number <= found.newest.number]
            if ours:
                last = ours[-1]
                heads[stream] = Head(
                    stream=stream, sequence=last.sequence, head_hash=last.head_hash, closed=last.closed
                )
        if root_over(heads.values()) != found.newest.root:
            found.broken(found.newest.number, "its root is not that of the heads that were witnessed", found.newest.at)
