"""What is special about renting a machine: it is labelled, told what it may reach, and always ended."""

import asyncio
import contextlib
import importlib.util
import sys
from collections.abc import AsyncIterator, Collection

import pytest
import pytest_asyncio

from overseen.tools.sandbox import (
    Capability,
    CapabilityMissing,
    SandboxJob,
    SandboxLimitExceeded,
    SandboxProfile,
    SandboxUnavailable,
)
from overseen.tools.sandbox.port import EgressRule
from tests.contract.sandbox.backends import SHARED_FOLDER, can_nest
from tests.contract.sandbox.conftest import SCRIPT

if importlib.util.find_spec("e2b") is None:
    pytest.skip("the extra e2b is not installed", allow_module_level=True)

from overseen.testing.e2b_endpoint import E2BEndpoint, e2b_endpoint
from overseen.tools.sandbox import e2b_bundle, e2b_machine
from overseen.tools.sandbox.e2b_backend import E2BBackend
from overseen.tools.sandbox.e2b_machine import E2BConnection
from tests.waiting import until

EGRESS_NEEDS = frozenset({Capability.CREDENTIAL_INJECTION, Capability.SYSCALL_FILTER, Capability.PER_CALL_ISOLATION})
SECRET = "Bearer hvs.never-inside"


@pytest_asyncio.fixture(scope="module")
async def shared_endpoint() -> AsyncIterator[E2BEndpoint]:
    if not can_nest():
        pytest.skip("a sandbox cannot be put up inside a sandbox here")
    async with e2b_endpoint(SHARED_FOLDER) as running:
        yield running


@pytest_asyncio.fixture
async def endpoint(shared_endpoint: E2BEndpoint) -> AsyncIterator[E2BEndpoint]:
    shared_endpoint.created.clear()
    shared_endpoint.failing.clear()
    yield shared_endpoint
    shared_endpoint.failing.clear()
    await shared_endpoint.close()


def backend_at(endpoint: E2BEndpoint, *, worker: str = "worker_1", key: str | None = None) -> E2BBackend:
    connection = E2BConnection(api_key=key or endpoint.api_key, api_url=endpoint.url, sandbox_url=endpoint.url)
    return E2BBackend(connection, installation="ours", worker_id=worker)


@pytest.fixture
def backend(endpoint: E2BEndpoint, monkeypatch: pytest.MonkeyPatch) -> E2BBackend:
    trusting = backend_at(endpoint)
    # The walls are looked at in the conformance suite; here it would only take time.
    monkeypatch.setattr(trusting, "_probed", True)
    return trusting


def job(code: str, *, egress: tuple[EgressRule, ...] = (), **limits: object) -> SandboxJob:
    return SandboxJob(
        call_id="call_1",
        run_id="run_1",
        entry=SCRIPT,
        request={"code": code, "arguments": {}},
        egress=egress,
        profile=SandboxProfile(**{"wall_seconds": 20.0, "cpu_seconds": 10.0, **limits}),  # type: ignore[arg-type]
    )


async def test_a_machine_carries_the_labels_of_its_run_call_and_worker(
    backend: E2BBackend, endpoint: E2BEndpoint
) -> None:
    await backend.run(job("result = 1"))
    (machine,) = endpoint.created
    assert machine.metadata == {"overseen": "ours", "worker": "worker_1", "run": "run_1", "call": "call_1"}


async def test_each_job_has_a_machine_of_its_own_which_is_gone_afterwards(
    backend: E2BBackend, endpoint: E2BEndpoint
) -> None:
    await asyncio.gather(*(backend.run(job("result = 1")) for _ in range(3)))
    assert len({machine.machine_id for machine in endpoint.created}) == 3
    assert endpoint.machines.alive == {}
    assert not any(machine.folder.exists() for machine in endpoint.created)


async def test_a_machine_is_rented_without_any_network_and_for_little_longer_than_the_job(
    backend: E2BBackend, endpoint: E2BEndpoint
) -> None:
    await backend.run(job("result = 1"))
    asked = endpoint.created[0].asked
    assert asked["allow_internet_access"] is False
    assert asked["network"] == {"denyOut": ["0.0.0.0/0"], "allowPublicTraffic": False}
    assert asked["autoPause"] is False
    assert 20 < asked["timeout"] <= 120


