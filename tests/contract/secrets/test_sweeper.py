"""What workers that died leave behind is ended and proven gone."""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from overseen.domain.identifiers import new_id
from overseen.journal import SYSTEM, Journal, verify
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.grants import Asked
from overseen.secrets.run_tokens import RunTokens
from overseen.secrets.sweeper import Sweeper
from overseen.secrets.vault_client import VaultClient
from overseen.secrets.vault_search import VaultSearch
from overseen.settings import ResourceSettings, Settings
from overseen.store import Database
from overseen.store.tables import LeaseRecord, RunTokenRecord, now
from tests.contract.secrets.conftest import READ, Liveness, make_call
from tests.contract.secrets.test_broker import leased_roles, rows
from tests.stack_fixtures import Insurer

POINTS = ("run_intent", "run_minted", "intent", "minted", "fetched", "issued", "revoked")

WORKERS = """
import asyncio, os, signal, sys
from overseen.journal import SYSTEM, Journal, verify
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.connect import broker_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.settings import ResourceSettings, VaultSettings
from overseen.store import Database
from tests.contract.secrets.conftest import READ, make_call

def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)

async def work(point, settings, resources, url):
    database = Database(url)
    vault = broker_vault(settings)
    source = VaultCredentials(vault, resources)
    broker = LeaseBroker(
        database=database, journal=Journal(database), vault=vault, source=source, worker_id="worker-" + point
    )
    run_id = "run_" + point
    write = vault.write

    async def make_run_token(path, body, **named):
        if path == "auth/token/create/run" and point.startswith("run_"):
            if point == "run_minted":
                await write(path, body, **named)
            die()
        return await write(path, body, **named)

    vault.write = make_run_token
    async with broker.lease(make_call(run_id=run_id), [READ], wall_seconds=30):
        pass  # the run's token is there now
    if point == "intent":
        source.mint = die
    elif point == "minted":
        source.fetch = die
    elif point == "fetched":
        broker._ledger.issued = die
    elif point == "revoked":
        broker._ledger.ended = die
    async with broker.lease(make_call(run_id=run_id), [READ], wall_seconds=30):
        if point == "issued":
            die()

settings = VaultSettings.model_validate_json(sys.stdin.readline())
resources = {"insurer": ResourceSettings.model_validate_json(sys.stdin.readline())}
url = sys.stdin.readline().strip()
children = []
for point in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        asyncio.run(work(point, settings, resources, url))
        os._exit(0)
    children.append(child)
ends = [os.waitpid(child, 0)[1] for child in children]
sys.exit(0 if all(os.WIFSIGNALED(end) for end in ends) else 1)
"""


@pytest.fixture
def liveness() -> Liveness:
    return Liveness()


@pytest.fixture
def sweeper(
    database: Database,
    journal: Journal,
    killswitch: VaultClient,
    resources: dict[str, ResourceSettings],
    liveness: Liveness,
) -> Sweeper:
    return Sweeper(
        database=database,
        journal=journal,
        source=VaultCredentials(killswitch, resources),
        search=VaultSearch(killswitch),
        liveness=liveness,
        resources=resources,
    )


async def age(database: Database, seconds: float) -> None:
    """As if all that is in the ledger had been asked for `seconds` ago."""
    for table in (LeaseRecord, RunTokenRecord):
        async with database.transaction() as session:
            await session.execute(update(table).values(asked_at=table.asked_at - timedelta(seconds=seconds)))


async def test_workers_killed_between_intent_and_close_leave_nothing(
    sweeper: Sweeper, liveness: Liveness, database: Database, settings: Settings, insurer: Insurer
) -> None:
    await kill_workers(database, settings)
    before = {(row.run_id, row.state) for row in await rows(database)} - {
        (f"run_{point}", "closed") for point in POINTS
    }
    assert before == {
        ("run_run_intent", "intent"),
        ("run_run_minted", "intent"),
        ("run_intent", "intent"),
        ("run_minted", "intent"),
        ("run_fetched", "intent"),
        ("run_issued", "issued"),
        ("run_revoked", "issued"),
    }
    assert len(await leased_roles(insurer)) == 2  # of the workers killed after they fetched or were issued one

    liveness.dead.update(f"worker-{point}" for point in POINTS)
    await age(database, 11)
    reports = [await sweeper.sweep()]
    async with asyncio.timeout(20):
        while reports[-1].remaining:  # what Vault takes along with a token may be gone a moment later
            await asyncio.sleep(0.2)
            reports.append(await sweeper.sweep())

    assert {row.state for row in await rows(database)} == {"closed"}
    assert await leased_roles(insurer) == []
    assert sum(report.run_tokens_closed for report in reports) == len(POINTS)
    async with database.read() as session:
        assert set((await session.scalars(select(RunTokenRecord.state))).all()) == {"closed"}


