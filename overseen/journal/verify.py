"""Prove that nothing in the journal was changed, removed, put in, moved or rolled back, and say what was proved."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.journal.chain import Break, ChainWalk, Entry
from overseen.journal.checkpoints import order_line
from overseen.journal.events import ChainClosed, JournalAccepted
from overseen.journal.evidence import Evidence, EvidenceReader, Point, WitnessReport, ask_witnesses, points_of
from overseen.journal.journal import SYSTEM, Journal, entry_of
from overseen.journal.recorded import Recorded
from overseen.journal.row_check import compare_rows
from overseen.journal.signing import SignatureCheck, acceptance_text
from overseen.journal.witnesses import Witness
from overseen.store.tables import JournalHead, JournalRow

_PAGE = 5_000


class Verdict(StrEnum):
    """What a verification comes to."""

    VERIFIED = "verified"
    BROKEN = "broken"
    NOT_VERIFIED = "not_verified"
    """Nothing is broken as far as could be looked, but not all could be looked at."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found, and how far it goes.

    `since` and `until` are the first checkpoint and the last one that a witness holds: between them nothing can have
    gone missing unnoticed. `unwitnessed` counts entries that came after it, whose chains hold but which nobody outside
    the database has seen. `unproven` says in words what could not be looked at, `accepted` what somebody said may be
    so.
    """

    streams: int
    entries: int
    signatures_checked: int
    breaks: tuple[Break, ...]
    checkpoints: int = 0
    rows_compared: int = 0
    since: datetime | None = None
    until: datetime | None = None
    witnessed_number: int = 0
    unwitnessed: int = 0
    witnesses: tuple[WitnessReport, ...] = ()
    unproven: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    unsigned: tuple[str, ...] = ()
    """Runs that were closed without a signature before the first checkpoint, and that nobody accepted."""

    @property
    def holds(self) -> bool:
        """Whether nothing is broken, as far as was looked."""
        return not self.breaks

    @property
    def verdict(self) -> Verdict:
        """Broken beats not verified."""
        if self.breaks:
            return Verdict.BROKEN
        return Verdict.NOT_VERIFIED if self.unproven else Verdict.VERIFIED


async def verify(
    journal: Journal,
    *,
    stream: str | None = None,
    signatures: SignatureCheck | None = None,
    witnesses: Sequence[Witness] | None = None,
) -> Verification:
    """Verify one stream, or all of them with their anchors in `system`.

    With `witnesses`, the whole of it: checkpoints, witnesses, and rows that pages show as well. Everything is read in
    one snapshot, so that a journal in use is not taken for a broken one. Raises Unavailable when the database, or
    whoever checks signatures, is away.
    """
    held = await ask_witnesses(witnesses or ())
    async with journal.snapshot() as session:
        if witnesses is not None:
            evidence = await EvidenceReader(session, held, signatures).read()
        elif stream is not None:
            evidence = await points_of(session, stream)
        else:
            evidence = await EvidenceReader(session, {}, signatures).read()
        recorded = Recorded() if witnesses is not None and stream is None else None
        return await _Verifying(session, evidence, signatures, recorded).everything(stream)


@dataclass(kw_only=True)
class _End:
    """Where a stream's entries end."""

    sequence: int
    head_hash: str
    unwitnessed: int