async def test_a_credential_is_put_in_outside_and_is_nowhere_inside(backend: E2BBackend, endpoint: E2BEndpoint) -> None:
    code = (
        "import os, socket\n"
        "seen = [open('/proc/self/environ').read(), open('/proc/self/cmdline').read(), str(arguments)]\n"
        "for pid in os.listdir('/proc'):\n"
        "  if pid.isdigit():\n"
        "    try: seen.append(open(f'/proc/{pid}/cmdline').read() + open(f'/proc/{pid}/environ').read())\n"
        "    except OSError: pass\n"
        "socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()\n"
        "result = [str(arguments), 'hvs.' in ''.join(seen)]"
    )
    rule = EgressRule(host="policy.internal", headers={"Authorization": SECRET})
    result = await backend.run(job(code, egress=(rule,), needs=EGRESS_NEEDS))
    assert result.value == ["{}", False]
    network = endpoint.created[0].asked["network"]
    assert network["allowOut"] == ["policy.internal"]
    assert network["denyOut"] == ["0.0.0.0/0"]
    assert network["rules"] == {"policy.internal": [{"transform": {"headers": {"Authorization": SECRET}}}]}
    assert "hvs." not in repr(rule)
    assert SECRET.encode() not in e2b_bundle.job_package(job(code, egress=(rule,), needs=EGRESS_NEEDS))


async def test_a_job_that_may_reach_hosts_cannot_need_no_network(backend: E2BBackend, endpoint: E2BEndpoint) -> None:
    with pytest.raises(CapabilityMissing) as caught:
        await backend.run(job("result = 1", egress=(EgressRule(host="policy.internal"),)))
    assert caught.value.missing == {Capability.NETWORK_DENY}
    assert endpoint.created == []


@pytest.mark.parametrize(
    ("needs", "processes", "missing"),
    [
        ({Capability.EGRESS_ALLOW_LIST}, 1, Capability.EGRESS_ALLOW_LIST),
        ({Capability.SNAPSHOT}, 1, Capability.SNAPSHOT),
        ({Capability.MEMORY_TOTAL}, 8, Capability.MEMORY_TOTAL),
    ],
    ids=["methods and paths", "snapshots", "memory of many processes"],
)
async def test_what_cannot_be_enforced_there_is_refused_before_anything_is_rented(
    backend: E2BBackend, endpoint: E2BEndpoint, needs: set[Capability], processes: int, missing: Capability
) -> None:
    with pytest.raises(CapabilityMissing) as caught:
        await backend.run(job("result = 1", needs=frozenset(needs), processes=processes))
    assert caught.value.missing == {missing}
    assert endpoint.created == []


async def test_a_door_cannot_be_shown_to_a_machine_elsewhere(backend: E2BBackend, endpoint: E2BEndpoint) -> None:
    with_door = SandboxJob(call_id="c", entry=SCRIPT, request={}, doors={"insurer": SHARED_FOLDER / "socket"})
    with pytest.raises(CapabilityMissing):
        await backend.run(with_door)
    assert endpoint.created == []


async def test_a_job_that_takes_too_long_is_ended_with_its_machine(backend: E2BBackend, endpoint: E2BEndpoint) -> None:
    with pytest.raises(SandboxLimitExceeded) as caught:
        await backend.run(job("import time; time.sleep(60)", wall_seconds=0.5))
    assert caught.value.limit == "wall_seconds"
    assert endpoint.machines.alive == {}


async def test_a_cancelled_job_takes_its_machine_with_it(backend: E2BBackend, endpoint: E2BEndpoint) -> None:
    running = asyncio.create_task(backend.run(job("import time; time.sleep(60)")))
    await until(lambda: endpoint.created)
    await until(lambda: endpoint.created[0].commands)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert endpoint.machines.alive == {}


