"""Attacks on the sandbox that can be run at any time to see that it holds: `overseen doctor --attack`.

Each attack is a script a hostile tool could be. It leaves what it won in `result`: nothing won is an empty list. Bombs
win by not being stopped. An attack that fails for a reason of its own proves nothing and counts as not held.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psutil

from overseen.blocking import run_blocking
from overseen.errors import OverseenError
from overseen.tools.sandbox.attack_scripts import BOMBS, BREAK_INS, DAEMON, LEAVE_FILES, READ_FILES
from overseen.tools.sandbox.port import (
    DEFAULT_NEEDS,
    Capability,
    CapabilityMissing,
    SandboxBackend,
    SandboxJob,
    SandboxLimitExceeded,
    SandboxProfile,
    ToolCrashed,
)

_ENTRY = "overseen.tools.sandbox.script:run"
_SMALL = SandboxProfile(wall_seconds=20.0, cpu_seconds=5.0, memory_bytes=256 << 20, scratch_bytes=4 << 20)
_SEVERAL_NEEDS = frozenset({Capability.NETWORK_DENY, Capability.PIDS, Capability.SYSCALL_FILTER})


ESSENTIAL = frozenset(
    {
        "network of every family",
        "an abstract socket of the host",
        "host files",
        "host files through /proc",
        "environment of the host",
        "other processes",
        "a signal to the host",
        "writing kernel settings",
        "writing outside of the scratch folder",
        "privileges and setuid programs",
        "mount",
        "new user namespace",
        "ptrace",
        "bpf",
        "io_uring",
        "any process at all",
        "memory of one process",
        "disk",
    }
)
"""Attacks on every wall there is, all of them quick."""

_ALL_IN_ONE = """
result = {{}}
for name, code in {scripts!r}.items():
    names = {{"arguments": arguments}}
    exec(code, names)
    result[name] = names["result"]
