"""What a worker does for its sandboxes: try them, warm them up, tell."""

import asyncio
from pathlib import Path

import pytest

from overseen.blocking import run_blocking
from overseen.engine import sandbox_services as module
from overseen.engine.sandbox_services import AttackService
from overseen.engine.sandboxes import verdict_file
from overseen.settings import Settings
from overseen.tools.builtin.specs import BUILT_IN
from overseen.tools.sandbox.port import Capability, SandboxJob, SandboxNotTrusted, SandboxProfile, SandboxResult
from overseen.tools.sandbox.proven import ProvenBackend
from overseen.tools.sandbox.selection import SelectingBackend
from overseen.tools.sandbox.verdicts import Verdict


class Warming:
    """A backend that remembers what it was asked to warm up."""

    name = "bubblewrap"

    def __init__(self) -> None:
        self.warmed: list[str] = []

    async def capabilities(self) -> frozenset[Capability]:
        return frozenset()

    async def prepare(self, entry: str, profile: SandboxProfile) -> None:
        if profile.prewarmed:
            self.warmed.append(entry)

    async def run(self, job: SandboxJob) -> SandboxResult:
        raise NotImplementedError

    async def close(self) -> None: ...


async def keep(settings: Settings, verdict: Verdict) -> None:
    await run_blocking(verdict_file("bubblewrap", settings).write, verdict)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def backend() -> Warming:
    return Warming()


@pytest.fixture
def service(settings: Settings, backend: Warming, monkeypatch: pytest.MonkeyPatch) -> AttackService:
    monkeypatch.setattr(module, "_SETTLING_SECONDS", 0)
    proven = ProvenBackend(backend, verdict_file("bubblewrap", settings))
    monty = Warming()
    makers = {"bubblewrap": lambda: proven, "monty": lambda: monty}
    selection = SelectingBackend(settings.sandbox_folder, default="bubblewrap", makers=makers)
    return AttackService(settings=settings, sandboxes=selection, tools=BUILT_IN)


async def test_a_verdict_that_is_there_is_told_and_nothing_is_tried(settings: Settings, service: AttackService) -> None:
    await keep(settings, Verdict(complete=True, attacks=48, at="2026-11-22T19:00:00+00:00"))
    turn = await service.turn()
    assert turn.ok
    assert turn.detail == {
        "backend": "bubblewrap",
        "attacks": 48,
        "lost": [],
        "complete": True,
        "at": "2026-11-22T19:00:00+00:00",
    }


async def test_tools_are_warmed_up_once_a_worker(settings: Settings, service: AttackService, backend: Warming) -> None:
    await keep(settings, Verdict(complete=True, attacks=48))
    for _ in range(2):
        await service.turn()
    assert "overseen.tools.builtin.read_document:run" in backend.warmed
    assert "overseen.tools.builtin.look_up_policy:run" in backend.warmed
    assert len(set(backend.warmed)) == len(backend.warmed)


async def test_a_lost_attack_is_an_error_of_the_service_and_nothing_is_warmed_up(
    settings: Settings, service: AttackService, backend: Warming
) -> None:
    await keep(settings, Verdict(complete=True, attacks=48, lost={"bpf": "won [1, 0]"}))
    with pytest.raises(SandboxNotTrusted, match="bpf"):
        await service.turn()
    assert backend.warmed == []


async def test_the_whole_table_is_run_once_by_a_process_of_its_own_when_the_worker_has_settled(
    settings: Settings, service: AttackService, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, ...]] = []
    await keep(settings, Verdict(complete=False, attacks=18))
    real = asyncio.create_subprocess_exec

    async def starting(*words: str, **options: object) -> asyncio.subprocess.Process:
        started.append(words[1:])
        await keep(settings, Verdict(complete=True, attacks=48))
        return await real("/bin/true", **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module.asyncio, "create_subprocess_exec", starting)
    assert (await service.turn()).detail["complete"] is False
    assert started == []
    monkeypatch.setattr(module, "_WHOLE_TABLE_AFTER_SECONDS", 0)
    assert (await service.turn()).detail["complete"] is True
    await service.turn()
    assert started == [("-m", "overseen.engine.attack_table", str(settings.home))]


async def test_two_workers_of_a_machine_do_not_both_run_the_table(settings: Settings) -> None:
    path = await run_blocking(verdict_file("bubblewrap", settings).path)
    path.parent.mkdir(parents=True)
    async with module._alone_on_this_machine(path) as first, module._alone_on_this_machine(path) as second:
        assert (first, second) == (True, False)
