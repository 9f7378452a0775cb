"""A backend that lost an attack is not used, and one that was never tried is tried first."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from overseen.tools.sandbox import BubblewrapBackend, SandboxJob, SandboxResult
from overseen.tools.sandbox import proven as proven_module
from overseen.tools.sandbox import verdicts as verdicts_module
from overseen.tools.sandbox.attacks import ESSENTIAL, AttackResult, run_essential
from overseen.tools.sandbox.port import Capability, PrewarmingBackend, SandboxNotTrusted, SandboxProfile
from overseen.tools.sandbox.proven import ProvenBackend
from overseen.tools.sandbox.verdicts import Verdict, VerdictFile, machine_key, verdict_of
from tests.contract.sandbox.backends import SHARED_FOLDER
from tests.contract.sandbox.conftest import SCRIPT
from tests.contract.sandbox.test_attacks import without_filter

JOB = SandboxJob(call_id="c", entry=SCRIPT, request={"code": "result = 7", "arguments": {}})


@pytest_asyncio.fixture
async def bubblewrap() -> AsyncIterator[BubblewrapBackend]:
    backend = BubblewrapBackend(SHARED_FOLDER, distributions=())
    yield backend
    await backend.close()


def file_in(folder: Path, launcher: str = "bwrap 1") -> VerdictFile:
    return VerdictFile(folder, "bubblewrap", lambda: launcher)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many attacks each trial ran."""
    counts: list[int] = []

    async def counting(backend: PrewarmingBackend) -> list[AttackResult]:
        results = await run_essential(backend)
        counts.append(len(results))
        return results

    monkeypatch.setattr(proven_module, "run_essential", counting)
    return counts


async def test_the_first_job_waits_for_the_essential_attacks_and_the_second_does_not(
    bubblewrap: BubblewrapBackend, tmp_path: Path, tried: list[int]
) -> None:
    proven = ProvenBackend(bubblewrap, file_in(tmp_path))
    assert (await proven.run(JOB)).value == (await proven.run(JOB)).value == 7
    assert tried == [len(ESSENTIAL)]
    again = ProvenBackend(bubblewrap, file_in(tmp_path))
    assert (await again.run(JOB)).value == 7
    assert tried == [len(ESSENTIAL)]


async def test_every_essential_attack_is_in_the_table(bubblewrap: BubblewrapBackend) -> None:
    assert {row.name for row in await run_essential(bubblewrap) if row.held} == ESSENTIAL


async def test_a_backend_that_loses_an_attack_refuses_every_job_and_says_why(
    bubblewrap: BubblewrapBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def trusting(_: BubblewrapBackend) -> None:
        return

    monkeypatch.setattr(BubblewrapBackend, "_probe", trusting)
    without_filter(monkeypatch)
    proven = ProvenBackend(bubblewrap, file_in(tmp_path))
    for _ in range(2):
        with pytest.raises(SandboxNotTrusted) as caught:
            await proven.run(JOB)
    assert "ptrace" in caught.value.context["lost"]
    assert caught.value.context["attack"] in caught.value.message
    assert "overseen doctor --attack" in caught.value.next_step


class Recording:
    """A backend that runs nothing and says how often it was asked."""

    name = "bubblewrap"

    def __init__(self) -> None:
        self.jobs = 0

    async def capabilities(self) -> frozenset[Capability]:
        return frozenset()

    async def prepare(self, entry: str, profile: SandboxProfile) -> None: ...

    async def run(self, job: SandboxJob) -> SandboxResult:
        self.jobs += 1
        return SandboxResult(value=None, wall_seconds=0.0, cpu_seconds=None, peak_memory_bytes=None)

    async def close(self) -> None: ...


def rows(*held: tuple[str, bool, bool]) -> list[AttackResult]:
    return [AttackResult(name=name, held=good, detail="seen", carried_out=out) for name, good, out in held]


async def test_a_verdict_found_later_stops_a_backend_that_runs_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proven_module, "_LOOK_SECONDS", 0)
    file, inner = file_in(tmp_path), Recording()
    file.write(Verdict(complete=False, attacks=1))
    proven = ProvenBackend(inner, file)
    await proven.run(JOB)
    file.write(verdict_of(rows(("bpf", False, True)), whole_table=True))
    with pytest.raises(SandboxNotTrusted, match="bpf"):
        await proven.run(JOB)
    with pytest.raises(SandboxNotTrusted):
        await proven.prepare("json:loads", SandboxProfile(prewarmed=1))
    assert inner.jobs == 1
    file.write(verdict_of(rows(("bpf", True, True)), whole_table=True, before=file.read()))
    await proven.run(JOB)
    assert inner.jobs == 2


def test_an_attack_that_could_not_be_tried_again_stays_lost() -> None:
    before = verdict_of(rows(("bpf", False, True), ("disk", False, True)), whole_table=True)
    after = verdict_of(rows(("bpf", False, False), ("disk", True, True)), whole_table=True, before=before)
    assert set(after.lost) == {"bpf"}
    assert not after.complete


async def test_attacks_that_cannot_be_tried_leave_no_verdict_and_no_job_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> list[AttackResult]:
        return rows(("bpf", True, True), ("disk", False, False))

    monkeypatch.setattr(proven_module, "run_essential", broken)
    monkeypatch.setattr(proven_module, "run_attacks", broken)
    file, inner = file_in(tmp_path), Recording()
    with pytest.raises(SandboxNotTrusted, match="could not be tried: disk"):
        await ProvenBackend(inner, file).run(JOB)
    assert file.read() is None
    assert inner.jobs == 0


async def test_an_attack_held_at_the_second_try_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again: list[object] = []

    async def hesitant(_: object) -> list[AttackResult]:
        return rows(("bpf", True, True), ("disk", False, True))

    async def held(_: object, only: object) -> list[AttackResult]:
        again.append(only)
        return rows(("disk", True, True))

    monkeypatch.setattr(proven_module, "run_essential", hesitant)
    monkeypatch.setattr(proven_module, "run_attacks", held)
    inner = Recording()
    await ProvenBackend(inner, file_in(tmp_path)).run(JOB)
    assert inner.jobs == 1
    assert again == [{"disk"}]


async def test_a_verdict_that_cannot_be_read_is_found_out_anew(
    bubblewrap: BubblewrapBackend, tmp_path: Path, tried: list[int]
) -> None:
    file = file_in(tmp_path)
    file.write(Verdict(complete=True, attacks=1))
    file.path().write_text("{")
    await ProvenBackend(bubblewrap, file).run(JOB)
    assert tried == [len(ESSENTIAL)]
    assert json.loads(file.path().read_text())["lost"] == {}


CHANGES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "kernel": lambda patch: patch.setattr(verdicts_module.platform, "release", lambda: "other"),
    "machine": lambda patch: patch.setattr(verdicts_module.platform, "node", lambda: "other"),
    "user": lambda patch: patch.setattr(verdicts_module.os, "geteuid", lambda: 4711),
    "our code": lambda patch: patch.setattr(verdicts_module, "_sandbox_code", lambda: "other"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_could_change_a_verdict_asks_for_a_new_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = machine_key("bwrap 1")
    assert machine_key("bwrap 1") == before != machine_key("bwrap 2")
    CHANGES[name](monkeypatch)
    assert machine_key("bwrap 1") != before
