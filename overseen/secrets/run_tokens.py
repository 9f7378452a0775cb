"""The token above all call tokens of a run: revoke it, and everything the run holds is gone."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from overseen.domain.identifiers import new_id
from overseen.errors import Misconfigured, OverseenError
from overseen.secrets.credentials import CredentialSource
from overseen.secrets.errors import NotProven
from overseen.secrets.secret import Secret
from overseen.secrets.vault_client import VaultClient
from overseen.store.database import Database
from overseen.store.tables import RunTokenRecord, now

INTENT, ISSUED, REVOKING, CLOSED = "intent", "issued", "revoking", "closed"
_PATH, _EFFECTS_PATH = "auth/token/create/run", "auth/token/create/run-effects"


@dataclass(frozen=True, kw_only=True)
class _RunToken:
    run_token_id: str
    token: Secret
    accessor: str
    ends_at: float
    """Seconds on the monotonic clock."""


class RunTokens:
    """Run tokens of this worker, in memory only; the ledger keeps their accessors.

    A run has up to two: below the one that `vault` makes, calls can only read; the other, which only `effects_vault`
    can make, is for calls with an authorization.
    """

    def __init__(
        self,
        database: Database,
        vault: VaultClient,
        source: CredentialSource,
        *,
        worker_id: str,
        effects_vault: VaultClient | None = None,
    ) -> None:
        self._database = database
        self._vault = vault
        self._effects_vault = effects_vault
        self._source = source
        self._worker_id = worker_id
        self._tokens: dict[tuple[str, bool], _RunToken] = {}
        self._made: dict[str, dict[str, Secret]] = {}
        """Every token of a run by accessor, former ones too: only the token itself ends it."""
        self._locks: dict[tuple[str, bool], asyncio.Lock] = {}

    async def token(self, run_id: str, *, for_seconds: float, effects: bool = False) -> Secret:
        """The run's token, made on first use, and made anew when it would end within `for_seconds`.

        `effects`: the one for calls with an authorization. Misconfigured when this process has no login for it.
        """
        key = (run_id, effects)
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._tokens.get(key)
            if known is None or known.ends_at - time.monotonic() < for_seconds:
                # The former one stays alive for the calls below it; it ends with the run or by itself.
                known = self._tokens[key] = await self._mint(run_id, effects=effects)
            return known.token

    async def end(self, run_id: str, *, reason: str = "run_ended") -> bool:
        """Revoke this worker's tokens of a run, with all below them. False when that is not proven yet."""
        for key in ((run_id, False), (run_id, True)):
            self._tokens.pop(key, None)
            self._locks.pop(key, None)
        made = self._made.pop(run_id, {})
        async with self._database.read() as session:
            rows = await session.scalars(
                select(RunTokenRecord).where(
                    RunTokenRecord.run_id == run_id,
                    RunTokenRecord.worker_id == self._worker_id,
                    RunTokenRecord.state != CLOSED,
                )
            )
            alive = list(rows.all())
        ended = [await self._end(row, reason, made) for row in alive]
        return all(ended)

    async def _end(self, row: RunTokenRecord, reason: str, made: Mapping[str, Secret]) -> bool:
        if row.accessor is None:
            # The answer to its making never came: only the sweeper, which may list tokens, can find it.
            await _set_state(
                self._database, row.run_token_id, REVOKING, f"{reason}; its making was never answered", None
            )
            return False
        token = made.get(row.accessor)
        return await end_run_token(self._database, self._source, row, reason=reason, token=token)

    async def was_ended(self, run_id: str, token: Secret) -> bool:
        """Whether Vault no longer knows `token` of this run; the next one asked for is then a new one."""
        key = next((key for key, known in self._tokens.items() if key[0] == run_id and known.token is token), None)
        if key is None:
            return True  # another call has found that out
        known = self._tokens[key]
        if not await self._source.verify_gone(known.accessor, ()):
            return False
        if self._tokens.get(key) is known:
            del self._tokens[key]
        return True

    def _minting(self, *, effects: bool) -> tuple[VaultClient, str]:
        if not effects:
            return self._vault, _PATH
        if self._effects_vault is None:
            raise Misconfigured(
                "This process has no login for effects in Vault.",
                not_done="No credential was given and the tool was not called.",
                next_step="Make the policies and logins that `overseen vault policy` prints, and set "
                "OVERSEEN_VAULT_EFFECTS_ROLE_ID and OVERSEEN_VAULT_EFFECTS_SECRET_ID.",
            )
        return self._effects_vault, _EFFECTS_PATH

    async def _mint(self, run_id: str, *, effects: bool) -> _RunToken:
        vault, path = self._minting(effects=effects)
        run_token_id = new_id("runtoken")
        async with self._database.transaction() as session:
            session.add(
                RunTokenRecord(run_token_id=run_token_id, run_id=run_id, worker_id=self._worker_id, state=INTENT)
            )
        answer = await vault.write(
            path,
            {
                "display_name": run_id,
                "meta": {"run_id": run_id, "run_token_id": run_token_id, "worker_id": self._worker_id},
            },
        )
        auth = answer["auth"]
        self._made.setdefault(run_id, {})[auth["accessor"]] = Secret(auth["client_token"])
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


async def end_run_token(
    database: Database, source: CredentialSource, row: RunTokenRecord, *, reason: str, token: Secret | None = None
) -> bool:
    """Revoke one run token and prove it gone; it stays `revoking` when that fails, and False is returned.

    Without `token` by its accessor, which takes the kill switch's login.
    """
    revoked_at = now()
    try:
        await source.revoke(row.accessor, (), token=token)
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
