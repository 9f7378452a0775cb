"""Signs the journal with a key that never leaves Vault, and checks signatures with its public half."""

import base64
import binascii
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from overseen.secrets.errors import VaultRefused
from overseen.secrets.vault_client import VaultClient

_KEY = "journal-head"
_PREFIX = "vault:v"


class HeadSigner:
    """Ed25519 through Vault's transit engine, key `journal-head`. Also a `journal.SignatureCheck`."""

    def __init__(self, vault: VaultClient) -> None:
        self._vault = vault

    async def sign(self, text: str, /) -> str:
        """The signature of `text` (a head hash, or what a checkpoint signs), as `vault:v1:...`.

        Raises VaultRefused and VaultUnavailable.
        """
        answer = await self._vault.write(f"transit/sign/{_KEY}", {"input": _encoded(text)})
        return str(answer["data"]["signature"])

    async def verify(self, text: str, signature: str) -> bool:
        """Whether `signature` is ours for `text`, as Vault says. Raises VaultUnavailable when nobody can tell.

        For many of them use `SignatureReader`.
        """
        try:
            answer = await self._vault.write(
                f"transit/verify/{_KEY}", {"input": _encoded(text), "signature": signature}
            )
        except VaultRefused as refused:
            if refused.context.get("status") == 400:
                return False  # not even the form of one of our signatures
            raise
        return bool(answer["data"]["valid"])


class SignatureReader:
    """Checks signatures here, with the public keys that Vault gave once: a million of them cost Vault nothing."""

    def __init__(self, keys: Mapping[int, Ed25519PublicKey]) -> None:
        self._keys = keys

    @classmethod
    async def ask(cls, vault: VaultClient) -> "SignatureReader":
        """Ask Vault for all versions of the key. Raises VaultRefused and VaultUnavailable."""
        answer = await vault.read(f"transit/keys/{_KEY}")
        keys = answer["data"]["keys"]
        return cls(
            {
                int(version): Ed25519PublicKey.from_public_bytes(base64.b64decode(key["public_key"]))
                for version, key in keys.items()
            }
        )

    async def verify(self, text: str, signature: str) -> bool:
        """Whether `signature` is ours for `text`."""
        version, colon, encoded = signature.removeprefix(_PREFIX).partition(":")
        if not signature.startswith(_PREFIX) or not colon or not (version.isascii() and version.isdigit()):
            return False
        key = self._keys.get(int(version))
        if key is None:
            return False
        try:
            key.verify(base64.b64decode(encoded, validate=True), text.encode())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
