"""The token above all call tokens of a run: revoke it, and everything the run holds is gone."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from overseen.domain.identifiers import new_id
from overseen.errors import OverseenError
from overseen.secrets.credentials import CredentialSource
from overseen.secrets.errors import NotProven
from overseen.secrets.secret import Secret
from overseen.secrets.vault_client import VaultClient
from overseen.store.database import Database
from overseen.store.tables import RunTokenRecord, now

INTENT, ISSUED, REVOKING, CLOSED = "intent", "issued", "revoking", "closed"
_PATH = "auth/token/create/run"


@dataclass(frozen=True, kw_only=True)
class _RunToken:
    run_token_id: str
    token: Secret
    accessor: str
    ends_at: float
    """Seconds on the monotonic clock."""


class RunTokens:
    """Run tokens of this worker, in memory only; the ledger keeps their accessors."""

    def __init__(self, database: Database, vault: VaultClient, source: CredentialSource, *, worker_id: str) -> None:
        self._database = database
        self._vault = vault
        self._source = source
        self._worker_id = worker_id
        self._tokens: dict[str, _RunToken] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def token(self, run_id: str, *, for_seconds: float) -> Secret:
        """The run's token, made on first use, and made anew when it would end within `for_seconds`."""
        async with self._locks.setdefault(run_id, asyncio.Lock()):
            known = self._tokens.get(run_id)
            if known is None or known.ends_at - time.monotonic() < for_seconds:
                # The former one stays alive for the calls below it; it ends with the run or by itself.
                known = self._tokens[run_id] = await self._mint(run_id)
            return known.token

    async def end(self, run_id: str, *, reason: str = "run_ended") -> bool:
        """Revoke this worker's tokens of a run, with all below them. False when that is not proven yet."""
        self._tokens.pop(run_id, None)
        self._locks.pop(run_id, None)
        async with self._database.read() as session:
            rows = await session.scalars(
                select(RunTokenRecord).where(
                    RunTokenRecord.run_id == run_id,
                    RunTokenRecord.worker_id == self._worker_id,
                    RunTokenRecord.state != CLOSED,
                )
            )
            alive = list(rows.all())
        return all([await end_run_token(self._database, self._source, row, reason=reason) for row in alive])

    async def was_ended(self, run_id: str, token: Secret) -> bool:
        """Whether Vault no longer knows `token` of this run; the next one asked for is then a new one."""
        known = self._tokens.get(run_id)
        if known is None or known.token is not token:
            return True  # another call has found that out
        if not await self._source.verify_gone(known.accessor, ()):
            return False
        if self._tokens.get(run_id) is known:
            del self._tokens[run_id]
        return True

    async def _mint(self, run_id: str) -> _RunToken:
        run_token_id = new_id("runtoken")
        async with self._database.transaction() as session:
            session.add(
                RunTokenRecord(run_token_id=run_token_id, run_id=run_id, worker_id=self._worker_id, state=INTENT)
            )
        answer = await self._vault.write(
            _PATH,
            {
                "policies": ["run"],
                "display_name": run_id,
                "meta": {"run_id": run_id, "run_token_id": run_token_id, "worker_id": self._worker_id},
            },
        )
        auth = answer["auth"]
        lasts = float(auth["lease_duration"])
        async with self._database.transaction() as session:
            await session.execute(
                update(RunTokenRecord)
                .where(RunTokenRecord.run_token_id == run_token_id)
                .values(
                    state=ISSUED,
                    accessor=auth["accessor"],
                    issued_at=now(),
                    expires_at=datetime.now(UTC) + timedelta(seconds=lasts),
                )
            )
        return _RunToken(
            run_token_id=run_token_id,
            token=Secret(auth["client_token"]),
            accessor=auth["accessor"],
            ends_at=time.monotonic() + lasts,
        )


async def end_run_token(database: Database, source: CredentialSource, row: RunTokenRecord, *, reason: str) -> bool:
    """Revoke one run token and prove it gone; it stays `revoking` when that fails, and False is returned."""
    revoked_at = now()
    try:
        await source.revoke(row.accessor, ())
        if not await source.verify_gone(row.accessor, ()):
            raise NotProven("Vault knows the run's token still after it was revoked.")
    except OverseenError as error:
        await _set_state(database, row.run_token_id, REVOKING, f"{reason}; {error.code}", None)
        return False
    await _set_state(database, row.run_token_id, CLOSED, reason, revoked_at)
    return True


async def _set_state(
    database: Database, run_token_id: str, state: str, reason: str, revoked_at: datetime | None
) -> None:
    async with database.transaction() as session:
        values: dict[str, object] = {"state": state, "reason": reason[:200]}
        if revoked_at is not None:
            values |= {"revoked_at": revoked_at, "proven_gone_at": now()}
        await session.execute(
            update(RunTokenRecord)
            .where(RunTokenRecord.run_token_id == run_token_id, RunTokenRecord.state != CLOSED)
            .values(**values)
        )
