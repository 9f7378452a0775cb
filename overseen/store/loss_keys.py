"""Which run was known by a mark first: the reservation that keeps two runs from both being the only one.

A mark is content (a policy number, a bill), so what is stored is its digest under a key of this installation.
Reservations of a playbook are made one after the other, under a lock of the database; whoever comes second sees the
first, on whichever worker and in whatever state. They are never given back: see docs/decisions/0016.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.same_loss import LossMark, OtherLoss
from overseen.store.database import Database
from overseen.store.tables import LossKeyRecord, LossMatch, Run

_LOCK = 7_207
"""First half of the advisory lock's key; the second names the playbook."""
_PURPOSE = b"overseen loss keys, version 1"


class LossKeys:
    """Reserves marks for runs. `key` is the installation's blob key; a key of its own is derived from it."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = hmac.new(key, _PURPOSE, hashlib.sha256).digest()

    async def reserve(self, run_id: str, playbook: str, marks: Sequence[LossMark]) -> list[OtherLoss]:
        """Reserve the marks for the run, and name the runs of other tasks that had one of them before.

        Of two runs with a mark in common one is told of the other, however close together they reserve. The same again
        for a run that is tried again: what it has reserved keeps its place, and what was found once is found for good.
        Raises Unavailable.
        """
        async with self._database.transaction() as session:
            lock = text("SELECT pg_advisory_xact_lock(:room, hashtext(:playbook))")
            await session.execute(lock, {"room": _LOCK, "playbook": playbook})
            if marks:
                await self._insert(session, run_id, playbook, marks)
                await self._match(session, run_id, playbook, marks)
            return await _others(session, run_id, earlier_only=True)

    async def _insert(self, session: AsyncSession, run_id: str, playbook: str, marks: Sequence[LossMark]) -> None:
        digests = sorted({self._digest(playbook, mark.own) for mark in marks})
        rows = [{"digest": digest, "run_id": run_id} for digest in digests]
        await session.execute(insert(LossKeyRecord).values(rows).on_conflict_do_nothing())

    async def _match(self, session: AsyncSession, run_id: str, playbook: str, marks: Sequence[LossMark]) -> None:
        own = select(LossKeyRecord.digest, LossKeyRecord.number).where(LossKeyRecord.run_id == run_id)
        numbers = {row.digest: row.number for row in await session.execute(own)}
        sought: dict[str, list[tuple[str, int]]] = {}
        for mark in marks:
            number = numbers[self._digest(playbook, mark.own)]
            for other in mark.looked_for:
                sought.setdefault(self._digest(playbook, other), []).append((mark.title, number))
        task_id = select(Run.task_id).where(Run.run_id == run_id).scalar_subquery()
        query = (
            select(LossKeyRecord.digest, LossKeyRecord.number, LossKeyRecord.run_id)
            .join(Run, Run.run_id == LossKeyRecord.run_id)
            .where(LossKeyRecord.digest.in_(sought), Run.task_id != task_id)
        )
        for row in (await session.execute(query)).all():
            for title, number in sought[row.digest]:
                if row.number < number:
                    values = {"run_id": run_id, "earlier_run_id": row.run_id, "title": title}
                    await session.execute(insert(LossMatch).values(values).on_conflict_do_nothing())

    def _digest(self, playbook: str, mark: str) -> str:
        return hmac.new(self._key, f"{playbook}\x1f{mark}".encode(), hashlib.sha256).hexdigest()


async def other_losses(database: Database, run_id: str) -> list[OtherLoss]:
    """All runs that seem to be about the same loss as this one, those before it and those after it."""
    async with database.read() as session:
        return await _others(session, run_id, earlier_only=False)


async def _others(session: AsyncSession, run_id: str, *, earlier_only: bool) -> list[OtherLoss]:
    before = [(row, True) for row in await _matched(session, LossMatch.run_id == run_id, LossMatch.earlier_run_id)]
    after = [(row, False) for row in await _matched(session, LossMatch.earlier_run_id == run_id, LossMatch.run_id)]
    found: dict[str, OtherLoss] = {}
    for row, came_before in before if earlier_only else [*before, *after]:
        known = found.get(row.run_id)
        found[row.run_id] = OtherLoss(
            run_id=row.run_id,
            task_id=row.task_id,
            state=row.state,
            titles=tuple(dict.fromkeys((*(known.titles if known else ()), row.title))),
            came_before=known.came_before if known else came_before,
        )
    return sorted(found.values(), key=lambda other: other.run_id)


async def _matched(session: AsyncSession, condition: ColumnElement[bool], other: Any) -> Sequence[Any]:
    query = select(Run.run_id, Run.task_id, Run.state, LossMatch.title).join(LossMatch, other == Run.run_id)
    return (await session.execute(query.where(condition).order_by(LossMatch.title))).all()


async def forget_loss_keys(database: Database) -> None:
    """Forget every reservation; for the ground of evals, where the same cases are handed in again and again."""
    async with database.transaction() as session:
        await session.execute(delete(LossMatch))
        await session.execute(delete(LossKeyRecord))
