"""The canary: an authenticated request every few seconds.

Vault's health endpoint says all is well when it is not: with a full audit disk `sys/health` answers 200 while every
authenticated request fails. The clocks are compared too: a lease is as long as both sides agree it is.
"""

import time
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from overseen.errors import OverseenError
from overseen.journal import SYSTEM, Journal
from overseen.journal.events import PartFailed
from overseen.secrets.vault_client import VaultClient
from overseen.store.database import Database
from overseen.store.tables import now

MOST_SKEW_SECONDS = 5.0
"""Clocks further apart than this make leases end too early or too late."""

_PART = "vault"


@dataclass(frozen=True, kw_only=True)
class CanaryReport:
    """How one try went. Skews are the other side's clock minus ours, in seconds; None when it did not answer."""

    ok: bool
    at: datetime
    seconds: float
    error_code: str | None = None
    message: str | None = None
    vault_skew_seconds: float | None = None
    database_skew_seconds: float | None = None


class Canary:
    """Tries Vault as the broker does, and tells the journal when it dies and when it comes back."""

    def __init__(self, *, database: Database, journal: Journal, vault: VaultClient) -> None:
        self._database = database
        self._journal = journal
        self._vault = vault
        self.last: CanaryReport | None = None

    async def sing(self) -> CanaryReport:
        """One try; the report says how it went. Raises Unavailable only when the journal is down."""
        report = await self._try()
        was_ok = self.last is None or self.last.ok
        if was_ok != report.ok:
            state = "up" if report.ok else "down"
            event = PartFailed(part=_PART, state=state, message=report.message or "Vault answers again.")
            await self._journal.append(event, stream=SYSTEM, actor="service:canary")
        self.last = report
        return report

    async def _try(self) -> CanaryReport:
        at, started = now(), time.monotonic()
        try:
            await self._vault.read("auth/token/lookup-self")
            vault_skew = await self._vault_skew()
            database_skew = await self._database_skew()
        except OverseenError as error:
            seconds = round(time.monotonic() - started, 3)
            return CanaryReport(ok=False, at=at, seconds=seconds, error_code=error.code, message=error.message)
        seconds = round(time.monotonic() - started, 3)
        skewed = max(abs(vault_skew), abs(database_skew)) > MOST_SKEW_SECONDS
        message = "The clocks of this machine, Vault and database differ by more than 5 s." if skewed else None
        return CanaryReport(
            ok=not skewed,
            at=at,
            seconds=seconds,
            error_code="clock_skew" if skewed else None,
            message=message,
            vault_skew_seconds=vault_skew,
            database_skew_seconds=database_skew,
        )

    async def _vault_skew(self) -> float:
        """Vault tells whole seconds, so anything below one is none."""
        skew = await self._vault.server_time() - time.time()
        return 0.0 if abs(skew) < 1.0 else round(skew, 1)

    async def _database_skew(self) -> float:
        async with self._database.read() as session:
            theirs = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        return round((theirs - now()).total_seconds(), 3)
