"""Finding in Vault what no ledger row points to yet: tokens by their metadata, database leases by elimination.

Needs the kill switch's login, which may list accessors and leases.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from overseen.secrets.errors import VaultRefused
from overseen.secrets.vault_client import VaultClient

_AT_ONCE = 12
_INVALID_ACCESSOR = "invalid accessor"
_INVALID_LEASE = "invalid lease"


@dataclass(frozen=True, kw_only=True)
class FoundToken:
    """A living token that carries our metadata."""

    accessor: str
    meta: Mapping[str, str]
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class FoundLease:
    """A living lease below a prefix."""

    vault_lease: str
    issued_at: datetime


class VaultSearch:
    """Look-ups over all that lives in Vault. Raises VaultRefused and VaultUnavailable."""

    def __init__(self, vault: VaultClient) -> None:
        self._vault = vault
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def tokens(self) -> list[FoundToken]:
        """Every living token with metadata of ours (a lease_id or a run_token_id).

        A request that was cut off inside Vault can leave an accessor without its token, whose look-up is then denied.
        This login's own token is always among those listed: when no look-up succeeds, it is the login that may not.
        """
        accessors = await self._vault.list("auth/token/accessors")
        found = await asyncio.gather(*(self._look_up(accessor) for accessor in accessors))
        denied = [answer for answer in found if isinstance(answer, VaultRefused)]
        if denied and not any(isinstance(answer, dict) for answer in found):
            raise denied[0]
        return [token for answer in found if isinstance(answer, dict) and (token := _found(answer)) is not None]

    async def database_leases(self, paths: Sequence[str], *, known: Collection[str]) -> list[FoundLease]:
        """Living leases below credential paths (`database/creds/insurer-read`) that are not among `known`."""
        found: list[FoundLease] = []
        for path in paths:
            for key in await self._vault.list(f"sys/leases/lookup/{path}/"):
                vault_lease = f"{path}/{key}"
                if vault_lease not in known and (lease := await self._lease(vault_lease)) is not None:
                    found.append(lease)
        return found

    async def _look_up(self, accessor: str) -> dict[str, Any] | VaultRefused | None:
        async with self._at_once:
            try:
                answer = await self._vault.write("auth/token/lookup-accessor", {"accessor": accessor})
            except VaultRefused as refused:
                if _INVALID_ACCESSOR in str(refused.context.get("said")):
                    return None  # it ended between the list and the look-up
                return refused
        return dict(answer["data"])

    async def _lease(self, vault_lease: str) -> FoundLease | None:
        try:
            answer = await self._vault.write("sys/leases/lookup", {"lease_id": vault_lease})
        except VaultRefused as refused:
            if _INVALID_LEASE in str(refused.context.get("said")):
                return None
            raise
        issued_at = datetime.fromisoformat(answer["data"]["issue_time"])
        return FoundLease(vault_lease=vault_lease, issued_at=issued_at)


def _found(data: Mapping[str, Any]) -> FoundToken | None:
    meta = data.get("meta") or {}
    if "lease_id" not in meta and "run_token_id" not in meta:
        return None
    created_at = datetime.fromtimestamp(data["creation_time"], UTC)
    return FoundToken(accessor=data["accessor"], meta=meta, created_at=created_at)
