"""What the settings say becomes backends, and what is missing is said when it is needed."""

from pathlib import Path

import pytest

from overseen.engine import sandboxes as sandboxes_module
from overseen.engine.sandboxes import build_e2b, build_sandboxes, local_name
from overseen.settings import DatabaseSettings, Settings, load_settings
from overseen.tools.sandbox.port import SandboxJob, SandboxProfile, SandboxUnavailable, UnknownBackend
from overseen.tools.sandbox.proven import ProvenBackend

SCRIPT = "overseen.tools.sandbox.script:run"


def settings_of(home: Path, **variables: str) -> Settings:
    return load_settings(home, {"DATABASE_URL": "postgresql://u:secret@db/overseen", **variables})


def job(backend: str) -> SandboxJob:
    profile = SandboxProfile(backend=backend, needs=frozenset())
    return SandboxJob(call_id="c", entry=SCRIPT, request={"code": "result = 1"}, profile=profile)


async def test_the_default_is_bubblewrap_behind_its_verdict(tmp_path: Path) -> None:
    backend = await build_sandboxes(settings_of(tmp_path)).backend()
    assert isinstance(backend, ProvenBackend)
    assert backend.name == "bubblewrap"


async def test_the_setting_chooses_another_default(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, OVERSEEN_SANDBOX_BACKEND="monty")
    assert (await build_sandboxes(settings).backend()).name == "monty"
    assert local_name(settings) == "bubblewrap"


def test_a_setting_that_names_no_backend_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownBackend, match="docker"):
        build_sandboxes(settings_of(tmp_path, OVERSEEN_SANDBOX_BACKEND="docker"))


async def test_without_a_key_e2b_says_which_to_set(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable) as caught:
        await build_sandboxes(settings_of(tmp_path)).run(job("e2b"))
    assert "E2B_API_KEY" in caught.value.next_step


async def test_without_runsc_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match="runsc") as caught:
        await build_sandboxes(settings_of(tmp_path)).run(job("runsc"))
    assert "Install" in caught.value.next_step


def test_machines_are_labelled_by_the_database_all_workers_share_and_not_by_its_password(tmp_path: Path) -> None:
    pytest.importorskip("e2b")
    labels = set[str]()
    for url in ("postgresql://u:one@db/overseen", "postgresql://v:two@db/overseen", "postgresql://u:one@db/other"):
        settings = Settings(home=tmp_path, database=DatabaseSettings(url=url))  # type: ignore[arg-type]
        labels.add(sandboxes_module._installation(settings))
    assert len(labels) == 2
    assert build_e2b(settings_of(tmp_path, E2B_API_KEY="e2b_key"), "worker_1").name == "e2b"