async def test_a_machine_that_was_still_being_rented_when_the_job_was_cancelled_is_ended(
    backend: E2BBackend, endpoint: E2BEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()
    original = e2b_machine._rent

    async def renting(*arguments: object) -> object:
        arrived.set()
        await go_on.wait()
        return await original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(e2b_machine, "_rent", renting)
    running = asyncio.create_task(backend.run(job("result = 1")))
    await arrived.wait()
    running.cancel()
    await asyncio.sleep(0.05)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(endpoint.created) == 1
    assert endpoint.machines.alive == {}


async def test_closing_ends_what_runs(backend: E2BBackend, endpoint: E2BEndpoint) -> None:
    running = asyncio.create_task(backend.run(job("import time; time.sleep(60)")))
    await until(lambda: endpoint.created)
    await backend.close()
    with pytest.raises(SandboxUnavailable):
        await running
    assert endpoint.machines.alive == {}
    with pytest.raises(SandboxUnavailable):
        await backend.run(job("result = 1"))


async def test_a_machine_whose_end_is_not_certain_is_no_success(
    backend: E2BBackend, endpoint: E2BEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(e2b_machine, "_KILL_ATTEMPTS", 1)
    endpoint.failing.add("end")
    with pytest.raises(SandboxUnavailable, match="could not be ended"):
        await backend.run(job("result = 1"))


async def test_a_sweep_ends_the_machines_of_dead_workers_and_no_others(
    endpoint: E2BEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[asyncio.Task[object]] = []
    for worker, installation in (("worker_1", "ours"), ("worker_2", "ours"), ("worker_2", "theirs")):
        started = backend_at(endpoint, worker=worker)
        monkeypatch.setattr(started, "_probed", True)
        monkeypatch.setattr(started, "_installation", installation)
        running.append(asyncio.create_task(started.run(job("import time; time.sleep(60)"))))
    await until(lambda: len(endpoint.created) == 3)
    asked: list[set[str]] = []

    async def dead(workers: Collection[str]) -> set[str]:
        asked.append(set(workers))
        return {"worker_2"} & set(workers)

    assert await backend_at(endpoint, worker="worker_9").sweep(dead) == 1
    assert asked == [{"worker_1", "worker_2"}]
    left = {(machine.metadata["worker"], machine.metadata["overseen"]) for machine in endpoint.machines.alive.values()}
    assert left == {("worker_1", "ours"), ("worker_2", "theirs")}
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, SandboxUnavailable):
            await task


async def test_a_sweep_looks_at_more_than_one_page(endpoint: E2BEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(103):
        endpoint.machines.rent(
            {"templateID": "base", "metadata": {"overseen": "ours", "worker": f"worker_{number}"}, "timeout": 60}
        )

    async def dead(workers: Collection[str]) -> set[str]:
        return set(workers)

    assert await backend_at(endpoint, worker="worker_x").sweep(dead) == 103
    assert endpoint.machines.alive == {}


async def test_a_wrong_key_is_said_to_be_wrong(endpoint: E2BEndpoint) -> None:
    with pytest.raises(SandboxUnavailable, match="API key") as caught:
        await backend_at(endpoint, key="e2b_other").run(job("result = 1"))
    assert "E2B_API_KEY" in caught.value.next_step
    assert "e2b_other" not in str(caught.value)


async def test_a_service_that_fails_is_no_fault_of_the_tool(backend: E2BBackend, endpoint: E2BEndpoint) -> None:
    endpoint.failing.add("create")
    with pytest.raises(SandboxUnavailable, match="no machine could be started"):
        await backend.run(job("result = 1"))


async def test_a_template_that_cannot_run_tools_is_said_to_be_unfit(
    backend: E2BBackend, endpoint: E2BEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(e2b_bundle, "_MACHINE", "aarch64")
    with pytest.raises(SandboxUnavailable, match="not aarch64") as caught:
        await backend.run(job("result = 1"))
    assert "OVERSEEN_E2B_TEMPLATE" in caught.value.next_step


async def test_a_machine_without_walls_is_not_used(endpoint: E2BEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    allow_all = b"\x06\x00\x00\x00\x00\x00\xff\x7f"
    monkeypatch.setattr(e2b_bundle, "build_filter", lambda **_: allow_all)
    unsealed = backend_at(endpoint)
    with pytest.raises(SandboxUnavailable, match="does not seal"):
        await unsealed.run(job("result = 1"))
    assert len(endpoint.created) == 1


async def test_without_the_sdk_the_error_names_the_extra(
    endpoint: E2BEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "e2b", None)
    with pytest.raises(SandboxUnavailable) as caught:
        await backend_at(endpoint).run(job("result = 1"))
    assert "overseen[e2b]" in caught.value.next_step


async def test_the_key_is_not_shown(endpoint: E2BEndpoint) -> None:
    assert endpoint.api_key not in repr(E2BConnection(api_key=endpoint.api_key))
