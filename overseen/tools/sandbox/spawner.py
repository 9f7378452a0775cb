"""A small process that starts, watches and ends sandboxes for its parent.

It exists because the parent cannot do this well: forking a large threaded process is slow and unsafe, bwrap's orphans
must be adopted and reaped without touching the parent's own children, and everything has to die when the parent does.
One thread, standard library only, started with `python -I -S`.

Messages are JSON datagrams on an inherited unix socket. In: `spawn` (with stdin, stdout, stderr and the
seccomp filter attached), `kill`. Out: `hello` once, then per sandbox `failed` or `ended`. When the socket closes,
everything is killed.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SECCOMP, _INFO, _FIRST_FREE = 3, 4, 5
_PR_SET_CHILD_SUBREAPER, _PR_SET_PDEATHSIG = 36, 1
_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_SLAVE, _MS_NOSUID_NODEV = 0x1000, 0x4000, 0x80000, 0x2 | 0x4
_MOUNT_POINTS = ("/mnt", "/media", "/srv", "/opt")
_LARGEST_MESSAGE = 1 << 17
_LIMITS = {
    "address_space": resource.RLIMIT_AS,
    "file_size": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
    "cpu": resource.RLIMIT_CPU,
    "processes": resource.RLIMIT_NPROC,
    "core": resource.RLIMIT_CORE,
    "locked_memory": resource.RLIMIT_MEMLOCK,
    "message_queues": 12,  # RLIMIT_MSGQUEUE is missing from the resource module
}

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class _Sandbox:
    number: int
    outer: int
    outer_descriptor: int
    info_descriptor: int
    cgroups: list[str]
    statistics: dict[str, str]
    info: bytes = b""
    inner: int | None = None
    inner_descriptor: int | None = None
    status: int | None = None
    cpu_seconds: float = 0.0
    largest_resident_bytes: int = 0
    killed: bool = False
    pending: set[str] = field(default_factory=lambda: {"outer", "info"})


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    encoded = [None if text is None else text.encode() for text in (source, target, kind, data)]
    _check(_libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]), f"mount {target}")


def _make_view(folder: str) -> str:
    """Mount `folder` where every user can reach it, seen by this process and its children only.

    The data folder may lie under a folder that only root can enter; its permissions stay as they are.
    """
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)
    # Opened in the new namespace, from which alone it can be mounted, and before anything could hide it.
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        point = next(path for path in _MOUNT_POINTS if Path(path).is_dir())
        _mount("tmpfs", point, "tmpfs", _MS_NOSUID_NODEV, "mode=0755,size=64k")
        view = f"{point}/sandbox"
        Path(view).mkdir(mode=0o755)
        _mount(f"/proc/self/fd/{descriptor}", view, None, _MS_BIND)
    finally:
        os.close(descriptor)
    return view


def _read_small(path: str) -> str:
    """The content of a file the kernel makes up, with three system calls where `Path.read_text` needs nine."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096).decode(errors="replace")
    finally:
        os.close(descriptor)


def _parent_of(pid: int) -> int | None:
    try:
        text = _read_small(f"/proc/{pid}/status")
    except OSError:
        return None
    return next((int(line[5:]) for line in text.splitlines() if line.startswith("PPid:")), None)


