"""Child processes that die with their parent and can be told from a stranger with the same pid."""

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from overseen.errors import Misconfigured

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
# A start time is compared with this slack: psutil derives it from boot time, which clock adjustments shift a little.
_START_SLACK_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whom a process runs as; `None` ids mean the present user."""

    uid: int | None = None
    gid: int | None = None

    def give(self, *paths: Path) -> None:
        """Make this owner the owner of `paths`."""
        if self.uid is None or self.gid is None:
            return
        for path in paths:
            os.chown(path, self.uid, self.gid)

    def can_reach(self, path: Path) -> bool:
        """Whether `path` and every folder above it may be entered and read by this owner."""
        if self.uid is None:
            return os.access(path, os.R_OK)
        return all(self._allows(folder, 0o1) for folder in path.resolve().parents) and self._allows(path, 0o5)

    def _allows(self, path: Path, bits: int) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            return (status.st_mode >> 6) & bits == bits
        if status.st_gid == self.gid:
            return (status.st_mode >> 3) & bits == bits
        return status.st_mode & bits == bits


def unprivileged_owner() -> Owner:
    """`nobody` when we are root (PostgreSQL refuses root), else the present user. Misconfigured without `nobody`."""
    if os.geteuid() != 0:
        return Owner()
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as error:
        raise Misconfigured(
            "This machine has no user `nobody`.",
            not_done="PostgreSQL was not started: it refuses to run as root.",
            next_step="Add the user `nobody`, or run `overseen up` as an ordinary user.",
        ) from error
    return Owner(uid=entry.pw_uid, gid=entry.pw_gid)


@dataclass(frozen=True, kw_only=True)
class ProcessMark:
    """A process on this machine: its pid and the time it started (seconds since 1970), which together are unique."""

    pid: int
    started_at: float

    @classmethod
    def of(cls, pid: int) -> "ProcessMark | None":
        """The mark of a running process; None when there is none."""
        try:
            return cls(pid=pid, started_at=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def process(self) -> psutil.Process | None:
        """The process itself; None when it ended, also when another one has its pid by now."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at) < _START_SLACK_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process() is not None

    def end(self, *, first: signal.Signals = signal.SIGTERM, seconds: float = 10.0) -> None:
        """Send `first`, wait up to `seconds`, then SIGKILL. Returns when it is gone. Blocks."""
        for sent in (first, signal.SIGKILL):
            process = self.process()
            if process is None:
                return
            try:
                process.send_signal(sent)
                process.wait(seconds)
            except (psutil.NoSuchProcess, psutil.TimeoutExpired):
                continue


def die_with_parent(sent: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends `sent` to the child when the thread that started it ends, however it ends."""

    def ask_kernel() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(sent), 0, 0, 0)

    return ask_kernel


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    folder: Path,
    environment: Mapping[str, str],
    owner: Owner | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start `command` in `folder`, appending its output to `log`. Call it from the main thread.

    The kernel ties the death signal to the starting thread, so a thread of a pool would take the child with it.
    """
    owner = owner or Owner()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            # One call into libc and no Python lock: safe beside the threads of the pool.
            preexec_fn=die_with_parent(death_signal),  # noqa: PLW1509
            user=owner.uid,
            group=owner.gid,
            extra_groups=None if owner.uid is None else [],
        )
    finally:
        os.close(descriptor)


def plain_environment(**more: str) -> dict[str, str]:
    """What a foreign server needs of our environment: nothing but a PATH and a locale."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", **more}


def free_port(preferred: int = 0) -> int:
    """`preferred` if it is free on loopback, else one the kernel picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Misconfigured(
        "No free port on 127.0.0.1.", not_done="Nothing was started.", next_step="Close programs that hold ports."
    )


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log file, for error messages."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 16_384))
            return "\n".join(stream.read().decode(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return ""


def wait_until(done: Callable[[], bool], seconds: float, every: float = 0.05) -> bool:
    """Whether `done` became true within `seconds`. Blocks."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True
