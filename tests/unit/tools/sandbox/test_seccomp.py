"""The filter is run in a small interpreter of classic BPF: the kernel's answer without the kernel."""

import errno
import struct

import pytest

from overseen.tools.sandbox import SandboxUnavailable
from overseen.tools.sandbox.seccomp import build_filter

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CALLS = {
    "x86_64": {
        "clone": 56,
        "socket": 41,
        "ioctl": 16,
        "mount": 165,
        "ptrace": 101,
        "read": 0,
        "openat": 257,
        "fork": 57,
    },
    "aarch64": {"clone": 220, "socket": 198, "ioctl": 29, "mount": 40, "ptrace": 117, "read": 63, "openat": 56},
}
THREAD = 0x3D0F00
"""The flags with which the C library starts a thread."""


def answer(program: bytes, number: int, first: int = 0, second: int = 0, *, audit: int) -> int:
    data = struct.pack("<IIQQQQQQQ", number, audit, 0, first, second, 0, 0, 0, 0)
    place, accumulator = 0, 0
    while True:
        operation, if_true, if_false, value = struct.unpack_from("<HBBI", program, place * 8)
        place += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x06:
            return value
        else:
            matches = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[
                operation
            ]
            place += if_true if matches else if_false


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest) -> str:
    return request.param


def ask(machine: str, call: str, first: int = 0, second: int = 0, *, single_process: bool = True) -> int:
    program = build_filter(single_process=single_process, architecture=machine)
    return answer(program, CALLS[machine][call], first, second, audit=AUDIT[machine])


@pytest.mark.parametrize("call", ["read", "openat"])
def test_ordinary_calls_are_allowed(machine: str, call: str) -> None:
    assert ask(machine, call) == ALLOW


@pytest.mark.parametrize("call", ["mount", "ptrace"])
def test_dangerous_calls_fail(machine: str, call: str) -> None:
    assert ask(machine, call) == ERRNO | errno.EPERM


@pytest.mark.parametrize(
    ("family", "expected"), [(1, ALLOW), *((n, ERRNO | errno.EAFNOSUPPORT) for n in (0, 2, 10, 16, 40))]
)
def test_only_unix_sockets_are_allowed(machine: str, family: int, expected: int) -> None:
    assert ask(machine, "socket", family) == expected


@pytest.mark.parametrize(
    ("family", "expected"), [*((n, ALLOW) for n in (1, 2, 10)), *((n, ERRNO | errno.EAFNOSUPPORT) for n in (0, 16, 40))]
)
def test_where_the_network_is_a_wall_of_its_own_internet_sockets_are_allowed(
    machine: str, family: int, expected: int
) -> None:
    program = build_filter(single_process=True, architecture=machine, network=True)
    assert answer(program, CALLS[machine]["socket"], family, audit=AUDIT[machine]) == expected


def test_threads_are_allowed_and_processes_only_where_the_profile_has_several(machine: str) -> None:
    child = 17  # SIGCHLD and no flag: what fork asks for
    assert ask(machine, "clone", THREAD) == ALLOW
    assert ask(machine, "clone", child) == ERRNO | errno.EPERM
    assert ask(machine, "clone", child, single_process=False) == ALLOW


def test_a_thread_in_a_new_namespace_is_refused(machine: str) -> None:
    for flag in (0x10000000, 0x00020000, 0x40000000, 0x20000000, 0x02000000, 0x80):
        assert ask(machine, "clone", THREAD | flag, single_process=False) == ERRNO | errno.EPERM


def test_clone3_is_unknown_so_that_clone_is_used(machine: str) -> None:
    program = build_filter(single_process=False, architecture=machine)
    assert answer(program, 435, audit=AUDIT[machine]) == ERRNO | errno.ENOSYS


def test_writing_into_a_terminal_is_refused_and_other_requests_are_not(machine: str) -> None:
    assert ask(machine, "ioctl", 0, 0x5412) == ERRNO | errno.EPERM
    assert ask(machine, "ioctl", 0, 0x541C) == ERRNO | errno.EPERM
    assert ask(machine, "ioctl", 0, 0x541B) == ALLOW


def test_another_architecture_is_killed(machine: str) -> None:
    program = build_filter(single_process=True, architecture=machine)
    assert answer(program, 0, audit=0x40000003) == KILL


def test_the_x32_table_is_killed() -> None:
    program = build_filter(single_process=True, architecture="x86_64")
    assert answer(program, 0x40000000 | 1, audit=AUDIT["x86_64"]) == KILL


def test_fork_and_vfork_are_refused_to_a_single_process() -> None:
    assert ask("x86_64", "fork") == ERRNO | errno.EPERM
    assert ask("x86_64", "fork", single_process=False) == ALLOW


def test_a_machine_without_a_table_is_refused() -> None:
    with pytest.raises(SandboxUnavailable, match="riscv64"):
        build_filter(single_process=True, architecture="riscv64")