class _Verifying:
    """One verification in one snapshot of the database."""

    def __init__(
        self,
        session: AsyncSession,
        evidence: Evidence,
        signatures: SignatureCheck | None,
        recorded: Recorded | None,
    ) -> None:
        self._session = session
        self._evidence = evidence
        self._signatures = signatures
        self._recorded = recorded
        self._breaks: list[Break] = []
        self._unproven: list[str] = list(evidence.unproven)
        self._signatures_checked = evidence.signatures_checked
        self._entries = 0
        self._accepted: list[str] = []
        self._accepted_unsigned: set[str] = set()
        self._unsigned_runs: list[str] = []

    async def everything(self, only: str | None) -> Verification:
        """Walk the entries, then hold heads, anchors, checkpoints and rows against them."""
        ends = await self._walk(only)
        heads = await self._heads(only)
        anchors = await self._anchors(only)
        await self._take_acceptances()
        for name in sorted(heads.keys() | ends.keys()):
            self._check_head(name, heads.get(name), ends.get(name), anchors.get(name, ()))
        for name, closings in anchors.items():
            await self._check_anchors(name, closings, ends.get(name))
        for name, points in self._evidence.points.items():
            if name not in ends and only in (None, name):
                self._check_vanished(name, points[-1])
        compared = 0
        if self._recorded is not None:
            differences, compared = await compare_rows(self._session, self._recorded)
            self._breaks += differences
        if self._signatures is None:
            self._unproven.append("Signatures were not checked.")
        return self._result(len(ends), sum(end.unwitnessed for end in ends.values()), compared)

    def _result(self, streams: int, unwitnessed: int, compared: int) -> Verification:
        evidence = self._evidence
        return Verification(
            streams=streams,
            entries=self._entries,
            signatures_checked=self._signatures_checked,
            breaks=(*evidence.breaks, *self._breaks),
            checkpoints=evidence.checkpoints,
            rows_compared=compared,
            since=evidence.first.at if evidence.first else None,
            until=evidence.witnessed.at if evidence.witnessed else None,
            witnessed_number=evidence.witnessed.number if evidence.witnessed else 0,
            unwitnessed=unwitnessed,
            witnesses=tuple(evidence.witnesses),
            unproven=tuple(self._unproven),
            accepted=tuple(self._accepted),
            unsigned=tuple(self._unsigned_runs),
        )

    async def _walk(self, only: str | None) -> dict[str, _End]:
        ends: dict[str, _End] = {}
        walk: _StreamWalk | None = None
        async for entry in _entries(self._session, only):
            if walk is None or walk.stream != entry.stream:
                if walk is not None:
                    ends[walk.stream] = walk.end(self._breaks)
                walk = _StreamWalk(entry.stream, self._evidence.points.get(entry.stream, ()), self._evidence)
            walk.step(entry, self._breaks)
            self._entries += 1
            if self._recorded is not None:
                self._recorded.take(entry)
        if walk is not None:
            ends[walk.stream] = walk.end(self._breaks)
        return ends

    async def _heads(self, only: str | None) -> dict[str, JournalHead]:
        query = select(JournalHead) if only is None else select(JournalHead).where(JournalHead.stream == only)
        return {head.stream: head for head in (await self._session.scalars(query)).all()}

    async def _anchors(self, only: str | None) -> dict[str, list[Entry]]:
        query = select(JournalRow).where(JournalRow.stream == SYSTEM, JournalRow.kind == ChainClosed.kind)
        anchors: dict[str, list[Entry]] = {}
        for row in (await self._session.scalars(query.order_by(JournalRow.sequence))).all():
            if only in (None, row.payload.get("run_id")):
                anchors.setdefault(str(row.payload.get("run_id")), []).append(entry_of(row))
        return anchors

    async def _take_acceptances(self) -> None:
        """What somebody said may be so: their word counts when it is signed."""
        query = select(JournalRow).where(JournalRow.stream == SYSTEM, JournalRow.kind == JournalAccepted.kind)
        for row in (await self._session.scalars(query.order_by(JournalRow.sequence))).all():
            said = JournalAccepted(
                reason_blob=row.payload["reason_blob"],
                set_aside=tuple(row.payload["set_aside"]),
                unsigned=tuple(row.payload["unsigned"]),
            )
            signature = str(row.payload.get("signature"))
            if self._signatures is None:
                continue
            self._signatures_checked += 1
            if not await self._signatures.verify(acceptance_text(said), signature):
                self._break(SYSTEM, row.sequence, "an acceptance that was not signed by us")
                continue
            self._accepted_unsigned |= set(said.unsigned)
            told = "; ".join((*said.set_aside, *(f"{run_id} is unsigned" for run_id in said.unsigned)))
            self._accepted.append(f"{row.at:%Y-%m-%d %H:%M} UTC, {row.actor} (entry {row.sequence}): {told}")

    def _break(self, stream: str, sequence: int, problem: str, since: datetime | None = None) -> None:
        self._breaks.append(Break(stream=stream, sequence=sequence, problem=problem, since=since))

    def _check_head(self, stream: str, head: JournalHead | None, end: _End | None, anchors: Sequence[Entry]) -> None:
        """The end of a chain must be where its head row says: a chain that was cut short is still a chain."""
        sequence, head_hash = (end.sequence, end.head_hash) if end else (0, "")
        if head is None:
            self._break(stream, sequence, "its head is missing")
            return
        if head.sequence != sequence or (end and head.head_hash != head_hash):
            self._break(stream, sequence + 1, "entries after it are missing or were added")
        points = self._evidence.points.get(stream)
        if not head.closed and (anchors or (points and points[-1].closed)):
            at = anchors[0].payload.get("sequence") if anchors else points[-1].sequence if points else 0
            since = points[-1].at if points and points[-1].closed else None
            self._break(stream, sequence, f"was closed at entry {at} and is open again", since)
        if head.closed and not anchors:
            self._break(stream, sequence, "is closed, but `system` does not say that it was")
        if head.closed and anchors and head.signature != anchors[-1].payload.get("signature"):
            self._break(stream, sequence, "the signature beside its head is not the one in `system`")

    async def _check_anchors(self, stream: str, anchors: Sequence[Entry], end: _End | None) -> None:
        """What was closed must be there, end where it was closed, and be signed."""
        if end is None and stream not in self._evidence.points:
            self._break(stream, 1, "the whole run is missing from the journal", anchors[-1].at)
        for anchor in anchors:
            sequence, head_hash = anchor.payload.get("sequence"), str(anchor.payload.get("head_hash"))
            if end is not None and (sequence != end.sequence or head_hash != end.head_hash):
                self._break(stream, end.sequence, "differs from the head that was signed", anchor.at)
            signature = anchor.payload.get("signature")
            if signature is None:
                self._unsigned(stream, anchor)
            elif self._signatures is not None:
                self._signatures_checked += 1
                if not await self._signatures.verify(head_hash, str(signature)):
                    self._break(stream, int(sequence or 0), "the signature is not ours")

    def _unsigned(self, stream: str, anchor: Entry) -> None:
        """A closing without a signature is a break, unless it was there before anything had to be signed."""
        baseline = self._evidence.first_point(SYSTEM)
        if baseline is None or anchor.sequence <= baseline.sequence:
            if stream in self._accepted_unsigned:
                return
            self._unsigned_runs.append(stream)
            self._unproven.append(
                f"{stream} was closed without a signature on {anchor.at:%Y-%m-%d %H:%M} UTC, before the first "
                "checkpoint: nothing proves what it was until then."
            )
        else:
            self._break(stream, int(anchor.payload.get("sequence") or 0), "was closed without a signature", anchor.at)

    def _check_vanished(self, stream: str, last: Point) -> None:
        self._break(
            stream,
            1,
            f"the whole stream is missing: {last.sequence} entries of it were witnessed by checkpoint {last.number}",
            last.at,
        )


