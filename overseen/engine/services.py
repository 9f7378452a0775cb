"""Services that run beside the work in every worker: canary, sweeper, reconciler, reaper.

Each takes a turn, says how it went in a row of its own, and rests. What one of them does wrong ends neither the worker
nor the others: it is in the log and the journal, and the next turn comes later.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from overseen.domain.canonical import plain
from overseen.engine.reaper import Reaper
from overseen.errors import Defect, Misconfigured, OverseenError
from overseen.journal import SYSTEM, Journal
from overseen.journal.events import PartFailed
from overseen.secrets.alarm import UnauthorizedEffects
from overseen.secrets.alone import alone
from overseen.secrets.audit_log import AuditLog
from overseen.secrets.canary import Canary
from overseen.secrets.kill import KillSwitch
from overseen.secrets.reconciler import Look, Mounts, Reconciler
from overseen.secrets.sightings import KeptMemory
from overseen.secrets.sweeper import Sweeper
from overseen.secrets.vault_client import VaultClient
from overseen.store import Database
from overseen.store.tables import JournalRow, ServiceReport, now

_LOG = logging.getLogger(__name__)

_RECONCILER_LOCK = 7_201_341
_LONGEST_REST_SECONDS = 60.0
_MOST_DOUBLINGS = 6
_JUST_NOW = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """How one turn went. `detail` is kept in the service's row: numbers and words of the house, never content."""

    ok: bool
    detail: Mapping[str, Any]


class Service(Protocol):
    """Something to do again and again."""

    name: str
    interval_seconds: float

    async def turn(self) -> Turn | None:
        """One turn; None when there is nothing to tell. Raises OverseenError for what may well happen."""
        ...


class ServiceKeeper:
    """Runs the services of one worker."""

    def __init__(self, *, database: Database, journal: Journal, worker_id: str) -> None:
        self._database = database
        self._journal = journal
        self._worker_id = worker_id

    async def keep(self, service: Service) -> None:
        """Turn after turn until cancelled. After an unexpected error the rests get longer, up to a minute."""
        failures = 0
        while True:
            try:
                await self._take(service)
            except Exception as error:  # noqa: BLE001 - told in the log, the journal and the service's row
                _LOG.exception("the service %s failed", service.name)
                if failures == 0:
                    await self._tell(service.name, "down", _name(error))
                failures += 1
            else:
                if failures:
                    await self._tell(service.name, "up", "It works again.")
                failures = 0
            longer = service.interval_seconds * 2 ** min(failures, _MOST_DOUBLINGS)
            await asyncio.sleep(min(longer, max(_LONGEST_REST_SECONDS, service.interval_seconds)))

    async def _take(self, service: Service) -> None:
        try:
            turn = await service.turn()
        except Exception as error:
            if isinstance(error, Defect) or not isinstance(error, OverseenError):
                detail = {"error_code": Defect.code, "message": _name(error)}
                await self._report(service.name, Turn(ok=False, detail=detail))
                raise
            _LOG.warning("%s will be tried again: %s", service.name, error)
            turn = Turn(ok=False, detail=_words(error))
        if turn is not None:
            await self._report(service.name, turn)

    async def _report(self, name: str, turn: Turn) -> None:
        values = {"worker_id": self._worker_id, "at": now(), "ok": turn.ok, "detail": plain(dict(turn.detail))}
        statement = insert(ServiceReport).values(name=name, **values)
        try:
            async with self._database.transaction() as session:
                await session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
        except OverseenError as error:
            _LOG.warning("the report of %s could not be written: %s", name, error)

    async def _tell(self, name: str, state: str, message: str) -> None:
        try:
            event = PartFailed(part=name, state=state, message=message)
            await self._journal.append(event, stream=SYSTEM, actor=f"worker:{self._worker_id}")
        except Exception:  # noqa: BLE001 - the journal may be what is broken; the log has it
            _LOG.exception("that %s is %s could not be written to the journal", name, state)


def _words(error: OverseenError) -> dict[str, Any]:
    return {"error_code": error.code, "message": error.message, "next_step": error.next_step}


def _name(error: Exception) -> str:
    return f"{type(error).__name__}; the worker's log has the rest."


