"""Witnesses: places outside the database that remember checkpoints, and bringing them up to date.

Order of a turn: the database first, the witnesses after it. A process that dies in between leaves a witness behind,
which the next turn mends; a witness that is ahead of the database therefore never comes from a crash.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from overseen.journal.checkpointing import checkpoint_of, newest_checkpoint, stored_checkpoints
from overseen.journal.checkpoints import Checkpoint
from overseen.journal.errors import WitnessContradicts, WitnessUnavailable
from overseen.store.database import Database
from overseen.store.tables import CheckpointRow, WitnessRow, now

_PAGE = 50


class Witness(Protocol):
    """Remembers checkpoints where whoever writes the database cannot write."""

    name: str
    """Kind and place, at most 300 characters, without secrets: it is shown, and is the key of what was told to it."""
    asked: bool
    """Whether it can be asked for what it holds; one that cannot proves nothing here."""

    async def newest(self) -> Checkpoint | None:
        """The last checkpoint it holds; None when it was never told any. Raises WitnessUnavailable."""
        ...

    async def all(self) -> list[Checkpoint]:
        """Every checkpoint it holds, oldest first, as they were told. Raises WitnessUnavailable."""
        ...

    async def tell(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Remember `checkpoints`, which follow what it holds. Raises WitnessUnavailable."""
        ...

    async def set_aside(self) -> None:
        """Keep what it holds somewhere else and begin anew: somebody said why. Raises WitnessUnavailable."""
        ...


@dataclass(frozen=True, kw_only=True)
class Told:
    """How a witness stands: `number` is the last checkpoint it holds, `problem` what keeps it from more, or empty."""

    name: str
    number: int
    problem: str = ""


class Witnesses:
    """The witnesses of one installation."""

    def __init__(self, database: Database, witnesses: Sequence[Witness]) -> None:
        self._database = database
        self.all = tuple(witnesses)

    async def bring_up_to_date(self) -> list[Told]:
        """Tell each witness what it was not told yet. One that is away is told later.

        Raises WitnessContradicts when one holds something else than the database, or less than it was told before.
        """
        told: list[Told] = []
        for witness in self.all:
            try:
                told.append(Told(name=witness.name, number=await self._bring(witness)))
            except WitnessUnavailable as error:
                told.append(Told(name=witness.name, number=await self._told_to(witness), problem=str(error)))
        return told

    async def set_aside_what_contradicts(self) -> list[str]:
        """Witnesses that hold something else than the database begin anew; says what each held.

        Raises WitnessUnavailable when one cannot be asked or told.
        """
        found: list[str] = []
        for witness in self.all:
            try:
                await self._agreed(witness)
            except WitnessContradicts as error:
                await witness.set_aside()
                async with self._database.transaction() as session:
                    await session.execute(delete(WitnessRow).where(WitnessRow.name == witness.name))
                found.append(error.message)
        return found

    async def contradictions(self) -> list[str]:
        """What witnesses hold that the database does not. Raises WitnessUnavailable when one cannot be asked."""
        found: list[str] = []
        for witness in self.all:
            try:
                await self._agreed(witness)
            except WitnessContradicts as error:
                found.append(error.message)
        return found

    async def _bring(self, witness: Witness) -> int:
        holds = await self._agreed(witness)
        while True:
            async with self._database.read() as session:
                page = await stored_checkpoints(session, after=holds, limit=_PAGE)
            if not page:
                return holds
            await witness.tell(page)
            await self._remember(witness, page[-1])
            holds = page[-1].number

    async def _agreed(self, witness: Witness) -> int:
        """The number up to which the witness and the database agree."""
        async with self._database.read() as session:
            known = await session.get(WitnessRow, witness.name)
        if not witness.asked:
            return 0 if known is None else known.number
        holds = await witness.newest()
        if holds is None:
            if known is not None:
                raise WitnessContradicts(f"{witness.name} is empty or gone; it was told up to {known.number}.")
            return 0
        async with self._database.read() as session:
            row = await session.get(CheckpointRow, holds.number)
            newest = await newest_checkpoint(session)
        if row is None:
            ours = "none" if newest is None else f"up to {newest.number}"
            raise WitnessContradicts(
                f"{witness.name} holds checkpoints up to {holds.number}, the database {ours}: it was rolled back."
            )
        if checkpoint_of(row).digest != holds.digest:
            raise WitnessContradicts(f"{witness.name} and the database differ in checkpoint {holds.number}.")
        if known is not None and known.number > holds.number:
            raise WitnessContradicts(
                f"{witness.name} holds checkpoints up to {holds.number} only; it was told up to {known.number}."
            )
        if known is None or known.number != holds.number:
            await self._remember(witness, holds)
        return holds.number

    async def _told_to(self, witness: Witness) -> int:
        async with self._database.read() as session:
            return await session.scalar(select(WitnessRow.number).where(WitnessRow.name == witness.name)) or 0

    async def _remember(self, witness: Witness, checkpoint: Checkpoint) -> None:
        values = {"number": checkpoint.number, "digest": checkpoint.digest, "at": now()}
        statement = insert(WitnessRow).values(name=witness.name, **values)
        async with self._database.transaction() as session:
            await session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
