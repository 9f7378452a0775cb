"""The attack table holds, and each row goes red when the protection behind it is taken out."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from overseen.tools.sandbox import BubblewrapBackend, Capability
from overseen.tools.sandbox import bubblewrap as bubblewrap_module
from overseen.tools.sandbox import furnishing as furnishing_module
from overseen.tools.sandbox import machinery as machinery_module
from overseen.tools.sandbox import worker as worker_module
from overseen.tools.sandbox.attacks import run_attacks
from overseen.tools.sandbox.cgroups import find_cgroup_parents
from overseen.tools.sandbox.command import launch_command
from tests.contract.sandbox.backends import SHARED_FOLDER
from tests.contract.sandbox.conftest import Sandbox

ALLOW_ALL = b"\x06\x00\x00\x00\x00\x00\xff\x7f"
Patch = Callable[[pytest.MonkeyPatch], None]


async def test_every_attack_is_held(sandbox: Sandbox) -> None:
    results = await run_attacks(sandbox.backend)
    assert [(row.name, row.detail) for row in results if not row.held] == []
    assert len({row.name for row in results}) == len(results) >= 25


def without(*words: str) -> Patch:
    """Take these consecutive words out of the command line."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        def weakened(*arguments: Any, **named: Any) -> list[str]:
            command = launch_command(*arguments, **named)
            for start in range(len(command)):
                if command[start : start + len(words)] == list(words):
                    return command[:start] + command[start + len(words) :]
            raise AssertionError(f"{words} is not in the command line")

        monkeypatch.setattr(furnishing_module, "launch_command", weakened)

    return patch


def adding(*words: str) -> Patch:
    """Put these words where the sandbox is still being furnished."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        def weakened(*arguments: Any, **named: Any) -> list[str]:
            command = launch_command(*arguments, **named)
            place = command.index("--remount-ro")
            return [*command[:place], *words, *command[place:]]

        monkeypatch.setattr(furnishing_module, "launch_command", weakened)

    return patch


def without_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(furnishing_module, "_filter", lambda _: ALLOW_ALL)


def without_filter_and(*words: str) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        without_filter(monkeypatch)
        without(*words)(monkeypatch)

    return patch


def without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(furnishing_module, "_limits", lambda *_, **__: {})


def without_name_check(monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    monkeypatch.setattr(worker_module, "FILE_NAME", re.compile(".*"))


def claiming_cgroups_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machinery_module, "find_cgroup_parents", lambda: None)
    monkeypatch.setattr(bubblewrap_module, "_ALWAYS", frozenset(Capability))


def sharing_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(tempfile.mkdtemp(dir=SHARED_FOLDER))
    folder.chmod(0o777)
    (folder / "left-behind").touch()
    view = f"/mnt/sandbox/{folder.name}" if psutil.Process().uids().effective == 0 else str(folder)
    adding("--bind", view, "/dev/shm")(monkeypatch)
    monkeypatch.setattr(bubblewrap_module, "_made_for_test", folder, raising=False)


RED: dict[str, Patch] = {
    "ptrace": without_filter,
    "io_uring": without_filter,
    "memory outside of limits (memfd)": without_filter,
    "memory outside of limits (shared segment)": without_filter,
    "performance counters": without_filter,
    "taking a descriptor of another process": without_filter,
    "any process at all": without_filter,
    "network of every family": without_filter,
    "a server of the host": without_filter_and("--unshare-net"),
    "an abstract socket of the host": without("--unshare-net"),
    "other processes": without("--unshare-pid"),
    "survivor after the end": without("--unshare-pid"),
    "host files": adding("--ro-bind", "/etc", "/etc"),
    "environment of the host": adding("--setenv", "OVERSEEN_ATTACK_SECRET", "x"),
    "writing kernel settings": without("--ro-bind", "/proc/sys", "/proc/sys"),
    "writing outside of the scratch folder": without("--remount-ro", "/"),
    "privileges and setuid programs": adding("--cap-add", "CAP_NET_RAW"),
    "lifting its own limits": without_limits,
    "forged result with a path as name": without_name_check,
    "files of another call": sharing_a_folder,
    "memory of many processes": claiming_cgroups_it_lacks,
}


@pytest.mark.parametrize("name", RED)
async def test_an_attack_succeeds_when_its_protection_is_taken_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if RED[name] is claiming_cgroups_it_lacks and find_cgroup_parents() is None:
        pytest.skip("there are no cgroups to take out here")
    SHARED_FOLDER.mkdir(exist_ok=True)
    before = {process.pid for process in psutil.process_iter()}
    RED[name](monkeypatch)

    async def trusting(_: BubblewrapBackend) -> None:
        return

    # The backend looks at its own walls and would refuse to start.
    monkeypatch.setattr(BubblewrapBackend, "_probe", trusting)
    backend = BubblewrapBackend(SHARED_FOLDER, distributions=())
    try:
        (result,) = await run_attacks(backend, only=[name])
    finally:
        await backend.close()
        end_daemons(before)
        shutil.rmtree(getattr(bubblewrap_module, "_made_for_test", SHARED_FOLDER / "none"), ignore_errors=True)
    assert not result.held
    assert "could not be carried out" not in result.detail, result.detail


def end_daemons(before: set[int]) -> None:
    """What a sandbox without walls left alive."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or [""]
        if process.pid not in before and command[0].startswith("survivor-"):
            with contextlib.suppress(psutil.Error):
                process.kill()
