"""The canary tells whether Vault really serves, and whether the clocks agree."""

import time

import pytest

from overseen.journal import SYSTEM, Journal
from overseen.secrets.canary import Canary
from overseen.secrets.secret import Secret
from overseen.secrets.vault_client import AppRoleLogin, VaultClient
from overseen.store import Database


async def test_it_lives_while_vault_serves(database: Database, journal: Journal, vault: VaultClient) -> None:
    report = await Canary(database=database, journal=journal, vault=vault).sing()
    assert report.ok
    assert report.vault_skew_seconds == 0.0
    assert await journal.entries(SYSTEM) == []


async def test_it_dies_with_vault_and_comes_back_and_both_are_told_once(
    database: Database, journal: Journal, vault: VaultClient
) -> None:
    nowhere = VaultClient("http://127.0.0.1:9", AppRoleLogin(role_id="x", secret_id=Secret("x")), timeout_seconds=0.5)
    canary = Canary(database=database, journal=journal, vault=nowhere)
    assert (await canary.sing()).error_code == "vault_unavailable"
    await canary.sing()
    canary._vault = vault
    assert (await canary.sing()).ok
    await canary.sing()
    assert [entry.payload["state"] for entry in await journal.entries(SYSTEM)] == ["down", "up"]
    await nowhere.close()


async def test_it_dies_when_the_clocks_differ(
    database: Database, journal: Journal, vault: VaultClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ahead() -> float:
        return time.time() + 60

    monkeypatch.setattr(vault, "server_time", ahead)
    report = await Canary(database=database, journal=journal, vault=vault).sing()
    assert (report.ok, report.error_code) == (False, "clock_skew")
