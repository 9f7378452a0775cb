"""Vault's own records and the ledger agree, or it is found out by name."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hvac
import pytest
import pytest_asyncio
from sqlalchemy import update

from overseen.domain.identifiers import new_id
from overseen.journal import SYSTEM, Journal
from overseen.secrets.anomalies import Anomaly
from overseen.secrets.audit_log import AuditLog
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.credentials import MintedToken, VaultCredentials
from overseen.secrets.errors import LeaseLost, VaultRefused
from overseen.secrets.grants import Asked
from overseen.secrets.reconciler import Reconciler
from overseen.secrets.run_tokens import RunTokens
from overseen.secrets.secret import Secret
from overseen.secrets.sightings import KeptMemory
from overseen.secrets.vault_client import VaultClient
from overseen.secrets.vault_trail import Trace, vault_trail
from overseen.settings import ResourceSettings
from overseen.store import Database
from overseen.store.tables import LeaseRecord, now
from tests.contract.secrets.conftest import READ, make_call
from tests.contract.secrets.test_broker import rows
from tests.stack_fixtures import RunningOpenBao


class Restarted:
    """A reconciler that is made anew for every look, and goes on from what the former one kept."""

    def __init__(self, database: Database, journal: Journal, killswitch: VaultClient, audit_file: Path) -> None:
        self._database = database
        self._journal = journal
        self._killswitch = killswitch
        self._audit_file = audit_file

    async def reconcile(self) -> list[Anomaly]:
        memory = KeptMemory(self._database)
        kept = await memory.open()
        fresh = Reconciler(
            database=self._database,
            journal=self._journal,
            killswitch=self._killswitch,
            audit_log=AuditLog(self._audit_file, kept.place),
            since=kept.since,
            memory=memory,
        )
        return await fresh.reconcile()


@pytest_asyncio.fixture(params=["one", "restarted for every look"])
async def reconciler(
    request: pytest.FixtureRequest,
    database: Database,
    journal: Journal,
    killswitch: VaultClient,
    openbao_server: RunningOpenBao,
) -> Reconciler | Restarted:
    audit_file = openbao_server.server.audit_file
    if request.param == "one":
        return Reconciler(
            database=database,
            journal=journal,
            killswitch=killswitch,
            audit_log=AuditLog(audit_file),
            since=datetime.now(UTC),
        )
    await KeptMemory(database).open()  # from here on
    return Restarted(database, journal, killswitch, audit_file)


@pytest.fixture
def source(vault: VaultClient, resources: dict[str, ResourceSettings]) -> VaultCredentials:
    return VaultCredentials(vault, resources)


@pytest.fixture
def ending(killswitch: VaultClient, resources: dict[str, ResourceSettings]) -> VaultCredentials:
    """With the login that may end what it did not make."""
    return VaultCredentials(killswitch, resources)


async def names(reconciler: Reconciler | Restarted) -> list[str]:
    return [anomaly.name.value for anomaly in await reconciler.reconcile()]


async def rogue(database: Database, vault: VaultClient, source: VaultCredentials, lease_id: str) -> MintedToken:
    """A token below a run's token that the broker did not mint."""
    call = make_call()
    parent = await RunTokens(database, vault, source, worker_id="worker-1").token(call.run_id, for_seconds=60)
    return await source.mint(Asked(lease_id=lease_id, call=call, grant=READ, ttl_seconds=60), parent)


@pytest.fixture
def kept_token(broker: LeaseBroker, monkeypatch: pytest.MonkeyPatch) -> list[Secret]:
    """Tokens of the broker's calls, as a thief would have them."""
    stolen: list[Secret] = []
    mint = broker._source.mint

    async def keep(asked: Asked, parent: Secret) -> MintedToken:
        minted = await mint(asked, parent)
        stolen.append(minted.token)
        return minted

    monkeypatch.setattr(broker._source, "mint", keep)
    return stolen


async def test_an_ordinary_day_has_no_findings(broker: LeaseBroker, reconciler: Reconciler) -> None:
    async def work() -> None:
        async with broker.lease(make_call(), [READ], wall_seconds=30):
            await asyncio.sleep(0.05)

    calls = asyncio.gather(*(work() for _ in range(8)))
    found: list[str] = []
    while not calls.done():
        found += await names(reconciler)
    await calls
    assert found + await names(reconciler) == []


@pytest.mark.anomalies
async def test_a_token_the_ledger_does_not_know(
    reconciler: Reconciler, database: Database, vault: VaultClient, source: VaultCredentials
) -> None:
    await rogue(database, vault, source, new_id("lease"))
    assert await names(reconciler) == ["VAULT_ONLY_TOKEN"]


