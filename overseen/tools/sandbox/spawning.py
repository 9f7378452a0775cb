"""The parent's side of the spawner process."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from overseen.blocking import run_blocking
from overseen.tools.sandbox.port import SandboxUnavailable

_SCRIPT = Path(__file__).with_name("spawner.py")
_LARGEST_MESSAGE = 1 << 17
_START_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One sandbox to start.

    `limits` are hard rlimits by the spawner's names. `cgroups` maps a leaf to create to the values to write into its
    files; `statistics` maps a name to a file read when the sandbox has ended. `uid` is who it runs as; None stays as we
    are.
    """

    argv: Sequence[str]
    uid: int | None
    limits: Mapping[str, int]
    cgroups: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, dict[str, int]])
    statistics: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a sandbox ended: nothing of it is alive. `status` is bwrap's wait status; None when it was lost."""

    status: int | None
    cpu_seconds: float
    largest_resident_bytes: int
    statistics: Mapping[str, str]


class Spawned:
    """A sandbox that was started; `ended` resolves when nothing of it is alive any more."""

    def __init__(self, number: int, ended: "asyncio.Future[Ended]") -> None:
        self.number = number
        self.ended = ended


class SpawnerProcess:
    """Starts the spawner, talks to it, and notices when it dies."""

    def __init__(self, process: "subprocess.Popen[bytes]", control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._numbers = 0
        self._waiting: dict[int, asyncio.Future[Ended]] = {}
        self._hello: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._sending = asyncio.Lock()
        self.alive = True
        self.view = ""

    @classmethod
    async def start(cls, folder: Path, *, make_view: bool) -> "SpawnerProcess":
        """`folder` holds what sandboxes see; with `make_view` (root only) it is mounted where all users can reach it.

        `view` is afterwards the path under which sandboxes find it. Raises SandboxUnavailable.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            process = await run_blocking(_start_process, theirs, folder, make_view)
        spawner = cls(process, ours)
        asyncio.get_running_loop().add_reader(ours.fileno(), spawner._receive)
        try:
            async with asyncio.timeout(_START_SECONDS):
                hello = await spawner._hello
        except TimeoutError:
            await spawner.close()
            raise _unavailable("The sandbox spawner did not start in time.") from None
        except SandboxUnavailable:
            await spawner.close()
            raise
        spawner.view = hello["view"]
        return spawner

    def _receive(self) -> None:
        while True:
            try:
                payload = self._control.recv(_LARGEST_MESSAGE)
            except BlockingIOError:
                return
            except ConnectionError:
                payload = b""
            if not payload:
                self._lost()
                return
            self._dispatch(json.loads(payload))

    def _dispatch(self, message: dict[str, Any]) -> None:
        if message["event"] == "hello":
            if not self._hello.done():
                self._hello.set_result(message)
            return
        waiting = self._waiting.pop(message["id"], None)
        if waiting is None or waiting.done():
            return
        if message["event"] == "failed":
            waiting.set_exception(_unavailable(f"A sandbox could not be started: {message['reason']}."))
            return
        waiting.set_result(
            Ended(
                status=message["status"],
                cpu_seconds=message["cpu_seconds"],
                largest_resident_bytes=message["largest_resident_bytes"],
                statistics=message["statistics"],
            )
        )

    def _lost(self) -> None:
        if not self.alive:
            return
        self.alive = False
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        # Sandboxes die with the spawner (bwrap's --die-with-parent), so nothing is left running.
        for waiting in (*self._waiting.values(), self._hello):
            if not waiting.done():
                waiting.set_exception(_unavailable("The sandbox spawner died."))
        self._waiting.clear()

    async def spawn(self, launch: Launch, descriptors: Sequence[int]) -> Spawned:
        """Start a sandbox. `descriptors` are stdin, stdout, stderr and the seccomp filter; the caller closes its
        copies."""
        self._numbers += 1
        ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        # A sandbox nobody waits for any more may still fail; that is not an error of its own.
        ended.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._waiting[self._numbers] = ended
        spawned = Spawned(self._numbers, ended)
        await self._send(
            {
                "op": "spawn",
                "id": spawned.number,
                "argv": list(launch.argv),
                "uid": launch.uid,
                "limits": dict(launch.limits),
                "cgroups": {path: dict(values) for path, values in launch.cgroups.items()},
                "statistics": dict(launch.statistics),
            },
            descriptors,
        )
        return spawned

    async def kill(self, spawned: Spawned) -> None:
        """End a sandbox; await `spawned.ended` for the proof. No-op when it is over."""
        if not spawned.ended.done():
            await self._send({"op": "kill", "id": spawned.number})

    async def _send(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        payload = json.dumps(message).encode()
        async with self._sending:
            while self.alive:
                try:
                    socket.send_fds(self._control, [payload], list(descriptors))
                except BlockingIOError:
                    await asyncio.sleep(0.001)
                except ConnectionError:
                    self._lost()
                else:
                    return
        if message["op"] == "spawn":
            self._waiting.pop(message["id"], None)
            raise _unavailable("The sandbox spawner died.")

    async def close(self) -> None:
        """Kill every sandbox, then the spawner; returns when it is gone."""
        if self.alive:
            self._lost()
        self._control.close()
        try:
            await run_blocking(self._process.wait, _START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await run_blocking(self._process.wait)


def _start_process(control: socket.socket, folder: Path, make_view: bool) -> "subprocess.Popen[bytes]":
    options = json.dumps({"folder": str(folder), "make_view": make_view, "control": control.fileno()})
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SCRIPT), options],
        pass_fds=[control.fileno()],
        env={},
        cwd="/",
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def _unavailable(message: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        message,
        not_done="There is no result.",
        next_step="Try again; if it stays so, run `overseen doctor`.",
        process=os.getpid(),
    )
