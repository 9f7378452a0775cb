"""What code inside can see and reach: nothing of the host, of the network, of other calls."""

import asyncio
import os
import secrets
import socket
from pathlib import Path

import psutil
import pytest

from overseen.tools.doors.listening import private_socket
from overseen.tools.sandbox import Capability, InvalidJob, ToolCrashed
from tests.contract.sandbox.backends import OWN_KERNEL
from tests.contract.sandbox.conftest import Sandbox

MOST_FAMILIES = 64


async def test_no_network_of_any_family(sandbox: Sandbox) -> None:
    sandbox.requires(Capability.NETWORK_DENY)
    code = (
        "import socket\nopened = []\n"
        "for family in range(arguments):\n"
        "  for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):\n"
        "    try: socket.socket(family, kind).close(); opened.append(family)\n"
        "    except OSError: pass\n"
        "result = sorted(set(opened) - {socket.AF_UNIX})"
    )
    assert await sandbox.value(code, arguments=MOST_FAMILIES) == []


async def test_there_is_no_network_interface_with_an_address(sandbox: Sandbox) -> None:
    sandbox.requires(Capability.NETWORK_DENY)
    routes = await sandbox.value("result = open('/proc/net/route').read().splitlines()[1:]")
    assert routes == []


async def test_no_name_is_resolved(sandbox: Sandbox) -> None:
    sandbox.requires(Capability.NETWORK_DENY)
    code = "import socket\ntry: result = socket.getaddrinfo('localhost', 80)\nexcept OSError: result = 'none'"
    assert await sandbox.value(code) == "none"


async def test_an_abstract_socket_of_the_host_is_out_of_reach(sandbox: Sandbox) -> None:
    sandbox.requires(Capability.NETWORK_DENY)
    with socket.socket(socket.AF_UNIX) as listening:
        name = f"overseen-test-{os.getpid()}"
        listening.bind(f"\0{name}")
        listening.listen()
        code = (
            "import socket\n"
            "try: socket.socket(socket.AF_UNIX).connect('\\0' + arguments)\n"
            "except OSError: result = 'refused'\n"
            "else: result = 'connected'"
        )
        assert await sandbox.value(code, arguments=name) == "refused"


