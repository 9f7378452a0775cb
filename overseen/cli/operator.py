"""Who runs a command: the user of the machine as the kernel knows them, whatever the environment says."""

import os
import pwd
from pathlib import Path

from overseen.domain.act_origin import ActOrigin, Channel

_NOBODY = 2**32 - 1
"""What the kernel keeps where no login stands behind a process: a service, a container."""


def os_user() -> str:
    """`root`, or `root (login ada)` where ada logged in to the machine and became root; `uid 1234` without a name."""
    uid = os.getuid()
    login = _login_uid()
    return _name(uid) if login is None or login == uid else f"{_name(uid)} (login {_name(login)})"


def command_line() -> ActOrigin:
    """Where acts of this process come from."""
    return ActOrigin(channel=Channel.COMMAND_LINE, os_user=os_user())


def _login_uid(path: Path = Path("/proc/self/loginuid")) -> int | None:
    """Set by the machine's log-in, kept by sudo and su; None where the kernel does not tell."""
    try:
        uid = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if uid == _NOBODY else uid


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
