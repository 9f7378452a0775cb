"""Heads of chains are signed by a key that never leaves Vault."""

import pytest

from overseen.secrets.signer import HeadSigner
from overseen.secrets.vault_client import VaultClient

HEAD = "ab" * 32


async def test_a_signature_is_ours_for_its_head_and_no_other(vault: VaultClient) -> None:
    signer = HeadSigner(vault)
    signature = await signer.sign(HEAD)
    assert await signer.verify(HEAD, signature)
    assert not await signer.verify("cd" * 32, signature)


@pytest.mark.parametrize("forged", ["", "vault:v1:AAAA", "no signature at all"])
async def test_a_forged_signature_is_not_ours(vault: VaultClient, forged: str) -> None:
    assert not await HeadSigner(vault).verify(HEAD, forged)
