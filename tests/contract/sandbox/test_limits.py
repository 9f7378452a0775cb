"""Bombs: each limit ends the job, says which it was, and leaves the host as it was."""

import asyncio
import secrets
import signal
import time

import psutil
import pytest

from overseen.tools.sandbox import Capability, CapabilityMissing, SandboxLimitExceeded, ToolCrashed
from tests.contract.sandbox.conftest import Sandbox

SEVERAL = frozenset({Capability.NETWORK_DENY, Capability.PIDS, Capability.SYSCALL_FILTER})


async def limit_hit_by(sandbox: Sandbox, code: str, **options: object) -> str:
    with pytest.raises(SandboxLimitExceeded) as caught:
        await sandbox.run(code, **options)
    return caught.value.limit


async def test_time_runs_out(sandbox: Sandbox) -> None:
    started = time.monotonic()
    assert await limit_hit_by(sandbox, "import time; time.sleep(60)", wall_seconds=1.0) == "wall_seconds"
    assert time.monotonic() - started < 5


async def test_time_runs_out_for_code_that_ignores_every_signal(sandbox: Sandbox) -> None:
    code = (
        "import signal, time\n"
        "for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)\n"
        "while True: time.sleep(1)"
    )
    assert await limit_hit_by(sandbox, code, wall_seconds=1.0) == "wall_seconds"


async def test_cpu_runs_out(sandbox: Sandbox) -> None:
    sandbox.requires(Capability.CPU)
    assert await limit_hit_by(sandbox, "while True: pass", cpu_seconds=1.0) == "cpu_seconds"


async def test_cpu_runs_out_for_code_that_ignores_the_warning(sandbox: Sandbox) -> None:
    sandbox.requires(Capability.CPU)
    code = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    assert await limit_hit_by(sandbox, code, cpu_seconds=1.0) == "cpu_seconds"


async def test_memory_runs_out_at_once(sandbox: Sandbox) -> None:
    assert await limit_hit_by(sandbox, "x = bytearray(1 << 31)", memory_bytes=256 << 20) == "memory_bytes"


async def test_memory_runs_out_bit_by_bit(sandbox: Sandbox) -> None:
    code = "x = []\nwhile True: x.append(bytearray(b'1' * (8 << 20)))"
    assert await limit_hit_by(sandbox, code, memory_bytes=256 << 20) == "memory_bytes"


async def test_memory_of_many_processes_together_is_bounded_or_refused(sandbox: Sandbox) -> None:
    # Each child stays under the limit of one process; only the sum is too much.
    code = (
        "import os, time\n"
        "for _ in range(6):\n"
        "  if os.fork() == 0: x = bytearray(b'1' * (60 << 20)); time.sleep(2); os._exit(0)\n"
        "result = [os.wait()[1] for _ in range(6)]\n"
    )
    try:
        statuses = await sandbox.value(code, memory_bytes=160 << 20, processes=20)
    except (CapabilityMissing, SandboxLimitExceeded):
        return
    assert signal.SIGKILL in statuses


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.fork()",
        "import subprocess; subprocess.run(['/bin/true'])",
        "import os\nif os.system('true') != 0: raise PermissionError",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
    ],
    ids=["fork", "subprocess", "system", "posix_spawn"],
)
async def test_starting_a_process_is_refused_when_the_profile_says_one(sandbox: Sandbox, code: str) -> None:
    sandbox.requires(Capability.PIDS)
    with pytest.raises(ToolCrashed) as caught:
        await sandbox.run(code)
    assert caught.value.error_type == "PermissionError"


async def test_threads_are_free_up_to_the_limit(sandbox: Sandbox) -> None:
    code = (
        "import threading, time\n"
        "threads = [threading.Thread(target=time.sleep, args=(0.2,)) for _ in range(arguments)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]; result = 'done'"
    )
    assert await sandbox.value(code, arguments=10, threads=24) == "done"
    sandbox.requires(Capability.PIDS)
    assert await limit_hit_by(sandbox, code, arguments=60, threads=24) == "processes"