class CanaryService:
    """Tells whether Vault really serves. Its row: seconds, error_code, message and the skews of the clocks."""

    name = "canary"
    interval_seconds = 5.0

    def __init__(self, canary: Canary) -> None:
        self._canary = canary

    async def turn(self) -> Turn:
        """See Service."""
        report = await self._canary.sing()
        told = asdict(report)
        return Turn(ok=report.ok, detail={name: told[name] for name in told if name not in ("ok", "at")})


class SweeperService:
    """Ends what was left behind, and proves what kill switches could not.

    Its row: closed, remaining, run_tokens_closed, strays_ended, stops_proven.
    """

    name = "sweeper"
    interval_seconds = 10.0

    def __init__(self, sweeper: Sweeper, kill_switch: KillSwitch) -> None:
        self._sweeper = sweeper
        self._kill_switch = kill_switch

    async def turn(self) -> Turn | None:
        """See Service."""
        report = await self._sweeper.sweep()
        if report.busy:
            return None  # another worker's sweeper tells
        detail = {
            "closed": len(report.closed),
            "remaining": len(report.remaining),
            "run_tokens_closed": report.run_tokens_closed,
            "strays_ended": report.strays_ended,
            "stops_proven": await self._kill_switch.finish(),
        }
        return Turn(ok=not report.remaining, detail=detail)


class ReconcilerService:
    """Compares Vault's records with the ledger, in one worker at a time; a restart goes on where the last one stopped.

    Its row: findings (all there ever were), new_findings, entries (read in this turn), lag_seconds and lag_bytes
    (of Vault's records that were not read yet), lost_place (lines may be missing: a rotated file is gone).
    """

    name = "reconciler"
    interval_seconds = 5.0

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        killswitch: VaultClient,
        audit_file: Path | None,
        mounts: Mounts = Mounts(),  # noqa: B008 - frozen
        alarm: UnauthorizedEffects | None = None,
    ) -> None:
        self._database = database
        self._journal = journal
        self._killswitch = killswitch
        self._audit_file = audit_file
        self._mounts = mounts
        self._alarm = alarm

    async def turn(self) -> Turn | None:
        """See Service. Raises Misconfigured when the settings name no audit file, or it cannot be read.

        Not where a worker nearer to Vault does it.
        """
        try:
            if self._audit_file is None:
                raise Misconfigured(
                    "The settings do not say where Vault's audit file is.",
                    not_done="Nothing was reconciled.",
                    next_step="Set OVERSEEN_VAULT_AUDIT_FILE to a file this worker can read.",
                )
            async with alone(self._database, _RECONCILER_LOCK) as mine:
                return await self._reconcile(self._audit_file) if mine else None
        except Misconfigured:
            if await self._was_reconciled_just_now():
                return None
            raise

    async def _reconcile(self, audit_file: Path) -> Turn:
        memory = KeptMemory(self._database)
        kept = await memory.open()
        audit_log = AuditLog(audit_file, kept.place)
        reconciler = Reconciler(
            database=self._database,
            journal=self._journal,
            killswitch=self._killswitch,
            audit_log=audit_log,
            since=kept.since,
            memory=memory,
            mounts=self._mounts,
            alarm=self._alarm,
        )
        look = await reconciler.look()
        return Turn(
            ok=True,
            detail={
                "findings": await self._findings(),
                "new_findings": look.new,
                "entries": look.entries,
                "lag_seconds": _lag_seconds(look),
                "lag_bytes": look.unread_bytes,
                "lost_place": audit_log.lost_place,
            },
        )

    async def _was_reconciled_just_now(self) -> bool:
        async with self._database.read() as session:
            last = await session.get(ServiceReport, self.name)
            return last is not None and last.ok and now() - last.at < _JUST_NOW

    async def _findings(self) -> int:
        async with self._database.read() as session:
            counted = select(func.count()).select_from(JournalRow).where(JournalRow.kind == "ReconcilerFinding")
            return (await session.execute(counted)).scalar_one()


def _lag_seconds(look: Look) -> float:
    """How old the last line is that was read, while there are others."""
    if not look.unread_bytes or look.last_entry_at is None:
        return 0.0
    return round(max(0.0, (now() - look.last_entry_at).total_seconds()), 1)


class ReaperService:
    """Puts the work of dead workers back. It has no row: what it did is in the log."""

    name = "reaper"
    interval_seconds = 1.0

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper

    async def turn(self) -> None:
        """See Service."""
        await self._reaper.reap()