class Spawner:
    """The loop of this process and everything alive in it."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._sandboxes: dict[int, _Sandbox] = {}
        self._leftover_cgroups: list[tuple[float, str]] = []

    def send(self, message: dict[str, Any]) -> None:
        """Tell the parent; when it is gone there is nobody to tell."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._control.send(json.dumps(message).encode())

    def serve(self) -> None:
        """Until the parent closes the socket."""
        self._selector.register(self._control, selectors.EVENT_READ, ("control", None))
        while True:
            timeout = 0.05 if self._leftover_cgroups else None
            for key, _ in self._selector.select(timeout):
                kind, sandbox = key.data
                if kind == "control":
                    if not self._receive():
                        self._end_everything()
                        return
                elif kind == "info":
                    self._read_info(sandbox)
                elif kind == "outer":
                    self._outer_ended(sandbox)
                elif kind == "inner":
                    self._inner_ended(sandbox)
            self._remove_cgroups()

    def _receive(self) -> bool:
        payload, descriptors, flags, _ = socket.recv_fds(self._control, _LARGEST_MESSAGE, 8)
        if not payload or flags & socket.MSG_TRUNC:
            return False
        message = json.loads(payload)
        if message["op"] == "kill":
            sandbox = self._sandboxes.get(message["id"])
            if sandbox is not None:
                self._kill(sandbox)
            return True
        try:
            self._spawn(message, descriptors)
        except OSError as error:
            self._drop_cgroups(message["cgroups"])
            self.send({"event": "failed", "id": message["id"], "reason": str(error)})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _spawn(self, message: dict[str, Any], descriptors: list[int]) -> None:
        for path, values in message["cgroups"].items():
            Path(path).mkdir()
            for name, value in values.items():
                Path(path, name).write_text(str(value), encoding="ascii")
        info_read, info_write = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(info_read)
            os.close(info_write)
            raise
        if pid == 0:
            _become(message, [*descriptors, info_write])
        os.close(info_write)
        os.set_blocking(info_read, False)
        sandbox = _Sandbox(
            number=message["id"],
            outer=pid,
            outer_descriptor=os.pidfd_open(pid),
            info_descriptor=info_read,
            cgroups=list(message["cgroups"]),
            statistics=message["statistics"],
        )
        self._sandboxes[sandbox.number] = sandbox
        self._selector.register(sandbox.outer_descriptor, selectors.EVENT_READ, ("outer", sandbox))
        self._selector.register(sandbox.info_descriptor, selectors.EVENT_READ, ("info", sandbox))

    def _forget(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)

    def _read_info(self, sandbox: _Sandbox) -> None:
        piece = os.read(sandbox.info_descriptor, 4096)
        if piece:
            sandbox.info += piece
            return
        self._forget(sandbox.info_descriptor)
        sandbox.pending.discard("info")
        self._adopt(sandbox)
        self._finish_if_over(sandbox)

    def _adopt(self, sandbox: _Sandbox) -> None:
        """Take hold of the sandbox's first process, whose death is the death of all in it."""
        try:
            pid = int(json.loads(sandbox.info)["child-pid"])
            descriptor = os.pidfd_open(pid)
        except (ValueError, KeyError, OSError):
            return
        # The number may have been given to somebody else already: only a child of bwrap, or one we adopted, is ours.
        if _parent_of(pid) not in {sandbox.outer, os.getpid()}:
            os.close(descriptor)
            return
        sandbox.inner, sandbox.inner_descriptor = pid, descriptor
        sandbox.pending.add("inner")
        self._selector.register(descriptor, selectors.EVENT_READ, ("inner", sandbox))
        if sandbox.killed or sandbox.status is not None:
            self._kill(sandbox)

    def _kill(self, sandbox: _Sandbox) -> None:
        sandbox.killed = True
        for descriptor, name in ((sandbox.inner_descriptor, "inner"), (sandbox.outer_descriptor, "outer")):
            if descriptor is not None and name in sandbox.pending:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)

    def _reap(self, sandbox: _Sandbox, pid: int) -> int | None:
        try:
            _, status, usage = os.wait4(pid, 0)
        except ChildProcessError:
            return None
        sandbox.cpu_seconds += usage.ru_utime + usage.ru_stime
        sandbox.largest_resident_bytes = max(sandbox.largest_resident_bytes, usage.ru_maxrss * 1024)
        return status

    def _reap_inner(self, sandbox: _Sandbox) -> None:
        if sandbox.inner is None or sandbox.inner_descriptor is None:
            return
        try:
            os.waitid(os.P_PIDFD, sandbox.inner_descriptor, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            # bwrap reaped its child itself; the usage is part of bwrap's then, and the number may be somebody else's.
            return
        self._reap(sandbox, sandbox.inner)

    def _outer_ended(self, sandbox: _Sandbox) -> None:
        self._forget(sandbox.outer_descriptor)
        sandbox.pending.discard("outer")
        sandbox.status = self._reap(sandbox, sandbox.outer)
        self._kill(sandbox)
        self._finish_if_over(sandbox)

    def _inner_ended(self, sandbox: _Sandbox) -> None:
        if sandbox.inner_descriptor is None:
            return
        if "outer" in sandbox.pending:
            # bwrap has yet to reap it or hand it over; wait for bwrap, then look again.
            self._selector.unregister(sandbox.inner_descriptor)
            sandbox.pending.discard("inner")
            return
        self._reap_inner(sandbox)
        self._forget(sandbox.inner_descriptor)
        sandbox.inner_descriptor = None
        sandbox.pending.discard("inner")
        self._finish_if_over(sandbox)

    def _finish_if_over(self, sandbox: _Sandbox) -> None:
        if sandbox.pending:
            return
        if sandbox.inner_descriptor is not None:
            self._reap_inner(sandbox)
            os.close(sandbox.inner_descriptor)
        elif sandbox.inner is None:
            self._reap_strays()
        statistics: dict[str, str] = {}
        for name, path in sandbox.statistics.items():
            with contextlib.suppress(OSError):
                statistics[name] = _read_small(path)
        del self._sandboxes[sandbox.number]
        self.send(
            {
                "event": "ended",
                "id": sandbox.number,
                "status": sandbox.status,
                "cpu_seconds": sandbox.cpu_seconds,
                "largest_resident_bytes": sandbox.largest_resident_bytes,
                "statistics": statistics,
            }
        )
        self._drop_cgroups(sandbox.cgroups)

    def _reap_strays(self) -> None:
        """Kill and reap children nobody knows: first processes of sandboxes that died while starting."""
        known = {sandbox.outer for sandbox in self._sandboxes.values()}
        known |= {sandbox.inner for sandbox in self._sandboxes.values() if sandbox.inner is not None}
        everybody = {int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()}
        for pid in everybody - known:
            if _parent_of(pid) == os.getpid():
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)

    def _drop_cgroups(self, paths: Any) -> None:
        self._leftover_cgroups += [(time.monotonic() + 5, path) for path in paths]
        self._remove_cgroups()

    def _remove_cgroups(self) -> None:
        kept: list[tuple[float, str]] = []
        for deadline, path in self._leftover_cgroups:
            try:
                Path(path).rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                # The kernel may still be counting the last process out.
                if time.monotonic() < deadline:
                    kept.append((deadline, path))
        self._leftover_cgroups = kept

    def _end_everything(self) -> None:
        for sandbox in self._sandboxes.values():
            self._kill(sandbox)
        deadline = time.monotonic() + 5
        with contextlib.suppress(ChildProcessError):
            while time.monotonic() < deadline:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.005)
        for sandbox in self._sandboxes.values():
            self._drop_cgroups(sandbox.cgroups)
        while self._leftover_cgroups:
            time.sleep(0.02)
            self._remove_cgroups()


