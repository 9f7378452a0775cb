"""Looks at the walls from inside, before a backend is trusted with anything. Standard library only."""

import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from overseen.tools.sandbox.context import ToolContext

_PR_GET_NO_NEW_PRIVS = 39
_OTHER_KERNEL_FILES = ("/proc/sysrq-trigger", "/proc/kcore", "/dev/mem")


def _kernel_files() -> Iterator[str]:
    yield from _OTHER_KERNEL_FILES
    for folder, _, names in os.walk("/proc/sys"):
        yield from (f"{folder}/{name}" for name in names)


def _opens_for_writing(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError:
        return False
    return True


def _network_family_works() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True


def run(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:  # noqa: ARG001 - the shape of every entry
    """What a sound sandbox shows: nothing writable in /proc/sys, no network, no capability, filter on, few
    processes."""
    status = dict(
        line.split(":\t", 1)
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        if ":\t" in line
    )
    return {
        "kernel_settings_writable": [path for path in _kernel_files() if _opens_for_writing(path)],
        "network": _network_family_works(),
        "capabilities": int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapBnd"], 16),
        "no_new_privileges": ctypes.CDLL(None).prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
        "syscall_filter": status["Seccomp"].strip() == "2",
        "processes": sum(1 for path in Path("/proc").iterdir() if path.name.isdigit()),
        "environment": sorted(os.environ),
    }
