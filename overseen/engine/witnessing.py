"""The journal's witnesses of this installation: who they are, the service that tells them, and how they stand."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from overseen.domain.outcomes import ENDED
from overseen.engine.services import Turn
from overseen.errors import OverseenError, Unavailable
from overseen.journal import Journal, Signer, Witness, seal_or_leave
from overseen.journal.checkpointing import Checkpointer, newest_checkpoint
from overseen.journal.checkpoints import Checkpoint
from overseen.journal.errors import WitnessUnavailable
from overseen.journal.file_witness import FileWitness
from overseen.journal.url_witness import UrlWitness
from overseen.journal.witnesses import Told, Witnesses
from overseen.secrets.alone import alone
from overseen.secrets.connect import broker_vault
from overseen.secrets.vault_client import VaultClient
from overseen.secrets.vault_witness import VaultWitness
from overseen.settings import Settings
from overseen.store import Database
from overseen.store.tables import CheckpointLeaf, JournalHead, JournalRow, Run, WitnessRow, now

WITNESS_LOCK = 7_201_342
"""The advisory lock of whoever makes checkpoints."""
_UNSEALED_AFTER = timedelta(seconds=60)
_SEALED_AT_ONCE = 50
_TURNS_LATE = 6
_GRACE_SECONDS = 60.0


class AbsentWitness:
    """Stands for a witness that the settings name and this process cannot reach."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self.asked = True
        self._why = why

    async def newest(self) -> Checkpoint | None:
        """See Witness."""
        raise WitnessUnavailable(self._why)

    async def all(self) -> list[Checkpoint]:
        """See Witness."""
        raise WitnessUnavailable(self._why)

    async def tell(self, checkpoints: Sequence[Checkpoint]) -> None:  # noqa: ARG002 - the port's
        """See Witness."""
        raise WitnessUnavailable(self._why)

    async def set_aside(self) -> None:
        """See Witness."""
        raise WitnessUnavailable(self._why)


def configured_witnesses(settings: Settings, vault: VaultClient | None, *, why: str = "") -> list[Witness]:
    """The witnesses that the settings name. Without `vault` the one in Vault counts as away, for the reason `why`."""
    witnesses: list[Witness] = []
    if settings.witness_file is not None:
        witnesses.append(FileWitness(settings.witness_file))
    if settings.witness.vault:
        witnesses.append(
            AbsentWitness("vault", why) if vault is None else VaultWitness(vault, settings.witness.vault_name)
        )
    if settings.witness.append_file is not None:
        witnesses.append(FileWitness(settings.witness.append_file))
    if settings.witness.url is not None:
        chosen = settings.witness
        witnesses.append(UrlWitness(settings.witness.url, token_file=chosen.url_token_file, asked=chosen.url_asked))
    return witnesses


class WitnessService:
    """Seals chains that were left open, makes checkpoints, and tells the witnesses, in one worker at a time.

    Its row: number (of the newest checkpoint), made (in this turn), streams, entries, sealed, witnesses (what each
    holds), message (what is wrong).
    """

    name = "witness"

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        signer: Signer,
        witnesses: Sequence[Witness],
        interval_seconds: float = 10.0,
        idle_seconds: float = 900.0,
    ) -> None:
        self._database = database
        self._journal = journal
        self._signer = signer
        self._witnesses = Witnesses(database, witnesses)
        self._checkpointer = Checkpointer(database, signer)
        self._idle = timedelta(seconds=idle_seconds)
        self.interval_seconds = interval_seconds

    async def turn(self) -> Turn | None:
        """See Service. Raises JournalDamaged and WitnessContradicts: then nothing more is signed until somebody looked.

        None where another worker does it.
        """
        async with alone(self._database, WITNESS_LOCK) as mine:
            return await self._turn() if mine else None

    async def _turn(self) -> Turn:
        # Before anything is signed anew: a database that was rolled back must not go on as if nothing was.
        told = await self._witnesses.bring_up_to_date()
        sealed = await self._seal_what_was_left_open()
        newest = await self._checkpointer.newest()
        idle = newest is None or now() - newest.at > self._idle
        made = await self._checkpointer.make(even_if_nothing_moved=idle)
        if made:
            newest, told = made[-1], await self._witnesses.bring_up_to_date()
        problems = [f"{one.name}: {one.problem}" for one in told if one.problem]
        detail = {
            "number": newest.number if newest else 0,
            "made": len(made),
            "streams": newest.streams if newest else 0,
            "entries": newest.entries if newest else 0,
            "sealed": sealed,
            "witnesses": {one.name: one.number for one in told},
            **({"message": " ".join(problems)} if problems else {}),
        }
        return Turn(ok=not problems, detail=detail)

    async def _seal_what_was_left_open(self) -> int:
        """Runs that ended while the vault was away, or just before their worker died."""
        left = (
            select(Run.run_id)
            .join(JournalHead, JournalHead.stream == Run.run_id)
            .where(Run.state.in_(ENDED), Run.ended_at < now() - _UNSEALED_AFTER, JournalHead.closed.is_(False))
            .order_by(Run.ended_at)
            .limit(_SEALED_AT_ONCE)
        )
        async with self._database.read() as session:
            run_ids = (await session.scalars(left)).all()
        for run_id in run_ids:
            await seal_or_leave(self._database, self._journal, self._signer, run_id)
        return len(run_ids)


