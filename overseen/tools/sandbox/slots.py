"""Users for sandboxes: as root, each sandbox alive has a uid that nobody else on the machine has."""

import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path

from overseen.tools.sandbox.port import SandboxUnavailable

SLOTS = 256
_PREFERRED_FIRST = 1_950_000_000
"""Above every range that distributions, systemd and container tools hand out."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A uid taken. The lock is an abstract socket: other processes of the machine see it, and it ends with us."""

    uid: int
    lock: socket.socket

    def release(self) -> None:
        """Give the uid back."""
        self.lock.close()


def choose_range() -> range:
    """The uids to use: high ones no account has, or the top of what this user namespace maps."""
    text = Path("/proc/self/uid_map").read_text(encoding="ascii")
    mapped = [tuple(map(int, line.split())) for line in text.splitlines()]
    preferred = range(_PREFERRED_FIRST, _PREFERRED_FIRST + SLOTS)
    if any(preferred.start >= first and preferred.stop <= first + count for first, _, count in mapped):
        return preferred
    first, _, count = max(mapped, key=lambda line: line[2])
    # 65534 is nobody, whose processes others may use.
    top = min(first + count, 65_534) if first < 65_534 else first + count
    return range(max(first + 1, top - SLOTS), top)


class Slots:
    """Hands out uids of a range, one owner each on the whole machine."""

    def __init__(self, uids: range) -> None:
        self._uids = uids
        self._next = 0

    def take(self) -> Slot:
        """A free uid. Raises SandboxUnavailable when all are taken."""
        for step in range(len(self._uids)):
            index = (self._next + step) % len(self._uids)
            lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            with contextlib.suppress(OSError):
                lock.bind(f"\0overseen-sandbox-{self._uids[index]}")
                self._next = index + 1
                return Slot(uid=self._uids[index], lock=lock)
            lock.close()
        raise SandboxUnavailable(
            f"All {len(self._uids)} sandbox users are taken.",
            not_done="The tool was not run.",
            next_step="Wait for running calls to end, or lower the sandbox concurrency.",
        )
