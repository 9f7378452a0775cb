"""Signs the heads of the journal's chains with a key that never leaves Vault."""

import base64

from overseen.secrets.errors import VaultRefused
from overseen.secrets.vault_client import VaultClient

_KEY = "journal-head"


class HeadSigner:
    """Ed25519 through Vault's transit engine, key `journal-head`. Also a `journal.SignatureCheck`."""

    def __init__(self, vault: VaultClient) -> None:
        self._vault = vault

    async def sign(self, head_hash: str) -> str:
        """The signature of a head hash, as `vault:v1:...`. Raises VaultRefused and VaultUnavailable."""
        answer = await self._vault.write(f"transit/sign/{_KEY}", {"input": _encoded(head_hash)})
        return str(answer["data"]["signature"])

    async def verify(self, head_hash: str, signature: str) -> bool:
        """Whether `signature` is ours for `head_hash`. Raises VaultUnavailable when nobody can tell."""
        try:
            answer = await self._vault.write(
                f"transit/verify/{_KEY}", {"input": _encoded(head_hash), "signature": signature}
            )
        except VaultRefused as refused:
            if refused.context.get("status") == 400:
                return False  # not even the form of one of our signatures
            raise
        return bool(answer["data"]["valid"])


def _encoded(head_hash: str) -> str:
    return base64.b64encode(head_hash.encode()).decode()