async def test_the_environment_holds_nothing_of_the_host(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERSEEN_TEST_SECRET", "hvs.secret")
    environment = await sandbox.value("import os; result = dict(os.environ)")
    assert "OVERSEEN_TEST_SECRET" not in environment
    assert not set(environment) - {
        *("PATH", "HOME", "TMPDIR", "LANG", "PWD", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LC_CTYPE"),
    }
    assert "hvs.secret" not in str(await sandbox.value("result = open('/proc/self/environ').read()"))


async def test_other_processes_are_invisible(sandbox: Sandbox) -> None:
    pids = await sandbox.value("import os; result = [int(name) for name in os.listdir('/proc') if name.isdigit()]")
    assert len(pids) <= 2
    assert os.getpid() not in pids or os.getpid() in (1, 2)


async def test_host_files_are_invisible(sandbox: Sandbox, home: Path) -> None:
    key = home / "keys" / "blob.key"
    key.parent.mkdir()
    key.write_text("secret")
    paths = [
        "/etc/shadow",
        "/etc/passwd",
        "/root",
        "/home",
        "/var",
        "/run",
        str(key),
        str(Path(__file__)),
        "/sys/class",
        "/boot",
    ]
    code = "import os; result = [path for path in arguments if os.path.lexists(path)]"
    assert await sandbox.value(code, arguments=paths) == []


async def test_nothing_but_the_scratch_folder_can_be_written(sandbox: Sandbox) -> None:
    code = (
        "import os\nwritten = []\n"
        "for folder in ('/', '/usr', '/overseen', '/overseen/code', '/doors', '/dev', '/work', '/tmp'):\n"
        "  try: open(folder + '/x', 'w').close(); written.append(folder)\n"
        "  except OSError: pass\n"
        "result = written"
    )
    assert await sandbox.value(code) == ["/work", "/tmp"]


async def test_kernel_settings_cannot_be_written(sandbox: Sandbox) -> None:
    code = (
        "import os\nopened = []\n"
        "for folder, _, names in os.walk('/proc/sys'):\n"
        "  for name in names:\n"
        "    try: os.close(os.open(folder + '/' + name, os.O_WRONLY)); opened.append(folder + '/' + name)\n"
        "    except OSError: pass\n"
        "for path in ('/proc/sysrq-trigger', '/proc/kcore', '/proc/kmsg', '/dev/mem', '/dev/kmsg'):\n"
        "  try: os.close(os.open(path, os.O_RDWR)); opened.append(path)\n"
        "  except OSError: pass\n"
        "result = opened"
    )
    assert await sandbox.value(code) == []


async def test_no_privilege_is_left_to_use(sandbox: Sandbox) -> None:
    code = "result = dict(l.split(':\\t', 1) for l in open('/proc/self/status').read().splitlines() if ':\\t' in l)"
    status = await sandbox.value(code)
    # gVisor does not show all of them.
    assert {int(status.get(name, "0"), 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status.get("NoNewPrivs", "1") == "1"
    assert await sandbox.value("import ctypes; result = ctypes.CDLL(None).prctl(39, 0, 0, 0, 0)") == 1
    assert status["Seccomp"] == "2"


async def users_while_running(sandbox: Sandbox, name: str) -> set[int]:
    """Run a job that becomes a process called `name` and see from outside who it runs as."""
    job = asyncio.create_task(
        sandbox.run("import os; os.execv('/bin/sleep', [arguments, '2'])", arguments=name, wall_seconds=15.0)
    )
    users: set[int] = set()
    while not users and not job.done():
        await asyncio.sleep(0.05)
        seen = [process for process in psutil.process_iter(["cmdline"]) if name in (process.info["cmdline"] or ())]
        users = {uid for process in seen for uid in process.uids()}
    with pytest.raises(ToolCrashed):
        await job
    return users


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give each sandbox a user of its own")
async def test_as_root_each_sandbox_has_an_unprivileged_user_of_its_own(sandbox: Sandbox) -> None:
    if sandbox.backend.name in OWN_KERNEL:
        pytest.skip("it has users of a kernel of its own")
    names = [f"who-{secrets.token_hex(4)}" for _ in range(2)]
    first, second = await asyncio.gather(*(users_while_running(sandbox, name) for name in names))
    assert len(first) == len(second) == 1
    assert 0 not in first | second
    assert first != second


SYSTEM_CALLS = {
    "ptrace": 101,
    "mount": 165,
    "unshare": 272,
    "setns": 308,
    "keyctl": 250,
    "bpf": 321,
    "io_uring_setup": 425,
    "userfaultfd": 323,
    "perf_event_open": 298,
    "memfd_create": 319,
    "shmget": 29,
    "process_vm_readv": 310,
    "open_by_handle_at": 304,
    "kexec_load": 246,
    "personality": 135,
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86_64")
@pytest.mark.parametrize("name", sorted(SYSTEM_CALLS))
async def test_a_dangerous_system_call_is_refused(sandbox: Sandbox, name: str) -> None:
    sandbox.requires(Capability.SYSCALL_FILTER)
    code = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "result = [libc.syscall(arguments, 0, 0, 0, 0, 0), ctypes.get_errno()]"
    )
    assert await sandbox.value(code, arguments=SYSTEM_CALLS[name]) == [-1, 1]


async def test_a_file_of_another_call_is_out_of_reach(sandbox: Sandbox) -> None:
    await sandbox.run("open('/work/left', 'w').write('secret'); open('/tmp/left', 'w').write('secret')")
    code = "import os; result = sorted(os.listdir('/work')) + os.listdir('/tmp') + os.listdir('/dev/shm')"
    assert await sandbox.value(code) == ["tmp"]


async def test_a_door_leads_to_the_socket_it_was_given(sandbox: Sandbox) -> None:
    sandbox.requires(Capability.EGRESS_ALLOW_LIST)
    async with private_socket(sandbox.backend.doors_folder) as listening:
        listening.socket.listen()
        listening.socket.setblocking(True)
        code = (
            "import os, socket\n"
            "socket.socket(socket.AF_UNIX).connect(context.door_path('insurer'))\n"
            "result = os.listdir('/doors')"
        )
        assert await sandbox.value(code, doors={"insurer": listening.path}) == ["insurer"]
        listening.socket.settimeout(1)
        listening.socket.accept()[0].close()
    assert await sandbox.value("import os; result = os.listdir('/doors')") == []


async def test_a_door_outside_of_the_doors_folder_is_refused(sandbox: Sandbox) -> None:
    sandbox.requires(Capability.EGRESS_ALLOW_LIST)
    with pytest.raises(InvalidJob):
        await sandbox.run("result = 1", doors={"insurer": Path("/nonexistent/socket")})
