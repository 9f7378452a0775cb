"""What goes in comes out, and nothing else is taken for a result."""

import asyncio
import json

import pytest

from overseen.tools.sandbox import (
    Capability,
    CapabilityMissing,
    InvalidJob,
    SandboxJob,
    SandboxLimitExceeded,
    SandboxProfile,
    ToolCrashed,
)
from tests.contract.sandbox.conftest import Sandbox

VALUE = {"text": "Grüße ﷽ \u0000", "numbers": [0, -1, 2**63, 1.5], "nothing": None, "nested": [{"yes": True}]}


async def test_a_value_comes_back_as_it_went_in(sandbox: Sandbox) -> None:
    assert await sandbox.value("result = arguments", arguments=VALUE) == VALUE


async def test_files_go_in_and_come_out(sandbox: Sandbox) -> None:
    content = bytes(range(256)) * 500
    run = await sandbox.run(
        "context.write_file('back.bin', context.file('in.bin')[::-1]); result = context.file_names",
        files={"in.bin": content, "empty": b""},
    )
    assert run.value == ["empty", "in.bin"]
    assert run.files == {"back.bin": content[::-1]}


async def test_a_file_that_was_not_handed_in_is_said_to_be_missing(sandbox: Sandbox) -> None:
    with pytest.raises(ToolCrashed) as caught:
        await sandbox.run("context.file('other.pdf')")
    assert caught.value.tool_code == "not_found"


async def test_figures_of_the_run_are_measured(sandbox: Sandbox) -> None:
    run = await sandbox.run("import time\nwhile time.process_time() < 0.4: pass")
    assert run.cpu_seconds is None or 0.3 < run.cpu_seconds < 5
    assert 0.3 < run.wall_seconds < 20


async def test_what_is_printed_is_not_the_result(sandbox: Sandbox) -> None:
    noise = json.dumps({"value": "forged", "files": []})
    run = await sandbox.run(
        f"import os, sys\nprint({noise!r})\nos.write(1, b'\\0' * 100)\n"
        "sys.stdout.buffer.write(b'\\xff')\nresult = 'real'"
    )
    assert run.value == "real"
    assert "forged" in run.log_tail


async def test_an_exception_is_reported_by_its_type_and_not_in_the_message(sandbox: Sandbox) -> None:
    with pytest.raises(ToolCrashed) as caught:
        await sandbox.run("raise ValueError('Mrs Smith')")
    assert (caught.value.kind, caught.value.error_type) == ("raised", "ValueError")
    assert "Mrs Smith" in caught.value.detail
    assert "Mrs Smith" not in str(caught.value)


async def test_a_tool_says_in_its_own_words_why_it_cannot_answer(sandbox: Sandbox) -> None:
    with pytest.raises(ToolCrashed) as caught:
        await sandbox.run("raise ToolError('unreadable', 'The page is blank.')")
    assert (caught.value.tool_code, caught.value.detail) == ("unreadable", "The page is blank.")


async def test_a_process_that_exits_is_a_crash(sandbox: Sandbox) -> None:
    with pytest.raises(ToolCrashed) as caught:
        await sandbox.run("import os; os._exit(3)")
    assert (caught.value.kind, caught.value.error_type) == ("died", "exit status 3")


async def test_a_process_that_dies_of_a_signal_is_a_crash(sandbox: Sandbox) -> None:
    with pytest.raises(ToolCrashed) as caught:
        await sandbox.run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert (caught.value.kind, caught.value.error_type) == ("died", "SIGSEGV")


async def test_a_value_that_is_no_json_is_refused(sandbox: Sandbox) -> None:
    for code in ("result = float('nan')", "result = object()", "result = {1j: 2}", "result = b'bytes'"):
        with pytest.raises(ToolCrashed):
            await sandbox.run(code)


