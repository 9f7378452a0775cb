"""A witness in Vault's key-value store: the newest checkpoint, in a secret whose versions Vault numbers."""

import json
from collections.abc import Sequence

from overseen.journal.checkpoints import Checkpoint, read_line
from overseen.journal.errors import WitnessUnavailable
from overseen.secrets.errors import VaultRefused, VaultUnavailable
from overseen.secrets.vault_client import VaultClient

WITNESS_PATHS = "kv/data/overseen/witness/"
_NOT_FOUND = 404


class VaultWitness:
    """Keeps the newest checkpoint, without the heads that moved, at kv/overseen/witness/<name>.

    Written by check-and-set, so that two writers cannot overwrite each other unseen.
    """

    def __init__(self, vault: VaultClient, name: str) -> None:
        self._vault = vault
        self._path = WITNESS_PATHS + name
        self.name = f"vault {self._path}"
        self.asked = True

    async def newest(self) -> Checkpoint | None:
        """See Witness."""
        checkpoint, _ = await self._kept()
        return checkpoint

    async def all(self) -> list[Checkpoint]:
        """See Witness. Only the newest."""
        newest = await self.newest()
        return [] if newest is None else [newest]

    async def tell(self, checkpoints: Sequence[Checkpoint]) -> None:
        """See Witness. The last one is kept."""
        _, version = await self._kept()
        data = {"checkpoint": checkpoints[-1].without_moved().line()}
        try:
            await self._vault.write(self._path, {"data": data, "options": {"cas": version}})
        except (VaultRefused, VaultUnavailable) as error:
            raise self._unavailable("write", error) from error

    async def set_aside(self) -> None:
        """See Witness. What it held stays in the secret, under `set_aside`, and in its older versions."""
        kept, version = await self._kept()
        line = "" if kept is None else kept.line()
        try:
            await self._vault.write(
                self._path, {"data": {"checkpoint": "", "set_aside": line}, "options": {"cas": version}}
            )
        except (VaultRefused, VaultUnavailable) as error:
            raise self._unavailable("write", error) from error

    async def _kept(self) -> tuple[Checkpoint | None, int]:
        """What is kept, and the version of the secret; 0 before the first."""
        try:
            answer = (await self._vault.read(self._path))["data"]
        except VaultRefused as refused:
            if refused.context.get("status") == _NOT_FOUND:
                return None, 0
            raise self._unavailable("read", refused) from refused
        except VaultUnavailable as error:
            raise self._unavailable("read", error) from error
        try:
            line, version = answer["data"]["checkpoint"], int(answer["metadata"]["version"])
            return (read_line(line) if line else None), version
        except (KeyError, TypeError, ValueError, json.JSONDecodeError) as error:
            raise WitnessUnavailable(f"What is kept at {self._path} is no checkpoint.") from error

    def _unavailable(self, what: str, error: VaultRefused | VaultUnavailable) -> WitnessUnavailable:
        return WitnessUnavailable(
            f"Vault does not let us {what} {self._path}: {error.message}",
            next_step="Give the broker's login the newest policy (`overseen vault policy`), or see why Vault is away.",
        )