@pytest.mark.anomalies
async def test_a_token_that_borrows_the_id_of_a_lease(
    reconciler: Reconciler, broker: LeaseBroker, database: Database, vault: VaultClient, source: VaultCredentials
) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30) as lease:
        await rogue(database, vault, source, lease.lease_id)
    assert await names(reconciler) == ["VAULT_ONLY_TOKEN"]


@pytest.mark.anomalies
async def test_a_lease_the_ledger_does_not_know(
    reconciler: Reconciler,
    database: Database,
    vault: VaultClient,
    source: VaultCredentials,
    ending: VaultCredentials,
) -> None:
    minted = await rogue(database, vault, source, new_id("lease"))
    await source.fetch(READ, minted)
    assert sorted(await names(reconciler)) == ["VAULT_ONLY_LEASE", "VAULT_ONLY_TOKEN"]
    await ending.revoke(minted.accessor, ())


@pytest.mark.anomalies
async def test_a_row_of_a_credential_that_vault_never_made(
    reconciler: Reconciler, broker: LeaseBroker, database: Database
) -> None:
    async with broker.lease(make_call(), [], wall_seconds=30):
        pass
    row = (await rows(database))[0]
    async with database.transaction() as session:
        session.add(
            LeaseRecord(
                **{
                    c.key: getattr(row, c.key)
                    for c in LeaseRecord.__table__.columns
                    if c.key not in ("lease_id", "accessor")
                },
                lease_id=new_id("lease"),
                accessor="forged",
            )
        )
    assert await names(reconciler) == ["LEDGER_ONLY"]


@pytest.mark.anomalies
async def test_a_token_used_after_its_end(
    reconciler: Reconciler, broker: LeaseBroker, vault: VaultClient, kept_token: list[Secret]
) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30) as lease:
        pass
    with pytest.raises(VaultRefused):
        await vault.read("database/creds/insurer-read", token=kept_token[0])
    findings = await reconciler.reconcile()
    assert [(finding.name.value, finding.lease_id) for finding in findings] == [("USE_AFTER_REVOKE", lease.lease_id)]


@pytest.mark.anomalies
async def test_a_probe_for_something_the_token_may_not_do(
    reconciler: Reconciler, broker: LeaseBroker, vault: VaultClient, kept_token: list[Secret]
) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        with pytest.raises(VaultRefused):
            await vault.read("kv/data/tools/write-to-claimant", token=kept_token[0])
        assert await names(reconciler) == ["DENIED"]