class _StreamWalk:
    """Walks one stream, and holds it against every head that was witnessed of it."""

    def __init__(self, stream: str, points: Sequence[Point], evidence: Evidence) -> None:
        self.stream = stream
        self._chain = ChainWalk(stream)
        self._points = list(points)
        self._next = 0
        self._beside: list[str] = []
        self._from = 1
        self._sound = True
        witnessed = evidence.witnessed.number if evidence.witnessed else 0
        self._witnessed = max((point.sequence for point in points if point.number <= witnessed), default=0)

    def step(self, entry: Entry, breaks: list[Break]) -> None:
        """The next entry."""
        found = self._chain.step(entry)
        breaks += found
        self._sound = self._sound and not found
        if self._next >= len(self._points):
            return
        self._beside.append(order_line(entry))
        while self._next < len(self._points) and self._points[self._next].sequence <= entry.sequence:
            point = self._points[self._next]
            self._next += 1
            if point.sequence == entry.sequence:
                self._compare(point, entry, breaks)
        if self._next and self._points[self._next - 1].sequence == entry.sequence:
            self._beside, self._from = [], entry.sequence + 1

    def _compare(self, point: Point, entry: Entry, breaks: list[Break]) -> None:
        if point.head_hash != entry.hash:
            problem = f"is not the entry that checkpoint {point.number} witnessed: it and those before were rewritten"
            breaks.append(Break(stream=self.stream, sequence=entry.sequence, problem=problem, since=point.at))
        elif point.order_digest and self._sound:
            digest = hashlib.sha256("\n".join(self._beside).encode()).hexdigest()
            if digest != point.order_digest:
                problem = (
                    f"the order columns (entry_id, once_key) of entries {self._from} to {entry.sequence} are not those "
                    f"that checkpoint {point.number} witnessed"
                )
                breaks.append(Break(stream=self.stream, sequence=entry.sequence, problem=problem, since=point.at))

    def end(self, breaks: list[Break]) -> _End:
        """After the last entry: what was witnessed beyond it is missing."""
        last = self._chain.sequence
        beyond = [point for point in self._points[self._next :] if point.sequence > last]
        if beyond:
            point = beyond[-1]
            problem = f"entries {last + 1} to {point.sequence} are missing; checkpoint {point.number} witnessed them"
            breaks.append(Break(stream=self.stream, sequence=last + 1, problem=problem, since=point.at))
        return _End(sequence=last, head_hash=self._chain.head_hash, unwitnessed=max(0, last - self._witnessed))


async def _entries(session: AsyncSession, only: str | None) -> AsyncIterator[Entry]:
    """All entries by stream and sequence, a page at a time."""
    after = ("", 0) if only is None else (only, 0)
    columns = JournalRow.__table__.c
    while True:
        query = select(JournalRow.__table__).order_by(columns.stream, columns.sequence).limit(_PAGE)
        query = query.where(tuple_(columns.stream, columns.sequence) > tuple_(*after))
        if only is not None:
            query = query.where(columns.stream == only)
        rows = (await session.execute(query)).all()
        for row in rows:
            yield entry_of(row)
        if len(rows) < _PAGE:
            return
        after = (rows[-1].stream, rows[-1].sequence)