def _become(message: dict[str, Any], descriptors: list[int]) -> None:
    """In the forked child: join the cgroups, give up all privilege, and turn into bwrap. Never returns."""
    try:
        for path in message["cgroups"]:
            Path(path, "cgroup.procs").write_text("0", encoding="ascii")
        copies = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 64) for descriptor in descriptors]
        for target, copy in zip((0, 1, 2, _SECCOMP, _INFO), copies, strict=True):
            os.dup2(copy, target)
        os.closerange(_FIRST_FREE, 1024)
        for name, value in message["limits"].items():
            resource.setrlimit(_LIMITS[name], (value, value))
        if message["uid"] is not None:
            os.setgroups([])
            os.setresgid(message["uid"], message["uid"], message["uid"])
            os.setresuid(message["uid"], message["uid"], message["uid"])
        os.umask(0o077)
        os.chdir("/")
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execve(message["argv"][0], message["argv"], {})  # noqa: S606 - no shell is the point
    except BaseException as error:  # noqa: BLE001 - whatever it was, this copy of the process must not go on
        os.write(2, f"cannot start the sandbox: {error}\n".encode())
    os._exit(126)


def main() -> None:
    """Set up this process, say hello, serve."""
    options = json.loads(sys.argv[1])
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")
    control = socket.socket(fileno=options["control"])
    control.set_inheritable(False)
    view, problem = options["folder"], None
    if options["make_view"]:
        try:
            view = _make_view(options["folder"])
        except (OSError, StopIteration) as error:
            problem = str(error)
    spawner = Spawner(control)
    spawner.send({"event": "hello", "view": view, "problem": problem, "pid": os.getpid()})
    spawner.serve()


if __name__ == "__main__":
    main()