async def test_a_lease_that_a_kill_switch_meets_half_way_is_no_probe(
    reconciler: Reconciler, broker: LeaseBroker, ending: VaultCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    mint, refused = broker._source.mint, broker._ledger.refused

    async def killed_at_once(asked: Asked, parent: Secret) -> MintedToken:
        minted = await mint(asked, parent)
        await ending.revoke(minted.accessor, ())
        return minted

    met = asyncio.Event()

    async def slowly(*arguments: Any, **named: Any) -> None:
        met.set()
        await asyncio.sleep(1.0)
        await refused(*arguments, **named)

    async def ask() -> None:
        async with broker.lease(make_call(), [READ], wall_seconds=30):
            raise AssertionError("the block was entered")

    monkeypatch.setattr(broker._source, "mint", killed_at_once)
    monkeypatch.setattr(broker._ledger, "refused", slowly)
    asking = asyncio.create_task(ask())
    await asyncio.wait_for(met.wait(), 20)
    assert await names(reconciler) == []
    with pytest.raises(LeaseLost):
        await asking


@pytest.mark.anomalies
async def test_a_second_read_with_a_stolen_token_is_refused_and_found(
    reconciler: Reconciler, broker: LeaseBroker, vault: VaultClient, kept_token: list[Secret]
) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        for _ in range(2):
            with pytest.raises(VaultRefused):
                await vault.read("database/creds/insurer-read", token=kept_token[0])
        assert "DENIED" in await names(reconciler)


@pytest.mark.anomalies
async def test_a_secret_read_without_a_lease(
    reconciler: Reconciler, openbao_server: RunningOpenBao, administrator: hvac.Client
) -> None:
    administrator.read("kv/data/tools/write-to-claimant")
    assert await names(reconciler) == ["OUT_OF_BAND_READ"]


async def test_a_credential_that_lives_after_the_ledger_closed_it(
    reconciler: Reconciler, broker: LeaseBroker, database: Database
) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        async with database.transaction() as session:
            await session.execute(update(LeaseRecord).values(state="closed", proven_gone_at=now(), revoked_at=now()))
        assert await names(reconciler) == ["STILL_ALIVE"]


@pytest.mark.anomalies
async def test_a_database_role_that_lives_after_the_ledger_closed_it(
    reconciler: Reconciler, database: Database, vault: VaultClient, source: VaultCredentials, broker: LeaseBroker
) -> None:
    """The token is gone, but its lease is not: as when the database was down at the end of the call."""
    async with broker.lease(make_call(), [READ], wall_seconds=30) as lease:
        vault_lease = (await rows(database))[0].vault_leases[0]
        async with database.transaction() as session:
            await session.execute(
                update(LeaseRecord).values(
                    state="closed", accessor="gone", proven_gone_at=now(), revoked_at=now(), issued_at=None
                )
            )
        findings = await reconciler.reconcile()
        # The row now has another accessor than the token that Vault made.
        assert {finding.name.value for finding in findings} == {"STILL_ALIVE", "VAULT_ONLY_TOKEN"}
        assert [f.lease_id for f in findings if f.name.value == "STILL_ALIVE"] == [lease.lease_id]
    await source.revoke(None, [vault_lease])


async def test_a_lease_long_past_its_end(reconciler: Reconciler, broker: LeaseBroker, database: Database) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        async with database.transaction() as session:
            await session.execute(update(LeaseRecord).values(expires_at=now() - timedelta(seconds=40)))
        assert await names(reconciler) == ["STILL_ALIVE"]


async def test_a_lease_that_ends_while_it_is_looked_at_is_no_finding(
    reconciler: Reconciler, broker: LeaseBroker, killswitch: VaultClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = broker.lease(make_call(), [READ], wall_seconds=30)
    await held.__aenter__()
    ask = killswitch.list

    async def end_after(path: str) -> list[str]:
        found = await ask(path)
        if path == "auth/token/accessors":
            monkeypatch.setattr(killswitch, "list", ask)
            await held.__aexit__(None, None, None)
        return found

    monkeypatch.setattr(killswitch, "list", end_after)
    assert await names(reconciler) == []


@pytest.mark.anomalies
async def test_a_row_with_a_lease_that_vault_never_made(
    reconciler: Reconciler, broker: LeaseBroker, database: Database
) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        pass
    async with database.transaction() as session:
        await session.execute(update(LeaseRecord).values(vault_leases=["database/creds/insurer-read/forged"]))
    # What Vault did make has no row any more.
    assert sorted(await names(reconciler)) == ["LEDGER_ONLY", "VAULT_ONLY_LEASE"]


@pytest.mark.anomalies
async def test_everything_at_once_in_the_midst_of_ordinary_work(
    reconciler: Reconciler,
    broker: LeaseBroker,
    database: Database,
    vault: VaultClient,
    source: VaultCredentials,
    ending: VaultCredentials,
    administrator: hvac.Client,
    kept_token: list[Secret],
) -> None:
    async def work() -> None:
        async with broker.lease(make_call(), [READ], wall_seconds=30):
            await asyncio.sleep(0.02)

    await asyncio.gather(*(work() for _ in range(6)))
    minted = await rogue(database, vault, source, new_id("lease"))
    await source.fetch(READ, minted)
    with pytest.raises(VaultRefused):
        await vault.read("database/creds/insurer-read", token=kept_token[0])
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        with pytest.raises(VaultRefused):
            await vault.read("kv/data/tools/write-to-claimant", token=kept_token[-1])
    administrator.read("kv/data/tools/write-to-claimant")
    await asyncio.gather(*(work() for _ in range(6)))
    assert sorted(await names(reconciler)) == [
        "DENIED",
        "OUT_OF_BAND_READ",
        "USE_AFTER_REVOKE",
        "VAULT_ONLY_LEASE",
        "VAULT_ONLY_TOKEN",
    ]
    await ending.revoke(minted.accessor, ())


@pytest.mark.anomalies
async def test_a_finding_is_in_the_journal_once(
    openbao_server: RunningOpenBao,
    killswitch: VaultClient,
    database: Database,
    vault: VaultClient,
    source: VaultCredentials,
    journal: Journal,
) -> None:
    since = datetime.now(UTC)
    await rogue(database, vault, source, new_id("lease"))
    for _ in range(2):  # all is read again, as by someone at the command line
        again = Reconciler(
            database=database,
            journal=journal,
            killswitch=killswitch,
            audit_log=AuditLog(openbao_server.server.audit_file),
            since=since,
        )
        assert await names(again) == ["VAULT_ONLY_TOKEN"]
    assert [entry.kind for entry in await journal.entries(SYSTEM)] == ["ReconcilerFinding"]


async def test_vaults_own_records_tell_the_life_of_a_lease(
    broker: LeaseBroker, database: Database, openbao_server: RunningOpenBao
) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        pass
    row = (await rows(database))[0]
    trace = Trace(
        accessor=row.accessor,
        vault_leases=frozenset(row.vault_leases),
        since=row.asked_at,
        until=row.proven_gone_at,
    )
    trail = await vault_trail(openbao_server.server.audit_file, openbao_server.server.server_log, trace)
    assert [moment.what for moment in trail] == ["token made", "read", "lease revoked"]