@dataclass(frozen=True, kw_only=True)
class WitnessStatus:
    """How the witnesses stand now.

    `number` and `age_seconds` are of the newest checkpoint, 0 and None before the first.
    `unwitnessed_seconds` is how long the oldest entry waits that no checkpoint covers; None when none waits.
    `problem` is empty when `ok`.
    """

    ok: bool
    number: int
    age_seconds: float | None
    unwitnessed_seconds: float | None
    witnesses: tuple[Told, ...]
    problem: str
    next_step: str = ""


async def witness_status(settings: Settings) -> WitnessStatus:
    """Ask the database and every witness that `settings` name. Says what is away instead of raising it.

    Raises Misconfigured when no database is named.
    """
    async with AsyncExitStack() as stack:
        database = Database(settings.database.sqlalchemy_url, pool_size=1)
        stack.push_async_callback(database.close)
        try:
            vault = broker_vault(settings.vault)
            stack.push_async_callback(vault.close)
            witnesses = configured_witnesses(settings, vault)
        except OverseenError as error:
            witnesses = configured_witnesses(settings, None, why=error.message)
        try:
            return await _status(settings, database, witnesses)
        except Unavailable as error:
            return _failed(error.message, error.next_step)


async def _status(settings: Settings, database: Database, witnesses: Sequence[Witness]) -> WitnessStatus:
    async with database.read() as session:
        newest = await newest_checkpoint(session)
        waiting = await session.scalar(
            select(func.min(JournalRow.at))
            .join(JournalHead, JournalHead.stream == JournalRow.stream)
            .outerjoin(CheckpointLeaf, CheckpointLeaf.stream == JournalRow.stream)
            .where(
                JournalHead.sequence > func.coalesce(CheckpointLeaf.sequence, 0),
                JournalRow.sequence == func.coalesce(CheckpointLeaf.sequence, 0) + 1,
            )
        )
        known = {row.name: row.number for row in (await session.scalars(select(WitnessRow))).all()}
    told = [await _ask(witness, newest, known.get(witness.name)) for witness in witnesses]
    waits = _seconds_since(waiting)
    problem = _problem(settings, newest, waits, told)
    return WitnessStatus(
        ok=not problem,
        number=newest.number if newest else 0,
        age_seconds=_seconds_since(newest.at) if newest else None,
        unwitnessed_seconds=waits,
        witnesses=tuple(told),
        problem=problem,
        next_step="Run `overseen journal verify`; the worker's row `witness` says what it met." if problem else "",
    )


async def _ask(witness: Witness, newest: Checkpoint | None, known: int | None) -> Told:
    if not witness.asked:
        return Told(name=witness.name, number=known or 0)
    try:
        holds = await witness.newest()
    except WitnessUnavailable as error:
        return Told(name=witness.name, number=known or 0, problem=str(error))
    if holds is None:
        return Told(name=witness.name, number=0, problem="it holds nothing")
    ours = newest.number if newest else 0
    problem = ""
    if holds.number > ours:
        problem = f"it holds checkpoints up to {holds.number}, the database up to {ours}: it was rolled back"
    elif known is not None and holds.number < known:
        problem = f"it holds checkpoints up to {holds.number} only, and was told up to {known}"
    return Told(name=witness.name, number=holds.number, problem=problem)


def _problem(settings: Settings, newest: Checkpoint | None, waits: float | None, told: Sequence[Told]) -> str:
    if newest is None:
        return "No checkpoint of the journal was ever made: is a worker running?"
    if not told:
        return "The settings name no witness outside the database."
    patience = _TURNS_LATE * settings.witness.interval_seconds + _GRACE_SECONDS
    idle = settings.witness.idle_seconds + patience
    if waits is not None and waits > patience:
        return f"Entries wait for a checkpoint since {waits:.0f} s."
    age = _seconds_since(newest.at)
    if age is not None and age > idle:
        return f"The last checkpoint is {age:.0f} s old: is a worker running?"
    return " ".join(f"{one.name}: {one.problem}." for one in told if one.problem)


def _failed(problem: str, next_step: str) -> WitnessStatus:
    return WitnessStatus(
        ok=False,
        number=0,
        age_seconds=None,
        unwitnessed_seconds=None,
        witnesses=(),
        problem=problem,
        next_step=next_step,
    )


def _seconds_since(at: datetime | None) -> float | None:
    return None if at is None else round(max(0.0, (now() - at).total_seconds()), 1)
