"""The syscall filter of the bubblewrap backend: a classic BPF deny list, assembled without any library.

Denied calls fail with EPERM (clone3 with ENOSYS, so that the C library falls back to clone, whose flags can be checked;
sockets with EAFNOSUPPORT). A foreign architecture or the x32 table ends the process.
"""

import errno
import platform
import struct
from dataclasses import dataclass

from overseen.tools.sandbox.port import SandboxUnavailable

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_FIRST, _OFFSET_SECOND = 0, 4, 16, 24
_X32_BIT = 0x40000000
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_NEW_NAMESPACE_FLAGS = 0x7E020000 | 0x80
_CLONE_THREAD = 0x00010000
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX


@dataclass(frozen=True, kw_only=True)
class _Architecture:
    audit_number: int
    denied: dict[str, int]
    clone: int
    socket: int
    socketpair: int
    ioctl: int
    forks: tuple[int, ...] = ()
    clone3: int = 435


# The same numbers on every architecture: calls added after the tables were unified.
_COMMON = {
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "memfd_secret": 447,
    "set_mempolicy_home_node": 450,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
}

# Shared memory segments, message queues and memfds hold memory that no limit of a single process counts.
_X86_64 = _Architecture(
    audit_number=0xC000003E,
    denied={
        **_COMMON,
        **{"ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312},
        **{"mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308},
        **{"add_key": 248, "request_key": 249, "keyctl": 250, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323},
        **{"kexec_load": 246, "kexec_file_load": 320, "init_module": 175, "finit_module": 313, "delete_module": 176},
        **{
            "create_module": 174,
            "get_kernel_syms": 177,
            "query_module": 178,
            "uselib": 134,
            "ustat": 136,
            "sysfs": 139,
        },
        **{"reboot": 169, "swapon": 167, "swapoff": 168, "acct": 163, "quotactl": 179, "_sysctl": 156, "syslog": 103},
        **{"settimeofday": 164, "clock_settime": 227, "clock_adjtime": 305, "adjtimex": 159},
        **{"sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "modify_ldt": 154},
        **{"personality": 135, "vhangup": 153, "lookup_dcookie": 212, "nfsservctl": 180, "fanotify_init": 300},
        **{"name_to_handle_at": 303, "open_by_handle_at": 304, "move_pages": 279, "migrate_pages": 256, "mbind": 237},
        **{"set_mempolicy": 238, "get_mempolicy": 239, "shmget": 29, "semget": 64, "msgget": 68, "memfd_create": 319},
        **{"mq_open": 240},
    },
    clone=56,
    socket=41,
    socketpair=53,
    ioctl=16,
    forks=(57, 58),
)

_AARCH64 = _Architecture(
    audit_number=0xC00000B7,
    denied={
        **_COMMON,
        **{"ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272},
        **{"mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268},
        **{"add_key": 217, "request_key": 218, "keyctl": 219, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282},
        **{"kexec_load": 104, "kexec_file_load": 294, "init_module": 105, "finit_module": 273, "delete_module": 106},
        **{"reboot": 142, "swapon": 224, "swapoff": 225, "acct": 89, "quotactl": 60, "syslog": 116},
        **{"settimeofday": 170, "clock_settime": 112, "clock_adjtime": 266, "adjtimex": 171},
        **{"sethostname": 161, "setdomainname": 162, "personality": 92, "vhangup": 58, "lookup_dcookie": 18},
        **{"nfsservctl": 42, "fanotify_init": 262, "name_to_handle_at": 264, "open_by_handle_at": 265},
        **{"move_pages": 239, "migrate_pages": 238, "mbind": 235, "set_mempolicy": 237, "get_mempolicy": 236},
        **{"shmget": 194, "semget": 190, "msgget": 186, "memfd_create": 279, "mq_open": 180},
    },
    clone=220,
    socket=198,
    socketpair=199,
    ioctl=29,
)

_ARCHITECTURES = {"x86_64": _X86_64, "aarch64": _AARCH64}


def _step(operation: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", operation, if_true, if_false, value & 0xFFFFFFFF)


def _fail(number: int) -> bytes:
    return _step(_RETURN, _ERRNO | number)


def _for_call(number: int, *body: bytes) -> bytes:
    """`body` runs for this call only; it must return on every path."""
    return _step(_EQUAL, number, if_false=len(body)) + b"".join(body)


def _clone_rule(clone: int, *, single_process: bool) -> bytes:
    body = [_step(_LOAD, _OFFSET_FIRST), _step(_ANY_BIT, _NEW_NAMESPACE_FLAGS, if_false=1), _fail(errno.EPERM)]
    if single_process:
        body += [_step(_ANY_BIT, _CLONE_THREAD, if_true=1), _fail(errno.EPERM)]
    return _for_call(clone, *body, _step(_RETURN, _ALLOW))


def _these_sockets_only(number: int, families: tuple[int, ...]) -> bytes:
    checks = [_step(_EQUAL, family, if_true=len(families) - index) for index, family in enumerate(families)]
    return _for_call(number, _step(_LOAD, _OFFSET_FIRST), *checks, _fail(errno.EAFNOSUPPORT), _step(_RETURN, _ALLOW))


def _ioctl_rule(number: int) -> bytes:
    first, second = _TERMINAL_INJECTION
    return _for_call(
        number,
        _step(_LOAD, _OFFSET_SECOND),
        _step(_EQUAL, first, if_true=2),
        _step(_EQUAL, second, if_true=1),
        _step(_RETURN, _ALLOW),
        _fail(errno.EPERM),
    )


def build_filter(*, single_process: bool, architecture: str | None = None, network: bool = False) -> bytes:
    """The filter as bwrap's `--seccomp` reads it: packed `struct sock_filter`, 8 bytes each.

    `single_process` also forbids starting processes (threads stay allowed); `network` allows internet sockets, for
    sandboxes whose network is a wall of its own. Raises SandboxUnavailable on an architecture without a table.
    """
    machine = architecture or platform.machine()
    known = _ARCHITECTURES.get(machine)
    if known is None:
        raise SandboxUnavailable(
            f"There is no syscall filter for {machine}.",
            not_done="The tool was not run.",
            next_step="Use a machine with x86_64 or aarch64, or another sandbox.",
        )
    program = [
        _step(_LOAD, _OFFSET_ARCHITECTURE),
        _step(_EQUAL, known.audit_number, if_true=1),
        _step(_RETURN, _KILL_PROCESS),
        _step(_LOAD, _OFFSET_NUMBER),
    ]
    if machine == "x86_64":
        program += [_step(_AT_LEAST, _X32_BIT, if_false=1), _step(_RETURN, _KILL_PROCESS)]
    program += [_for_call(number, _fail(errno.EPERM)) for number in known.denied.values()]
    if single_process:
        program += [_for_call(number, _fail(errno.EPERM)) for number in known.forks]
    program += [
        _for_call(known.clone3, _fail(errno.ENOSYS)),
        _clone_rule(known.clone, single_process=single_process),
        _these_sockets_only(known.socket, (_AF_UNIX, _AF_INET, _AF_INET6) if network else (_AF_UNIX,)),
        _these_sockets_only(known.socketpair, (_AF_UNIX,)),
        _ioctl_rule(known.ioctl),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(program)