"""


@dataclass(frozen=True, kw_only=True)
class AttackResult:
    """Whether the sandbox held against one attack, and what was seen.

    Not `carried_out`: the attack failed for a reason of its own. That is not held, and nothing was won either.
    """

    name: str
    held: bool
    detail: str
    carried_out: bool = True


@dataclass(frozen=True, kw_only=True)
class _Host:
    """What attacks are told about the host, so that they know what to reach for."""

    pid: int
    abstract_socket: str
    port: int
    secret: str
    files: Sequence[str]


@asynccontextmanager
async def _targets() -> AsyncGenerator[_Host]:
    """Things on this side of the wall, alive while the attacks run."""
    name = f"overseen-attack-{secrets.token_hex(8)}"
    secret = f"attack-secret-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as local, socket.socket(socket.AF_INET) as network:
        local.bind(f"\0{name}")
        local.listen()
        network.bind(("127.0.0.1", 0))
        network.listen()
        os.environ["OVERSEEN_ATTACK_SECRET"] = secret
        try:
            yield _Host(
                pid=os.getpid(),
                abstract_socket=name,
                port=network.getsockname()[1],
                secret=secret,
                files=("/etc/shadow", "/etc/passwd", "/root", "/home", "/var", "/run", "/sys/class", __file__),
            )
        finally:
            del os.environ["OVERSEEN_ATTACK_SECRET"]


def _job(code: str, host: _Host, **limits: Any) -> SandboxJob:
    told = {
        "pid": host.pid,
        "abstract_socket": host.abstract_socket,
        "port": host.port,
        "secret": host.secret,
        "files": list(host.files),
    }
    needs = limits.pop("needs", DEFAULT_NEEDS)
    return SandboxJob(
        call_id=f"attack-{secrets.token_hex(4)}",
        entry=_ENTRY,
        request={"code": code, "arguments": told},
        profile=replace(_SMALL, needs=needs, **limits),
    )


async def _break_in(backend: SandboxBackend, name: str, code: str, host: _Host) -> AttackResult:
    """Held when the script ran to its end and won nothing."""
    try:
        won = (await backend.run(_job(code, host))).value
    except OverseenError as error:
        return _not_carried_out(name, _said(error))
    return _seen(name, won)


def _seen(name: str, won: Any) -> AttackResult:
    if won == []:
        return AttackResult(name=name, held=True, detail="nothing won")
    return AttackResult(name=name, held=False, detail=f"won {str(won)[:200]}")


async def _bomb(backend: SandboxBackend, name: str, host: _Host) -> AttackResult:
    """Held when the limit meant for it ended it, or when the backend refused to start what it cannot bound."""
    code, limits, ends_by = BOMBS[name]
    if "processes" in limits and "memory_bytes" not in limits:
        # What bounds these is the number of processes; they would be refused where cgroups are missing.
        limits = {**limits, "needs": _SEVERAL_NEEDS}
    try:
        result = await backend.run(_job(code, host, **limits))
    except SandboxLimitExceeded as error:
        # Ended by the clock instead of its own limit: the machine was too busy to tell.
        held, told = error.limit in ends_by, error.limit in ends_by or error.limit != "wall_seconds"
        return AttackResult(name=name, held=held, detail=f"ended by {error.limit}", carried_out=told)
    except CapabilityMissing as error:
        return AttackResult(name=name, held=True, detail=f"refused before it started: {error.message}")
    except ToolCrashed as error:
        held = error.error_type in ends_by or (error.tool_code or "") in ends_by
        return AttackResult(name=name, held=held, detail=f"ended by {error.tool_code or error.error_type}")
    except OverseenError as error:
        return _not_carried_out(name, _said(error))
    held = "nothing won" in ends_by and result.value == []
    detail = "nothing won" if held else f"not stopped: {str(result.value)[:200]}"
    return AttackResult(name=name, held=held, detail=detail)


def _not_carried_out(name: str, why: str) -> AttackResult:
    return AttackResult(name=name, held=False, detail=f"the attack could not be carried out: {why}", carried_out=False)


def _said(error: OverseenError) -> str:
    detail = getattr(error, "detail", "") or error.message
    return f"{type(error).__name__}: {detail}"[:300]


def _alive(marker: str) -> bool:
    return any(marker in (process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


def _newer(name: str, before: Collection[int]) -> bool:
    processes = psutil.process_iter(["cmdline"])
    return any(name in " ".join(process.info["cmdline"] or ()) for process in processes if process.pid not in before)


async def _survivor(backend: SandboxBackend, host: _Host) -> AttackResult:
    name = "survivor after the end"
    marker = f"survivor-{secrets.token_hex(8)}"
    code = DAEMON.replace("MARKER", marker)
    try:
        await backend.run(_job(code, host, processes=8, needs=_SEVERAL_NEEDS))
    except CapabilityMissing as error:
        return AttackResult(name=name, held=True, detail=f"refused before it started: {error.message}")
    except OverseenError as error:
        return _not_carried_out(name, _said(error))
    alive = await run_blocking(_alive, marker)
    return AttackResult(name=name, held=not alive, detail="a daemon is still alive" if alive else "nothing is alive")


async def _survivor_of_cancelling(backend: SandboxBackend, host: _Host) -> AttackResult:
    name = "survivor after cancelling"
    marker = f"cancelled-{secrets.token_hex(8)}"
    code = f"import os; os.execv('/bin/sleep', [{marker!r}, '300'])"
    before = set(psutil.pids())
    running = asyncio.create_task(backend.run(_job(code, host)))
    for _ in range(100):
        if await run_blocking(_alive, marker) or running.done():
            break
        await asyncio.sleep(0.05)
    started = await run_blocking(_alive, marker)
    hidden = not started and not running.done()
    running.cancel()
    await asyncio.wait({running})
    # In a kernel of its own a job's processes cannot be seen from here, only those that are this kernel.
    alive = await run_blocking(_alive, marker) or (hidden and await run_blocking(_newer, backend.name, before))
    if not started and not hidden:
        return _not_carried_out(name, "it never started")
    return AttackResult(name=name, held=not alive, detail="still alive" if alive else "nothing is alive")


async def _files_of_another_call(backend: SandboxBackend, host: _Host) -> AttackResult:
    name = "files of another call"
    first = asyncio.create_task(backend.run(_job(LEAVE_FILES, host)))
    second = await _break_in(backend, name, READ_FILES, host)
    await asyncio.wait({first})
    third = await _break_in(backend, name, READ_FILES, host)
    for row in (second, third):
        if not row.held:
            return row
    if first.exception() is not None:
        return _not_carried_out(name, "the first call failed")
    return third


def _attacks(backend: SandboxBackend, host: _Host) -> dict[str, Callable[[], Awaitable[AttackResult]]]:
    attacks: dict[str, Callable[[], Awaitable[AttackResult]]] = {
        name: partial(_break_in, backend, name, code, host) for name, code in BREAK_INS.items()
    }
    attacks |= {name: partial(_bomb, backend, name, host) for name in BOMBS}
    attacks["files of another call"] = partial(_files_of_another_call, backend, host)
    attacks["survivor after the end"] = partial(_survivor, backend, host)
    attacks["survivor after cancelling"] = partial(_survivor_of_cancelling, backend, host)
    return attacks


async def run_attacks(backend: SandboxBackend, only: Collection[str] | None = None) -> list[AttackResult]:
    """All attacks, or those named by `only`, one after the other; some seconds in all.

    A backend with a row that is not held must not be used. The attacks start processes and fill memory and disk inside
    the sandbox: safe where it holds, at the machine's risk where it does not. Never raises for what an attack did.
    """
    async with _targets() as host:
        return [await attack() for name, attack in _attacks(backend, host).items() if only is None or name in only]


async def run_essential(backend: SandboxBackend) -> list[AttackResult]:
    """The `ESSENTIAL` attacks, all break-ins by one hostile job: some tenths of a second. Never raises, as above."""
    scripts = {name: code for name, code in BREAK_INS.items() if name in ESSENTIAL}
    async with _targets() as host:
        try:
            won: Any = (await backend.run(_job(_ALL_IN_ONE.format(scripts=scripts), host))).value
        except OverseenError as error:
            results = [_not_carried_out(name, _said(error)) for name in scripts]
        else:
            results = [_seen(name, won.get(name)) for name in scripts]
        bombs = [_bomb(backend, name, host) for name in BOMBS if name in ESSENTIAL]
        return [*results, *await asyncio.gather(*bombs)]
