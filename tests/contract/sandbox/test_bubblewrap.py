"""What is particular to the bubblewrap backend: where it may live, how it starts, what it survives."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from overseen.blocking import run_blocking
from overseen.tools.sandbox import (
    BubblewrapBackend,
    Capability,
    CapabilityMissing,
    SandboxJob,
    SandboxProfile,
    SandboxUnavailable,
)
from overseen.tools.sandbox import furnishing as furnishing_module
from overseen.tools.sandbox.runtime import make_runtime, required_distributions
from overseen.tools.sandbox.slots import Slots
from tests.contract.sandbox.backends import SHARED_FOLDER
from tests.waiting import until

SEVERAL = SandboxProfile(processes=8)


def job(code: str, **limits: object) -> SandboxJob:
    return SandboxJob(
        call_id="call",
        entry="overseen.tools.sandbox.script:run",
        request={"code": code},
        profile=SandboxProfile(**limits),  # type: ignore[arg-type]
    )


@asynccontextmanager
async def backend_in(folder: Path, **options: object) -> AsyncIterator[BubblewrapBackend]:
    backend = BubblewrapBackend(folder, distributions=(), **options)  # type: ignore[arg-type]
    try:
        yield backend
    finally:
        await backend.close()


async def test_it_works_below_a_folder_only_its_owner_can_enter(home: Path) -> None:
    home.chmod(0o700)
    async with backend_in(home / "sandbox") as backend:
        assert (await backend.run(job("result = 1"))).value == 1
    assert home.stat().st_mode & 0o777 == 0o700


async def test_two_starting_at_once_in_one_new_folder_do_not_disturb_each_other(home: Path) -> None:
    async with backend_in(home / "sandbox") as first, backend_in(home / "sandbox") as second:
        results = await asyncio.gather(first.run(job("result = 1")), second.run(job("result = 2")))
    assert [result.value for result in results] == [1, 2]
    assert not list((home / "sandbox").glob(".making-*"))


async def test_nothing_is_left_after_closing(home: Path) -> None:
    others = {process.pid for process in psutil.Process().children(recursive=True)}
    async with backend_in(home / "sandbox") as backend:
        await backend.run(job("result = 1", prewarmed=2))
        await backend.prepare("overseen.tools.sandbox.script:run", SandboxProfile(prewarmed=2))
        children = [process for process in psutil.Process().children(recursive=True) if process.pid not in others]
        assert len(children) >= 3
    assert list((home / "sandbox" / "doors").iterdir()) == []
    assert not [process for process in children if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    with pytest.raises(SandboxUnavailable):
        await backend.run(job("result = 1"))


async def test_when_its_helper_dies_running_jobs_fail_and_the_next_one_works(home: Path) -> None:
    async with backend_in(home / "sandbox") as backend:
        await backend.run(job("result = 1"))
        ours = {process.pid for process in psutil.Process().children() if "spawner.py" in " ".join(process.cmdline())}
        running = asyncio.create_task(backend.run(job("import time; time.sleep(20)")))
        await asyncio.sleep(0.5)
        for pid in ours:
            if str(home) in " ".join(psutil.Process(pid).cmdline()):
                os.kill(pid, signal.SIGKILL)
        with pytest.raises(SandboxUnavailable):
            await running
        assert (await backend.run(job("result = 2"))).value == 2


async def test_a_helper_that_never_answers_is_ended_and_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = home / "silent.py"
    silent.write_text("import time; time.sleep(60)")
    monkeypatch.setattr("overseen.tools.sandbox.spawning._SCRIPT", silent)
    monkeypatch.setattr("overseen.tools.sandbox.spawning._START_SECONDS", 0.5)
    async with backend_in(home / "sandbox") as backend:
        with pytest.raises(SandboxUnavailable, match="did not start in time"):
            await backend.run(job("result = 1"))
    assert not [child for child in psutil.Process().children() if str(silent) in child.cmdline()]


def spawner_of(home: Path) -> psutil.Process:
    lines = {process: " ".join(process.cmdline()) for process in psutil.Process().children()}
    return next(process for process, line in lines.items() if "spawner.py" in line and str(home) in line)


def is_free(uid: int) -> bool:
    try:
        Slots(range(uid, uid + 1)).take().release()
    except SandboxUnavailable:
        return False
    return True


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give each sandbox a user of its own")
async def test_the_user_of_a_sandbox_is_nobody_elses_before_its_death_is_proven(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overseen.tools.sandbox.worker._END_SECONDS", 0.3)
    endless = job("import time; time.sleep(60)", wall_seconds=0.5, prewarmed=1)
    async with backend_in(home / "sandbox") as backend:
        await backend.prepare(endless.entry, endless.profile)
        spawner = spawner_of(home)
        inside = spawner.children(recursive=True)
        (uid,) = {process.uids().effective for process in inside}
        spawner.suspend()
        try:
            with pytest.raises(SandboxUnavailable, match="did not end"):
                await backend.run(endless)
            await asyncio.sleep(0.3)
            assert not is_free(uid)
        finally:
            spawner.resume()
        await run_blocking(psutil.wait_procs, inside, 20)
        await until(lambda: is_free(uid))
        assert (await backend.run(job("result = 1"))).value == 1


async def test_memory_of_several_processes_is_not_claimed_without_cgroups(home: Path) -> None:
    async with backend_in(home / "sandbox", use_cgroups=False) as backend:
        assert Capability.MEMORY_TOTAL in await backend.capabilities()
        with pytest.raises(CapabilityMissing) as caught:
            await backend.run(job("result = 1", processes=8))
    assert caught.value.missing == {Capability.MEMORY_TOTAL}


@pytest.mark.parametrize(
    ("weaken", "said"),
    [
        (("_filter", lambda _: b"\x06\x00\x00\x00\x00\x00\xff\x7f"), "network"),
        (("launch_command", "--unshare-pid"), "other processes"),
        (("launch_command", "--ro-bind /proc/sys /proc/sys"), "kernel settings"),
    ],
    ids=["no filter", "no pid namespace", "writable kernel settings"],
)
async def test_it_refuses_to_start_when_a_wall_is_missing(
    monkeypatch: pytest.MonkeyPatch, weaken: tuple[str, object], said: str
) -> None:
    name, how = weaken
    original: Callable[..., list[str]] = furnishing_module.launch_command

    def weakened(*arguments: object, **named: object) -> list[str]:
        return "\0".join(original(*arguments, **named)).replace(str(how).replace(" ", "\0") + "\0", "", 1).split("\0")

    monkeypatch.setattr(furnishing_module, name, weakened if isinstance(how, str) else how)
    async with backend_in(SHARED_FOLDER) as backend:
        with pytest.raises(SandboxUnavailable, match=said):
            await backend.capabilities()
        with pytest.raises(SandboxUnavailable, match=said):
            await backend.run(job("result = 1"))


async def test_a_bwrap_that_cannot_start_is_the_machines_fault_not_the_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    async with backend_in(SHARED_FOLDER) as backend:
        await backend.capabilities()
        original: Callable[..., list[str]] = furnishing_module.launch_command

        def broken(*arguments: object, **named: object) -> list[str]:
            command = original(*arguments, **named)
            return [command[0], "--no-such-option", *command[1:]]

        monkeypatch.setattr(furnishing_module, "launch_command", broken)
        with pytest.raises(SandboxUnavailable, match="no-such-option"):
            await backend.run(job("result = 1"))
        monkeypatch.undo()
        assert (await backend.run(job("result = 1"))).value == 1


async def test_a_warm_import_that_fails_does_not_stop_the_call(home: Path) -> None:
    async with backend_in(SHARED_FOLDER) as backend:
        profile = SandboxProfile(prewarmed=1, warm_imports=("no_such_module",))
        await backend.prepare("overseen.tools.sandbox.script:run", profile)
        assert (await backend.run(job("result = 1", prewarmed=1, warm_imports=("no_such_module",)))).value == 1


def test_only_what_tools_need_is_laid_out(home: Path) -> None:
    runtime = make_runtime(home / "sandbox", ("pypdf",))
    packages = {path.name for path in (runtime.folder / runtime.packages).iterdir()}
    assert "pypdf" in packages
    assert not packages & {"litellm", "hvac", "sqlalchemy", "langgraph"}
    code = {
        path.relative_to(runtime.folder / runtime.code).as_posix()
        for path in (runtime.folder / runtime.code).rglob("*.py")
    }
    assert "overseen/tools/sandbox/context.py" in code
    assert not {name for name in code if "secrets" in name or "settings" in name or "gateway" in name}


def test_a_second_look_builds_nothing(home: Path) -> None:
    first = make_runtime(home / "sandbox", ())
    before = {path: path.stat().st_ino for path in first.folder.iterdir()}
    assert make_runtime(home / "sandbox", ()) == first
    assert {path: path.stat().st_ino for path in first.folder.iterdir()} == before


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(SandboxUnavailable, match="no-such-package"):
        required_distributions(["no-such-package"])


def test_required_packages_come_with_what_they_require() -> None:
    names = {distribution.metadata["Name"].lower() for distribution in required_distributions(["imagehash"])}
    assert {"imagehash", "numpy", "pillow", "scipy", "pywavelets"} <= names