async def test_a_fork_bomb_ends_and_leaves_the_host_alone(sandbox: Sandbox) -> None:
    sandbox.requires(Capability.PIDS)
    code = "import os\nwhile True:\n  try: os.fork()\n  except BlockingIOError: pass"
    limits = {"processes": 12, "wall_seconds": 2.0, "needs": SEVERAL, "memory_bytes": 256 << 20}
    assert await limit_hit_by(sandbox, code, **limits) in ("wall_seconds", "cpu_seconds", "processes")
    assert await sandbox.value("result = 'alive'") == "alive"


async def test_processes_are_counted(sandbox: Sandbox) -> None:
    sandbox.requires(Capability.PIDS)
    code = (
        "import os, time\nstarted = 0\n"
        "try:\n"
        "  for _ in range(100):\n"
        "    if os.fork() == 0: time.sleep(30)\n"
        "    started += 1\n"
        "except BlockingIOError: pass\n"
        "result = started"
    )
    started = await sandbox.value(code, processes=8, needs=SEVERAL)
    assert 4 <= started <= 12


async def test_disk_runs_out_in_one_file(sandbox: Sandbox) -> None:
    sandbox.requires(Capability.DISK)
    code = "open('/work/x', 'wb').write(b'1' * (9 << 20))"
    assert await limit_hit_by(sandbox, code, scratch_bytes=8 << 20) == "scratch_bytes"


async def test_disk_runs_out_over_many_files_and_folders(sandbox: Sandbox) -> None:
    sandbox.requires(Capability.DISK)
    code = (
        "import itertools\n"
        "for n in itertools.count(): open(('/work/x', '/tmp/x')[n % 2] + str(n), 'wb').write(b'1' * (1 << 20))"
    )
    assert await limit_hit_by(sandbox, code, scratch_bytes=8 << 20) == "scratch_bytes"


@pytest.mark.parametrize("code", ["result = 'x' * (2 << 20)", "context.write_file('x', bytes(2 << 20))"])
async def test_a_result_too_large_is_refused(sandbox: Sandbox, code: str) -> None:
    assert await limit_hit_by(sandbox, code, output_bytes=1 << 20) == "output_bytes"


async def test_endless_printing_ends(sandbox: Sandbox) -> None:
    assert await limit_hit_by(sandbox, "while True: print('x' * 10000)", output_bytes=1 << 20) == "output_bytes"


async def test_a_result_that_claims_to_be_huge_is_refused(sandbox: Sandbox) -> None:
    code = (
        "import os\n"
        "for n in range(3, 40):\n"
        "  try: os.write(n, (1 << 60).to_bytes(8, 'little'))\n"
        "  except OSError: pass\n"
        "import time; time.sleep(20)"
    )
    assert await limit_hit_by(sandbox, code, wall_seconds=5.0) == "output_bytes"


async def test_a_deeply_nested_result_does_not_hurt_the_host(sandbox: Sandbox) -> None:
    code = "result = None\nfor _ in range(200000): result = [result]"
    with pytest.raises((ToolCrashed, SandboxLimitExceeded)):
        await sandbox.run(code)


async def test_nothing_survives_the_end(sandbox: Sandbox) -> None:
    # A daemon: forked twice, in a session of its own, its name unmistakable.
    name = f"survivor-{secrets.token_hex(4)}"
    code = (
        "import os\n"
        "if os.fork() == 0:\n"
        "  os.setsid()\n"
        "  if os.fork() == 0: os.execv('/bin/sleep', [arguments, '300'])\n"
        "  os._exit(0)\n"
        "os.wait(); result = 'started'"
    )
    assert await sandbox.value(code, arguments=name, processes=8, needs=SEVERAL) == "started"
    assert not [process for process in psutil.process_iter(["cmdline"]) if name in (process.info["cmdline"] or ())]


async def test_a_cancelled_job_is_over_when_the_cancelled_task_is(sandbox: Sandbox) -> None:
    task = asyncio.create_task(sandbox.run("import time; time.sleep(60)", wall_seconds=60.0))
    await asyncio.sleep(1.0)
    task.cancel()
    started = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 5
    assert await sandbox.value("result = 1") == 1
