"""The canary tells whether Vault really serves, and whether the clocks agree."""

import time

import pytest

from overseen.journal import SYSTEM, Journal
from overseen.journal.events import DoorRequest
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.canary import Canary
from overseen.secrets.least_privilege import least_privilege
from overseen.secrets.secret import Secret
from overseen.secrets.vault_client import AppRoleLogin, VaultClient
from overseen.store import Database
from tests.contract.secrets.conftest import READ, make_call


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


async def test_grants_are_reported_with_their_use(broker: LeaseBroker, database: Database) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30) as lease:
        lease.credential("insurer_read")
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        pass
    [privilege] = await least_privilege(database)
    assert (privilege.tool, privilege.grant, privilege.leases, privilege.used) == (
        "look_up_policy",
        "insurer_read",
        2,
        1,
    )
    assert privilege.paths == ("database/creds/insurer-read",)
    assert 0 < privilege.longest_seconds < privilege.granted_seconds


async def test_the_report_names_the_tables_that_doors_told_of(
    database: Database, journal: Journal, broker: LeaseBroker
) -> None:
    call = make_call()
    async with broker.lease(call, [READ], wall_seconds=30) as lease:
        lease.credential("insurer_read")
        told = {
            "kind": "database",
            "resource": "insurer",
            "tables": {"public.policies": ["select"]},
            "allowed": {"public.policies": ["select"], "public.claims": ["select"]},
        }
        event = DoorRequest(call_id=call.call_id, door="insurer_read", allowed=True, detail=told)
        await journal.append(event, stream=call.run_id, actor="agent:policy_lookup")
    [privilege] = await least_privilege(database)
    assert privilege.tables == {"public.policies": ("select",)}
    assert set(privilege.allowed) == {"public.claims", "public.policies"}
