"""The machines behind the local E2B endpoint: folders of their own, and commands that really run, sealed off."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from overseen.blocking import run_blocking
from overseen.tools.sandbox.runtime import Runtime
from overseen.tools.sandbox.slots import Slot, Slots, choose_range

_PIECE = 1 << 16
_USER = "1000"
_PEOPLE = "root:x:0:0::/root:/bin/bash\nuser:x:1000:1000::/home/user:/bin/bash\n"

Output = tuple[Literal["stdout", "stderr"], bytes]


@dataclass(kw_only=True)
class Command:
    """A command that runs or ran. `output` ends with None; `exit_code` is there afterwards."""

    process: asyncio.subprocess.Process
    inner: int
    output: "asyncio.Queue[Output | None]" = field(default_factory=asyncio.Queue)
    exit_code: int | None = None


@dataclass(kw_only=True)
class LocalMachine:
    """One rented machine. `asked` is the whole request that it was created with."""

    machine_id: str
    folder: Path
    asked: Mapping[str, Any]
    slot: Slot | None
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    commands: dict[int, Command] = field(default_factory=dict[int, Command])
    tasks: set["asyncio.Task[None]"] = field(default_factory=set["asyncio.Task[None]"])

    @property
    def ends_at(self) -> datetime:
        """When it is ended by itself."""
        return self.started_at + timedelta(seconds=float(self.asked.get("timeout", 300)))

    @property
    def metadata(self) -> Mapping[str, str]:
        """The labels it was given."""
        return self.asked.get("metadata") or {}

    @property
    def home(self) -> Path:
        """The user's folder."""
        return self.folder / "home"

    def place(self, path: str) -> Path:
        """Where `path` of the machine lies here. Raises ValueError for what is outside of the user's folder."""
        inside = path.removeprefix("/home/user/")
        target = (self.home / inside).resolve()
        if inside.startswith("/") or not target.is_relative_to(self.home.resolve()):
            raise ValueError(f"only files below /home/user can be reached, not {path}")
        return target

    def write(self, path: str, content: bytes) -> Path:
        """Put a file into the machine. Blocking."""
        target = self.place(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        if self.slot is not None:
            os.chown(target, self.slot.uid, self.slot.uid)
        return target


class LocalMachines:
    """All machines of an endpoint. `runtime` holds the interpreter they see where the system's is not below /usr."""

    def __init__(self, folder: Path, runtime: Runtime) -> None:
        self._folder = folder
        self._runtime = runtime
        self._slots = Slots(choose_range()) if os.geteuid() == 0 else None
        self.alive: dict[str, LocalMachine] = {}

    def rent(self, asked: Mapping[str, Any]) -> LocalMachine:
        """Start a machine. Blocking."""
        folder = Path(tempfile.mkdtemp(prefix="machine-", dir=self._folder))
        folder.chmod(0o711)
        slot = self._slots.take() if self._slots is not None else None
        machine = LocalMachine(machine_id=f"i{secrets.token_hex(10)}", folder=folder, asked=asked, slot=slot)
        machine.home.mkdir(mode=0o700)
        if slot is not None:
            os.chown(machine.home, slot.uid, slot.uid)
        (folder / "passwd").write_text(_PEOPLE, encoding="ascii")
        (folder / "passwd").chmod(0o644)
        self.alive[machine.machine_id] = machine
        return machine

    async def end(self, machine_id: str) -> bool:
        """End a machine with all that runs in it; False when there is none."""
        machine = self.alive.pop(machine_id, None)
        if machine is None:
            return False
        for command in list(machine.commands.values()):
            await end_command(command)
        for task in list(machine.tasks):
            await task
        await run_blocking(shutil.rmtree, machine.folder, True)
        if machine.slot is not None:
            machine.slot.release()
        return True

    async def start(self, machine: LocalMachine, words: list[str], environment: Mapping[str, str]) -> Command:
        """Run `words` in the machine."""
        information, theirs = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._walls(machine, environment, theirs),
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=[theirs],
                env={},
                **({} if machine.slot is None else _as_user(machine.slot.uid)),
            )
        finally:
            os.close(theirs)
        with os.fdopen(information, "rb") as stream:
            told = await run_blocking(stream.read)
        command = Command(process=process, inner=json.loads(told)["child-pid"] if told else 0)
        machine.commands[process.pid] = command
        task = asyncio.create_task(_watch(machine, command))
        machine.tasks.add(task)
        task.add_done_callback(machine.tasks.discard)
        return command

    def _walls(self, machine: LocalMachine, environment: Mapping[str, str], information: int) -> list[str]:
        launcher = shutil.which("bwrap") or str(self._runtime.folder / self._runtime.launcher)
        variables = {"PATH": "/opt/bin:/usr/local/bin:/usr/bin:/bin", "HOME": "/home/user", "USER": "user"}
        python = ["--dir", "/opt/bin"]
        if self._runtime.python is not None:
            executable = Path(self._runtime.interpreter).name
            python += ["--ro-bind", str(self._runtime.folder / self._runtime.python), "/usr/local"]
            python += ["--symlink", f"/usr/local/bin/{executable}", "/opt/bin/python3"]
            variables["LD_LIBRARY_PATH"] = "/usr/local/lib"
        top_level: list[str] = []
        for path in map(Path, ("/bin", "/sbin", "/lib", "/lib64")):
            if path.is_symlink():
                top_level += ["--symlink", str(path.readlink()), str(path)]
            elif path.is_dir():
                top_level += ["--ro-bind", str(path), str(path)]
        return [
            *(launcher, "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
            *("--die-with-parent", "--new-session", "--clearenv", "--uid", _USER, "--gid", _USER),
            *(word for item in {**variables, **environment}.items() for word in ("--setenv", *item)),
            *("--ro-bind", "/usr", "/usr", *python, *top_level),
            *("--ro-bind", str(machine.folder / "passwd"), "/etc/passwd", "--proc", "/proc", "--dev", "/dev"),
            *("--tmpfs", "/tmp", "--bind", str(machine.home), "/home/user", "--chdir", "/home/user"),  # noqa: S108
            *("--info-fd", str(information)),
        ]


def _as_user(uid: int) -> dict[str, Any]:
    return {"user": uid, "group": uid, "extra_groups": []}


async def _watch(machine: LocalMachine, command: Command) -> None:
    process = command.process

    async def pump(name: Literal["stdout", "stderr"], stream: asyncio.StreamReader | None) -> None:
        while stream is not None and (piece := await stream.read(_PIECE)):
            await command.output.put((name, piece))

    await asyncio.gather(pump("stdout", process.stdout), pump("stderr", process.stderr))
    code = await process.wait()
    command.exit_code = code if code >= 0 else 128 - code
    machine.commands.pop(process.pid, None)
    await command.output.put(None)


async def end_command(command: Command) -> None:
    """Kill a command; returns when nothing of it is alive."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(command.inner) if command.inner else -1
        if descriptor >= 0:
            try:
                # The first process of its namespace: the kernel ends all others before this one is over.
                os.kill(command.inner, signal.SIGKILL)
                await _until_readable(descriptor)
            finally:
                os.close(descriptor)
    with contextlib.suppress(ProcessLookupError):
        command.process.kill()
    await command.process.wait()


async def _until_readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, lambda: over.done() or over.set_result(None))
    try:
        await over
    finally:
        loop.remove_reader(descriptor)


async def outputs(command: Command) -> AsyncGenerator[Output]:
    """What the command prints, to its end."""
    while (piece := await command.output.get()) is not None:
        yield piece
