"""A pulled kill switch ends every lease in its reach, proves it, and keeps new ones from being made."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from overseen.errors import Conflict, InvalidInput, Refused
from overseen.journal import SYSTEM, Journal
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.connect import killswitch_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.errors import Stopped
from overseen.secrets.kill import KillSwitch, Scope
from overseen.secrets.stops import Stops
from overseen.secrets.vault_client import VaultClient
from overseen.settings import ResourceSettings, VaultSettings
from overseen.store import Database, PostgresBlobStore, load_blob_key
from overseen.store.tables import StopRecord, now
from tests.contract.secrets.conftest import READ, WRITE, authorized_call, make_call
from tests.contract.secrets.test_broker import leased_roles, rows
from tests.stack_fixtures import Insurer

BY = "account:auditor"


@pytest.fixture
def kill_switch(
    database: Database,
    journal: Journal,
    killswitch: VaultClient,
    resources: dict[str, ResourceSettings],
    tmp_path: Path,
) -> KillSwitch:
    return KillSwitch(
        database=database,
        journal=journal,
        blobs=PostgresBlobStore(database, load_blob_key(tmp_path / "keys")),
        vault=killswitch,
        source=VaultCredentials(killswitch, resources),
    )


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def test_a_killed_run_is_proven_gone_with_all_its_leases(
    kill_switch: KillSwitch, broker: LeaseBroker, database: Database, insurer: Insurer, stack: AsyncExitStack
) -> None:
    run_id = make_call().run_id
    for grants in ([READ], [READ], [WRITE], []):
        call = await authorized_call(database, run_id=run_id) if grants == [WRITE] else make_call(run_id=run_id)
        await stack.enter_async_context(broker.lease(call, grants, wall_seconds=30))
    report = await kill_switch.pull(Scope.RUN, run_id, reason="it misbehaves", by=BY)
    assert report.proven
    assert report.leases == 4
    assert {row.reason for row in await rows(database)} == {"killed"}
    assert await leased_roles(insurer) == []


async def test_a_killed_run_gets_no_new_lease(kill_switch: KillSwitch, broker: LeaseBroker, database: Database) -> None:
    call = make_call()
    await kill_switch.pull(Scope.RUN, call.run_id, reason="it misbehaves", by=BY)
    with pytest.raises(Stopped):
        async with broker.lease(make_call(run_id=call.run_id), [READ], wall_seconds=30):
            raise AssertionError("the block was entered")
    assert await Stops(database).is_stopped(call.run_id, call.agent, call.tool)
    with pytest.raises(Stopped, match=f"The run {call.run_id} was stopped"):
        await Stops(database).check(call)


async def test_other_runs_go_on(kill_switch: KillSwitch, broker: LeaseBroker, database: Database) -> None:
    await kill_switch.pull(Scope.RUN, make_call().run_id, reason="it misbehaves", by=BY)
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        pass
    assert (await rows(database))[-1].state == "closed"


async def test_a_lease_that_is_being_issued_when_its_run_is_killed_is_never_handed_out(
    kill_switch: KillSwitch, broker: LeaseBroker, database: Database, insurer: Insurer
) -> None:
    run_id = make_call().run_id
    entered: list[str] = []

    async def work() -> None:
        async with broker.lease(make_call(run_id=run_id), [READ], wall_seconds=30) as lease:
            entered.append(lease.lease_id)
            await asyncio.sleep(30)

    calls = [asyncio.create_task(work()) for _ in range(12)]
    await asyncio.sleep(0.15)
    report = await kill_switch.pull(Scope.RUN, run_id, reason="it misbehaves", by=BY)
    assert report.proven
    in_time = list(entered)
    for task in calls:
        task.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await broker.drain()
    assert entered == in_time
    assert {row.state for row in await rows(database)} <= {"closed", "refused"}
    assert await leased_roles(insurer) == []


async def test_a_killed_agent_is_shut_off_in_vault_until_it_is_lifted(
    kill_switch: KillSwitch, broker: LeaseBroker, killswitch: VaultClient, stack: AsyncExitStack
) -> None:
    await stack.enter_async_context(broker.lease(make_call(agent="extractor"), [READ], wall_seconds=30))
    report = await kill_switch.pull(Scope.AGENT, "extractor", reason="it was fooled", by=BY)
    try:
        assert report.proven
        assert (await killswitch.read("identity/entity/name/agent-extractor"))["data"]["disabled"]
        with pytest.raises(Stopped):
            async with broker.lease(make_call(agent="extractor"), [], wall_seconds=30):
                raise AssertionError("the block was entered")
    finally:
        await kill_switch.lift(report.stop_id, by=BY)
    entity = (await killswitch.read("identity/entity/name/agent-extractor"))["data"]
    assert not entity["disabled"]
    assert entity["metadata"] == {"agent": "extractor"}
    async with broker.lease(make_call(agent="extractor"), [READ], wall_seconds=30):
        pass


@pytest.mark.parametrize("scope", [Scope.CALL, Scope.TOOL])
async def test_a_killed_call_or_tool_is_proven_gone(
    scope: Scope, kill_switch: KillSwitch, broker: LeaseBroker, database: Database, stack: AsyncExitStack
) -> None:
    call, other = make_call(tool="pay_settlement"), make_call()
    await stack.enter_async_context(broker.lease(call, [READ], wall_seconds=30))
    await stack.enter_async_context(broker.lease(other, [READ], wall_seconds=30))
    target = call.call_id if scope is Scope.CALL else call.tool
    assert (await kill_switch.pull(scope, target, reason="looks wrong", by=BY)).leases == 1
    assert {row.call_id: row.state for row in await rows(database)} == {
        call.call_id: "closed",
        other.call_id: "issued",
    }


async def test_everything_takes_two_people(
    kill_switch: KillSwitch, broker: LeaseBroker, insurer: Insurer, stack: AsyncExitStack
) -> None:
    await stack.enter_async_context(broker.lease(make_call(), [READ], wall_seconds=30))
    with pytest.raises(Refused):
        await kill_switch.pull(Scope.EVERYTHING, "*", reason="fire", by=BY)
    stop_id = await kill_switch.ask_for_everything(reason="fire", by=BY)
    with pytest.raises(Refused):
        await kill_switch.confirm(stop_id, by=BY)
    assert await leased_roles(insurer) != []
    report = await kill_switch.confirm(stop_id, by="account:operator")
    assert report.proven
    assert await leased_roles(insurer) == []
    with pytest.raises(Stopped):
        async with broker.lease(make_call(), [], wall_seconds=30):
            raise AssertionError("the block was entered")
    with pytest.raises(Conflict):
        await kill_switch.confirm(stop_id, by="account:operator")


async def test_a_switch_needs_a_reason(kill_switch: KillSwitch, database: Database) -> None:
    call = make_call()
    with pytest.raises(InvalidInput):
        await kill_switch.pull(Scope.RUN, call.run_id, reason=" ", by=BY)
    assert not await Stops(database).is_stopped(call.run_id, call.agent, call.tool)


async def test_the_journal_says_who_pulled_it(kill_switch: KillSwitch, journal: Journal) -> None:
    await kill_switch.pull(Scope.TOOL, "pay_settlement", reason="looks wrong", by=BY)
    entry = (await journal.entries(SYSTEM))[-1]
    assert (entry.kind, entry.actor) == ("KillSwitchPulled", BY)
    assert "looks wrong" not in str(entry.payload)


async def test_with_vault_out_of_reach_the_stop_holds_and_the_sweeper_gets_the_rest(
    database: Database, journal: Journal, broker: LeaseBroker, stack: AsyncExitStack, tmp_path: Path
) -> None:
    call = make_call()
    await stack.enter_async_context(broker.lease(call, [READ], wall_seconds=30))
    settings = {"addr": "http://127.0.0.1:1", "killswitch_role_id": "x", "killswitch_secret_id": "y"}
    nowhere = killswitch_vault(VaultSettings.model_validate(settings))
    stack.push_async_callback(nowhere.close)
    switch = KillSwitch(
        database=database,
        journal=journal,
        blobs=PostgresBlobStore(database, load_blob_key(tmp_path / "keys")),
        vault=nowhere,
        source=VaultCredentials(nowhere, {}),
        patience_seconds=0.2,
    )
    for scope, target in ((Scope.RUN, call.run_id), (Scope.AGENT, call.agent)):
        report = await switch.pull(scope, target, reason="it misbehaves", by=BY)
        assert (report.proven, report.leases) == (False, 0)
    assert await Stops(database).is_stopped(call.run_id, "another", "another")
    assert [row.state for row in await rows(database)] == ["revoking"]
    with pytest.raises(Stopped):
        async with broker.lease(make_call(run_id=call.run_id), [], wall_seconds=30):
            raise AssertionError("the block was entered")


async def test_what_vault_could_not_do_when_the_switch_was_pulled_is_done_and_proven_later(
    kill_switch: KillSwitch,
    database: Database,
    journal: Journal,
    broker: LeaseBroker,
    stack: AsyncExitStack,
    killswitch: VaultClient,
) -> None:
    call = make_call(agent="extractor")
    block = await stack.enter_async_context(AsyncExitStack())
    await block.enter_async_context(broker.lease(call, [READ], wall_seconds=30))
    async with database.transaction() as session:  # pulled where Vault could not be reached
        pulled_at = now() - timedelta(seconds=60)
        words = {"reason_blob": "0" * 64, "asked_by": BY, "pulled_by": BY, "pulled_at": pulled_at}
        session.add(StopRecord(stop_id="stop_a", scope="agent", target="extractor", **words))
    try:
        assert await kill_switch.finish() == 0
        assert (await killswitch.read("identity/entity/name/agent-extractor"))["data"]["disabled"]
        await block.aclose()
        await broker.drain()
        assert [await kill_switch.finish() for _ in range(2)] == [1, 0]
        last = await Stops(database).last()
        assert last is not None
        assert last.proven_at is not None
        assert (await journal.entries(SYSTEM))[-1].payload["stop_id"] == "stop_a"
    finally:
        await kill_switch.lift("stop_a", by=BY)
    assert not (await killswitch.read("identity/entity/name/agent-extractor"))["data"]["disabled"]


async def test_asking_and_lifting_are_in_the_journal_without_their_reasons(
    kill_switch: KillSwitch, journal: Journal
) -> None:
    stop_id = await kill_switch.ask_for_everything(reason="fire", by=BY)
    await kill_switch.lift(stop_id, by=BY, reason="no fire")
    told = [(entry.kind, entry.payload["stop_id"]) for entry in await journal.entries(SYSTEM)][-2:]
    assert told == [("KillSwitchAsked", stop_id), ("KillSwitchLifted", stop_id)]
    assert "fire" not in str([entry.payload for entry in await journal.entries(SYSTEM)])
