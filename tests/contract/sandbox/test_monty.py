"""The part of the sandbox's contract that a pure interpreter can be asked to keep."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from overseen.tools.sandbox import (
    Capability,
    CapabilityMissing,
    InvalidJob,
    SandboxJob,
    SandboxLimitExceeded,
    SandboxProfile,
    SandboxUnavailable,
    ToolCrashed,
)
from overseen.tools.sandbox.monty import SCRIPT_ENTRY, MontyBackend

NEEDS = frozenset({Capability.NETWORK_DENY, Capability.MEMORY_TOTAL, Capability.CPU, Capability.PER_CALL_ISOLATION})


@pytest_asyncio.fixture(scope="session")
async def monty() -> AsyncIterator[MontyBackend]:
    backend = MontyBackend(concurrency=2)
    yield backend
    await backend.close()


def job(code: str, arguments: Any = None, **limits: Any) -> SandboxJob:
    profile = SandboxProfile(
        **{"needs": NEEDS, "wall_seconds": 5.0, "cpu_seconds": 2.0, "memory_bytes": 50 << 20, **limits}
    )
    return SandboxJob(
        call_id="call", entry=SCRIPT_ENTRY, request={"code": code, "arguments": arguments}, profile=profile
    )


async def test_a_sum_comes_back(monty: MontyBackend) -> None:
    result = await monty.run(
        job("print('adding'); result = {'total': sum(arguments['amounts'])}", {"amounts": [1, 2.5]})
    )
    assert result.value == {"total": 3.5}
    assert result.log_tail == "adding\n"


async def test_nothing_of_one_call_is_seen_by_the_next(monty: MontyBackend) -> None:
    await monty.run(job("left_behind = 'secret'"))
    with pytest.raises(ToolCrashed) as caught:
        await monty.run(job("result = left_behind"))
    assert caught.value.error_type == "NameError"


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "open('/work/x', 'w')",
        "import os; os.listdir('/')",
        "import os; result = os.environ['PATH']",
        "import socket",
        "import subprocess",
        "import ctypes",
        "__import__('os').system('true')",
        "().__class__.__bases__[0].__subclasses__()",
    ],
)
async def test_there_is_no_way_out(monty: MontyBackend, code: str) -> None:
    with pytest.raises(ToolCrashed):
        await monty.run(job(code))


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("while True: pass", "cpu_seconds"),
        ("x = []\nwhile True: x.append('1' * 100000)", "memory_bytes"),
        ("import time; time.sleep(60)", "wall_seconds"),
        ("result = 'x' * 3000000", "output_bytes"),
        ("for _ in range(3000): print('x' * 1000)", "output_bytes"),
    ],
)
async def test_a_bomb_ends_by_its_limit(monty: MontyBackend, code: str, limit: str) -> None:
    with pytest.raises(SandboxLimitExceeded) as caught:
        await monty.run(job(code, output_bytes=1 << 20))
    assert caught.value.limit == limit


@pytest.mark.parametrize(
    "code", ["result = float('nan')", "result = b'x'", "result = None\nfor _ in range(99999): result = [result]"]
)
async def test_a_value_that_is_no_json_is_refused(monty: MontyBackend, code: str) -> None:
    with pytest.raises(ToolCrashed):
        await monty.run(job(code))


async def test_code_that_cannot_be_read_is_the_tools_fault(monty: MontyBackend) -> None:
    with pytest.raises(ToolCrashed):
        await monty.run(job("result = ("))


async def test_a_profile_that_needs_a_syscall_filter_is_refused(monty: MontyBackend) -> None:
    with pytest.raises(CapabilityMissing) as caught:
        await monty.run(job("result = 1", needs=SandboxProfile().needs))
    assert caught.value.missing == {Capability.SYSCALL_FILTER}


async def test_files_and_other_entries_are_refused(monty: MontyBackend) -> None:
    for changed in ({"files": {"a": b""}}, {"entry": "overseen.tools.sandbox.probe:run"}):
        fields = {
            "call_id": "call",
            "entry": SCRIPT_ENTRY,
            "request": {"code": ""},
            "profile": SandboxProfile(needs=NEEDS),
        }
        with pytest.raises(InvalidJob):
            await monty.run(SandboxJob(**{**fields, **changed}))


async def test_after_closing_nothing_runs() -> None:
    backend = MontyBackend()
    assert (await backend.run(job("result = 1"))).value == 1
    await backend.close()
    await backend.close()
    with pytest.raises(SandboxUnavailable):
        await backend.run(job("result = 1"))
