import json

import pytest

from overseen.errors import Conflict
from overseen.settings import load_settings
from overseen.stack.processes import ProcessMark
from overseen.stack.state import PartState, PartStatus, StackState, changed, locked, read_state, write_state

_SETTINGS = {"database": {"url": "postgresql://overseen_app:pw@127.0.0.1:5/overseen"}, "web": {"port": 8080}}


def _state(**more):
    content = {"stack": None, "parts": {}, "settings": {}, "ports": {}}
    return StackState(**{**content, **more})


def test_what_was_written_is_read_back(tmp_path):
    part = changed(PartStatus(name="web"), PartState.READY, pid=7, started_at=1.5, port=80)
    state = _state(stack=ProcessMark(pid=1, started_at=2.0), parts={"web": part}, ports={"web": 80})
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def test_processes_read_their_settings_from_it(tmp_path):
    write_state(tmp_path, _state(settings=_SETTINGS))
    settings = load_settings(tmp_path, {})
    assert settings.database.dsn == _SETTINGS["database"]["url"]
    assert settings.web.port == 8080


def test_what_the_operator_names_wins_over_the_embedded_stack(tmp_path):
    write_state(tmp_path, _state(settings=_SETTINGS))
    settings = load_settings(tmp_path, {"DATABASE_URL": "postgresql://real"})
    assert settings.database.dsn == "postgresql://real"


def test_the_embedded_stack_can_be_left_out(tmp_path):
    write_state(tmp_path, _state(settings=_SETTINGS))
    assert load_settings(tmp_path, {}, embedded=False).database.url is None


def test_an_unknown_field_of_a_newer_version_is_ignored(tmp_path):
    (tmp_path / "stack.json").write_text(json.dumps({"processes": {"web": {"state": "ready", "colour": "blue"}}}))
    assert read_state(tmp_path).parts["web"].state is PartState.READY


def test_a_state_whose_process_is_gone_is_not_running(tmp_path):
    assert not _state(stack=ProcessMark(pid=2**22 - 1, started_at=1.0)).running


def test_a_held_lock_is_refused_when_nobody_wants_to_wait(tmp_path):
    with locked(tmp_path / "lock", wait=False), pytest.raises(Conflict), locked(tmp_path / "lock", wait=False):
        pass


def test_a_lock_that_was_let_go_can_be_had_again(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "lock", wait=False):
            pass
