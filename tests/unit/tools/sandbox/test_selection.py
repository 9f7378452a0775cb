"""Each job goes to the backend its profile names, and a backend that cannot be had stops nobody else."""

from pathlib import Path

import pytest

from overseen.testing.sandbox import ScriptedSandbox
from overseen.tools.sandbox.port import SandboxJob, SandboxProfile, SandboxUnavailable, UnknownBackend
from overseen.tools.sandbox.selection import SelectingBackend


def job(backend: str = "") -> SandboxJob:
    return SandboxJob(call_id="c", entry="json:loads", request={}, profile=SandboxProfile(backend=backend))


def missing() -> ScriptedSandbox:
    raise SandboxUnavailable("There is no runsc.", not_done="The tool was not run.", next_step="Install it.")


@pytest.fixture
def made() -> list[str]:
    return []


@pytest.fixture
def selection(tmp_path: Path, made: list[str]) -> SelectingBackend:
    def maker(name: str) -> ScriptedSandbox:
        made.append(name)
        return ScriptedSandbox({"json:loads": name})

    makers = {"bubblewrap": lambda: maker("bubblewrap"), "monty": lambda: maker("monty"), "runsc": missing}
    return SelectingBackend(tmp_path / "sandbox", default="bubblewrap", makers=makers)


async def test_a_profile_without_a_backend_gets_the_default(selection: SelectingBackend) -> None:
    assert (await selection.run(job())).value == "bubblewrap"


async def test_a_profile_gets_the_backend_it_names(selection: SelectingBackend) -> None:
    assert (await selection.run(job("monty"))).value == "monty"


async def test_a_backend_is_made_once_and_only_when_needed(selection: SelectingBackend, made: list[str]) -> None:
    assert made == []
    for _ in range(2):
        await selection.run(job("monty"))
    assert made == ["monty"]


async def test_a_backend_there_is_none_of_is_refused_by_name(selection: SelectingBackend) -> None:
    with pytest.raises(UnknownBackend, match="'docker'") as caught:
        await selection.run(job("docker"))
    assert "bubblewrap, monty, runsc" in caught.value.message
    assert caught.value.next_step


async def test_a_backend_that_cannot_be_had_says_what_to_do_and_stops_nobody_else(selection: SelectingBackend) -> None:
    with pytest.raises(SandboxUnavailable) as caught:
        await selection.run(job("runsc"))
    assert caught.value.next_step == "Install it."
    assert (await selection.run(job())).value == "bubblewrap"


def test_a_default_there_is_none_of_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnknownBackend) as caught:
        SelectingBackend(tmp_path, default="docker", makers={"monty": missing})
    assert "OVERSEEN_SANDBOX_BACKEND" in caught.value.next_step


async def test_the_place_for_doors_is_there_whichever_backend_is_the_default(selection: SelectingBackend) -> None:
    await selection.capabilities()
    assert selection.doors_folder.is_dir()


async def test_after_closing_nothing_runs(selection: SelectingBackend) -> None:
    await selection.close()
    with pytest.raises(SandboxUnavailable):
        await selection.run(job())