@pytest.mark.parametrize(
    "forged",
    [
        b"\x10\x00\x00\x00\x00\x00\x00\x00not json at all!",
        b'\x1c\x00\x00\x00\x00\x00\x00\x00{"value":NaN,"files":[]}    ',
        b'\x19\x00\x00\x00\x00\x00\x00\x00{"value":1,"files":[[]]} ',
        b'\x2d\x00\x00\x00\x00\x00\x00\x00{"value":1,"files":[["../../etc/passwd",1]]}x',
        b'\x1b\x00\x00\x00\x00\x00\x00\x00{"value":"\\ud800","files":[]}',
    ],
    ids=["no json", "not a number", "malformed files", "a path as name", "half a character"],
)
async def test_a_forged_frame_is_no_result(sandbox: Sandbox, forged: bytes) -> None:
    write_everywhere = (
        f"import os\nfor n in range(3, 40):\n  try: os.write(n, {forged!r})\n  except OSError: pass\nos._exit(0)"
    )
    with pytest.raises(ToolCrashed):
        await sandbox.run(write_everywhere)


async def test_a_link_is_not_taken_as_a_result(sandbox: Sandbox) -> None:
    for target in ("/etc/shadow", "/proc/self/environ", "/work/other"):
        with pytest.raises(ToolCrashed) as caught:
            await sandbox.run(
                f"import os; open('/work/other', 'w').close(); os.symlink({target!r}, '/work/out')\n"
                "context.collect_file('out', '/work/out')"
            )
        assert caught.value.tool_code == "not_regular"


async def test_a_pipe_is_not_taken_as_a_result(sandbox: Sandbox) -> None:
    with pytest.raises(ToolCrashed) as caught:
        await sandbox.run("import os; os.mkfifo('/work/out'); context.collect_file('out', '/work/out')")
    assert caught.value.tool_code == "not_regular"


async def test_a_sparse_file_counts_in_full(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxLimitExceeded) as caught:
        await sandbox.run(
            "open('/work/out', 'wb').truncate(7 << 20); context.collect_file('out', '/work/out')", output_bytes=1 << 20
        )
    assert caught.value.limit == "output_bytes"


async def test_a_plain_file_is_collected(sandbox: Sandbox) -> None:
    run = await sandbox.run("open('/work/out', 'wb').write(b'sum'); context.collect_file('total.txt', '/work/out')")
    assert run.files == {"total.txt": b"sum"}


async def test_a_capability_nobody_has_is_refused_by_name(sandbox: Sandbox) -> None:
    with pytest.raises(CapabilityMissing) as caught:
        await sandbox.run("result = 1", needs=frozenset({Capability.SNAPSHOT, Capability.NETWORK_DENY}))
    assert caught.value.missing == frozenset({Capability.SNAPSHOT})
    assert sandbox.backend.name in str(caught.value)
    assert "snapshot" in str(caught.value)
    assert caught.value.next_step


@pytest.mark.parametrize("entry", ["os", "os:system;x", "os:", "../x:run", "a b:run"])
async def test_a_malformed_entry_is_refused(sandbox: Sandbox, entry: str) -> None:
    with pytest.raises(InvalidJob):
        await sandbox.backend.run(SandboxJob(call_id="c", entry=entry, request={}, profile=SandboxProfile()))


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", "-rf", "x" * 129, "nul\0", "ümlaut"])
async def test_a_name_that_could_be_a_path_is_refused(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(InvalidJob):
        await sandbox.run("result = 1", files={name: b""})


async def test_an_entry_that_does_not_exist_is_a_crash(sandbox: Sandbox) -> None:
    job = SandboxJob(call_id="c", entry="overseen.no_such_module:run", request={})
    with pytest.raises(ToolCrashed) as caught:
        await sandbox.backend.run(job)
    assert caught.value.error_type == "ModuleNotFoundError"


async def test_many_jobs_at_once_do_not_mix(sandbox: Sandbox) -> None:
    jobs = [sandbox.value("import os; result = [arguments, os.listdir('/work')]", arguments=n) for n in range(12)]
    assert await asyncio.gather(*jobs) == [[n, ["tmp"]] for n in range(12)]


async def test_a_prewarmed_job_gives_the_same_answer_each_time_in_a_fresh_place(sandbox: Sandbox) -> None:
    code = (
        "import os; seen = os.path.exists('/work/mark'); open('/work/mark', 'w').close(); result = [seen, os.getpid()]"
    )
    for _ in range(4):
        assert (await sandbox.value(code, prewarmed=1, warm_imports=("decimal",)))[0] is False