async def kill_workers(database: Database, settings: Settings) -> None:
    """One worker a point, each killed by SIGKILL when it gets there."""
    workers = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKERS, *POINTS, stdin=asyncio.subprocess.PIPE, cwd=Path.cwd()
    )
    secret_id = settings.vault.secret_id
    assert secret_id is not None
    shown = settings.vault.model_dump(mode="json", exclude={"killswitch_secret_id"})
    lines = [
        json.dumps(shown | {"secret_id": secret_id.get_secret_value()}),
        settings.resources["insurer"].model_dump_json(),
        database.engine.url.render_as_string(hide_password=False),
    ]
    await workers.communicate("\n".join([*lines, ""]).encode())
    assert workers.returncode == 0


async def test_leases_of_living_workers_are_left_alone(
    sweeper: Sweeper, broker: LeaseBroker, database: Database
) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        report = await sweeper.sweep()
        assert report.closed == ()
        assert (await rows(database))[0].state == "issued"


async def test_an_overdue_lease_of_a_living_worker_is_ended(
    sweeper: Sweeper, broker: LeaseBroker, database: Database, insurer: Insurer
) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        async with database.transaction() as session:
            await session.execute(update(LeaseRecord).values(expires_at=now() - timedelta(seconds=6)))
        await sweeper.sweep()
        assert (await rows(database))[0].reason == "swept_overdue"
        assert await leased_roles(insurer) == []


@pytest.mark.anomalies
async def test_a_token_minted_after_its_lease_was_closed_is_ended(
    sweeper: Sweeper,
    broker: LeaseBroker,
    database: Database,
    vault: VaultClient,
    resources: dict[str, ResourceSettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("overseen.secrets.sweeper.UNSEEN_SECONDS", -1.0)
    call = make_call()
    async with broker.lease(call, [], wall_seconds=30) as lease:
        pass
    source = VaultCredentials(vault, resources)
    parent = await RunTokens(database, vault, source, worker_id="worker-1").token(call.run_id, for_seconds=60)
    late = await source.mint(Asked(lease_id=lease.lease_id, call=call, grant=None, ttl_seconds=30), parent)
    assert (await sweeper.sweep()).strays_ended == 1
    assert await source.verify_gone(late.accessor, ())


async def test_what_is_swept_after_the_runs_chain_was_sealed_is_told_by_the_house(
    sweeper: Sweeper, broker: LeaseBroker, database: Database, journal: Journal
) -> None:
    call = make_call()
    async with broker.lease(call, [READ], wall_seconds=30):
        async with database.transaction() as session:
            await journal.close_chain(call.run_id, signature=None, actor="worker:worker-1", session=session)
            await session.execute(update(LeaseRecord).values(expires_at=now() - timedelta(seconds=6)))
        assert len((await sweeper.sweep()).closed) == 1
    assert [entry.kind for entry in await journal.entries(call.run_id)] == ["LeaseIssued"]
    told = [(entry.kind, entry.actor) for entry in await journal.entries(SYSTEM)]
    assert told == [("ChainClosed", "worker:worker-1"), ("LeaseClosed", "service:sweeper")]
    assert (await verify(journal)).holds


async def test_a_call_that_ends_after_the_runs_chain_was_sealed_is_told_by_the_house(
    broker: LeaseBroker, database: Database, journal: Journal
) -> None:
    call = make_call()
    # The transaction is over before the lease is.
    async with broker.lease(call, [READ], wall_seconds=30), database.transaction() as session:
        await journal.close_chain(call.run_id, signature=None, actor="worker:worker-1", session=session)
    assert [entry.kind for entry in await journal.entries(SYSTEM)] == ["ChainClosed", "LeaseClosed"]
    assert (await verify(journal)).holds


@pytest.mark.anomalies
async def test_tokens_of_another_house_are_left_alone(
    sweeper: Sweeper,
    database: Database,
    vault: VaultClient,
    resources: dict[str, ResourceSettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("overseen.secrets.sweeper.UNSEEN_SECONDS", -1.0)
    call = make_call()
    source = VaultCredentials(vault, resources)
    parent = await RunTokens(database, vault, source, worker_id="worker-1").token(call.run_id, for_seconds=60)
    theirs = await source.mint(Asked(lease_id=new_id("lease"), call=call, grant=None, ttl_seconds=30), parent)
    assert (await sweeper.sweep()).strays_ended == 0
    assert not await source.verify_gone(theirs.accessor, ())
