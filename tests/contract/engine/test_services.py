"""Services beside the work tell how they are, survive their own defects, and go on where another worker stopped."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select, update

from overseen.engine.liveness import WorkerLiveness, living_worker
from overseen.engine.services import (
    CanaryService,
    ReconcilerService,
    Service,
    ServiceKeeper,
    SweeperService,
    Turn,
)
from overseen.errors import Misconfigured
from overseen.journal import SYSTEM, Journal
from overseen.secrets.alone import alone
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.canary import Canary
from overseen.secrets.connect import broker_vault, killswitch_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.kill import KillSwitch
from overseen.secrets.secret import Secret
from overseen.secrets.sweeper import Sweeper
from overseen.secrets.vault_client import AppRoleLogin, VaultClient
from overseen.secrets.vault_search import VaultSearch
from overseen.store import Database, PostgresBlobStore, load_blob_key
from overseen.store.tables import ServiceReport, VaultSighting, now
from tests.contract.secrets.conftest import READ, make_call
from tests.stack_fixtures import Insurer, RunningOpenBao


class Scripted:
    """A service whose turns are what the script says: a result, or an error to raise."""

    name = "scripted"
    interval_seconds = 0.01

    def __init__(self, *script: Turn | Exception | None) -> None:
        self._script = list(script)
        self.turns = 0

    async def turn(self) -> Turn | None:
        self.turns += 1
        step = self._script.pop(0) if self._script else None
        if isinstance(step, Exception):
            raise step
        return step


@pytest.fixture
def journal(database: Database) -> Journal:
    return Journal(database)


@pytest.fixture
def keeper(database: Database, journal: Journal) -> ServiceKeeper:
    return ServiceKeeper(database=database, journal=journal, worker_id="worker-1")


async def until(condition: Callable[[], Any], task: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(10):
        while not condition():
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)


async def kept(keeper: ServiceKeeper, service: Scripted, turns: int) -> None:
    """Let the keeper run the service for so many turns."""
    task = asyncio.create_task(keeper.keep(service))
    await until(lambda: service.turns > turns, task)
    task.cancel()
    await asyncio.wait([task])


async def report(database: Database, name: str) -> ServiceReport:
    async with database.read() as session:
        return await session.get_one(ServiceReport, name)


async def parts(journal: Journal) -> list[tuple[str, str]]:
    entries = await journal.entries(SYSTEM)
    return [(e.payload["part"], e.payload["state"]) for e in entries if e.kind == "PartFailed"]


async def test_a_turn_is_told_in_the_services_row(keeper: ServiceKeeper, database: Database, journal: Journal) -> None:
    await kept(keeper, Scripted(Turn(ok=True, detail={"n": 1}), Turn(ok=False, detail={"n": 2})), 2)
    row = await report(database, "scripted")
    assert (row.worker_id, row.ok, row.detail) == ("worker-1", False, {"n": 2})
    assert await parts(journal) == []


async def test_a_defect_of_a_service_is_told_and_it_is_tried_again(
    keeper: ServiceKeeper, database: Database, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    service = Scripted(ZeroDivisionError("secret words"), ValueError(), Turn(ok=True, detail={}), None)
    await kept(keeper, service, 4)
    assert await parts(journal) == [("scripted", "down"), ("scripted", "up")]
    assert "secret words" not in str([entry.payload for entry in await journal.entries(SYSTEM)])
    assert "the service scripted failed" in caplog.text
    assert (await report(database, "scripted")).ok


async def test_after_defects_the_rests_get_longer(
    keeper: ServiceKeeper, monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    rests: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        rests.append(seconds)
        await sleep(0)

    monkeypatch.setattr("overseen.engine.services.asyncio.sleep", note)
    # More than can be taken before the task is cancelled: a turn that goes well would be told too.
    service = Scripted(*(ValueError() for _ in range(10_000)))
    service.interval_seconds = 5.0
    task = asyncio.create_task(keeper.keep(service))
    async with asyncio.timeout(10):
        while service.turns < 10:
            await sleep(0.01)
    task.cancel()
    assert rests[:5] == [10.0, 20.0, 40.0, 60.0, 60.0]
    assert await parts(journal) == [("scripted", "down")]


async def test_an_expected_error_is_in_the_row_with_the_way_out(keeper: ServiceKeeper, database: Database) -> None:
    service = Scripted(Misconfigured("No file.", next_step="Name it."))
    await kept(keeper, service, 1)
    row = await report(database, "scripted")
    assert (row.ok, row.detail["error_code"], row.detail["next_step"]) == (False, "misconfigured", "Name it.")


@pytest_asyncio.fixture
async def vault(openbao_server: RunningOpenBao) -> AsyncIterator[VaultClient]:
    client = broker_vault(openbao_server.settings)
    yield client
    await client.close()


@pytest_asyncio.fixture
async def killswitch(openbao_server: RunningOpenBao) -> AsyncIterator[VaultClient]:
    client = killswitch_vault(openbao_server.settings)
    yield client
    await client.close()


@pytest.fixture
def broker(database: Database, journal: Journal, vault: VaultClient, insurer: Insurer) -> LeaseBroker:
    source = VaultCredentials(vault, {"insurer": insurer.resource})
    return LeaseBroker(database=database, journal=journal, vault=vault, source=source, worker_id="worker-1")


@pytest.fixture
def make_reconciler(database: Database, journal: Journal, killswitch: VaultClient) -> Callable[[Path | None], Service]:
    def make(audit_file: Path | None) -> Service:
        return ReconcilerService(database=database, journal=journal, killswitch=killswitch, audit_file=audit_file)

    return make


async def test_the_canary_tells_how_vault_is(database: Database, journal: Journal, vault: VaultClient) -> None:
    turn = await CanaryService(Canary(database=database, journal=journal, vault=vault)).turn()
    assert turn.ok
    assert {"seconds", "error_code", "vault_skew_seconds", "database_skew_seconds"} <= set(turn.detail)
    login = AppRoleLogin(role_id="x", secret_id=Secret("x"))
    nowhere = VaultClient("http://127.0.0.1:9", login, timeout_seconds=0.5)
    turn = await CanaryService(Canary(database=database, journal=journal, vault=nowhere)).turn()
    assert (turn.ok, turn.detail["error_code"]) == (False, "vault_unavailable")
    await nowhere.close()


async def test_the_sweeper_tells_what_it_ended_and_stands_back_for_another(
    database: Database, journal: Journal, killswitch: VaultClient, insurer: Insurer, tmp_path: Path
) -> None:
    resources = {"insurer": insurer.resource}
    sweeper = Sweeper(
        database=database,
        journal=journal,
        source=VaultCredentials(killswitch, resources),
        search=VaultSearch(killswitch),
        liveness=WorkerLiveness(database),
        resources=resources,
    )
    kill_switch = KillSwitch(
        database=database,
        journal=journal,
        blobs=PostgresBlobStore(database, load_blob_key(tmp_path)),
        vault=killswitch,
        source=VaultCredentials(killswitch, resources),
    )
    service = SweeperService(sweeper, kill_switch)
    turn = await service.turn()
    assert turn is not None
    assert turn.detail == {"closed": 0, "remaining": 0, "run_tokens_closed": 0, "strays_ended": 0, "stops_proven": 0}
    async with alone(database, 7_201_340) as mine:
        assert mine
        assert await service.turn() is None


async def test_without_an_audit_file_the_reconciler_says_what_to_set(
    make_reconciler: Callable[[Path | None], Service],
) -> None:
    with pytest.raises(Misconfigured, match="audit file") as raised:
        await make_reconciler(None).turn()
    assert "OVERSEEN_VAULT_AUDIT_FILE" in raised.value.next_step


async def test_a_worker_far_from_vault_keeps_quiet_while_another_reconciles(
    keeper: ServiceKeeper,
    database: Database,
    make_reconciler: Callable[[Path | None], Service],
    openbao_server: RunningOpenBao,
) -> None:
    for audit_file in (openbao_server.server.audit_file, None):
        await keeper._take(make_reconciler(audit_file))
    assert (await report(database, "reconciler")).ok
    async with database.transaction() as session:
        await session.execute(update(ServiceReport).values(at=now() - timedelta(minutes=2)))
    await keeper._take(make_reconciler(None))
    assert not (await report(database, "reconciler")).ok


@pytest.mark.anomalies
async def test_another_worker_goes_on_where_the_last_reconciler_stopped(
    database: Database,
    make_reconciler: Callable[[Path | None], Service],
    openbao_server: RunningOpenBao,
    broker: LeaseBroker,
    vault: VaultClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stolen: list[Secret] = []
    mint = broker._source.mint

    async def keep(*arguments: Any) -> Any:
        minted = await mint(*arguments)
        stolen.append(minted.token)
        return minted

    monkeypatch.setattr(broker._source, "mint", keep)
    audit_file = openbao_server.server.audit_file
    async with living_worker(database, "worker-1", "local"):
        await asyncio.sleep(0.05)
        async with broker.lease(make_call(), [READ], wall_seconds=30):
            pass
        first = await make_reconciler(audit_file).turn()
        second = await make_reconciler(audit_file).turn()
        with pytest.raises(Exception, match="permission denied"):
            await vault.read("database/creds/insurer-read", token=stolen[0])
        third = await make_reconciler(audit_file).turn()
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.detail["findings"], first.detail["lag_bytes"], first.detail["lost_place"]) == (0, 0, False)
    assert first.detail["entries"] > second.detail["entries"]
    # The token's end was told by lines that the third one never read.
    assert (third.detail["findings"], third.detail["new_findings"]) == (1, 1)


async def test_what_was_seen_is_forgotten_after_a_day(
    database: Database,
    make_reconciler: Callable[[Path | None], Service],
    openbao_server: RunningOpenBao,
    broker: LeaseBroker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with living_worker(database, "worker-1", "local"):
        async with broker.lease(make_call(), [READ], wall_seconds=30):
            pass
        await make_reconciler(openbao_server.server.audit_file).turn()
        async with database.read() as session:
            assert len((await session.scalars(select(VaultSighting))).all()) >= 2
        monkeypatch.setattr("overseen.secrets.sightings.MEMORY", timedelta(0))
        await make_reconciler(openbao_server.server.audit_file).turn()
    async with database.read() as session:
        assert (await session.scalars(select(VaultSighting))).all() == []


async def test_one_worker_reconciles_at_a_time(
    database: Database, make_reconciler: Callable[[Path | None], Service], openbao_server: RunningOpenBao
) -> None:
    async with alone(database, 7_201_341) as mine:
        assert mine
        assert await make_reconciler(openbao_server.server.audit_file).turn() is None
