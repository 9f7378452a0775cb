"""`overseen up` and `down` as a user runs them, on real servers, without the model."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from overseen.settings import load_settings
from overseen.stack.processes import wait_until
from overseen.stack.state import PartState, read_state

pytestmark = pytest.mark.slow

_SECONDS = 240


def overseen(home, *words, **more):
    """Run a command of `overseen` in the data folder `home`."""
    return subprocess.run(
        [sys.executable, "-m", "overseen", *words, "--home", str(home)],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
        **more,
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """The data folder of a stack that runs; tests may kill what they like, the next `up` mends it."""
    home = tmp_path_factory.mktemp("stack") / "home"
    done = overseen(home, "up", "--no-model")
    assert done.returncode == 0, done.stdout + done.stderr
    yield home
    overseen(home, "down")


def _up(home):
    done = overseen(home, "up", "--no-model")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def _processes(home):
    state = read_state(home)
    marks = [state.stack, *(part.mark for part in state.parts.values())]
    return [mark.process() for mark in marks if mark is not None and mark.alive]


def _alive(state, *names):
    marks = {name: state.parts[name].mark for name in names}
    return [name for name, mark in marks.items() if mark is not None and mark.alive]


def _store(home):
    return psycopg.connect(load_settings(home, {}).database.dsn, autocommit=True)


def test_pages_answer_once_up_returns(stack):
    address = _up(stack).stdout.strip().splitlines()[-1].split()[-1]
    assert httpx.get(address, timeout=10, follow_redirects=True).status_code == 200


def test_what_it_keeps_is_closed_to_others(stack):
    assert stat.S_IMODE((stack / "stack.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(stack.stat().st_mode) == 0o700


def test_status_names_every_part(stack):
    found = json.loads(overseen(stack, "status", "--json").stdout)
    assert found["ready"] is True
    assert {part["name"] for part in found["parts"]} == {"postgres", "openbao", "schema", "web", "worker"}


def test_doctor_finds_both_servers_answering(stack):
    found = json.loads(overseen(stack, "doctor", "--json").stdout)
    health = {check["name"]: check["health"] for check in found["checks"]}
    assert (health["database"], health["vault"]) == ("ok", "ok")


def test_it_listens_on_loopback_only(stack):
    addresses = {
        connection.laddr.ip
        for process in _processes(stack)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_no_secret_is_in_a_command_line_or_environment(stack):
    content = json.loads((stack / "stack.json").read_text())["settings"]
    secrets = [content["vault"]["secret_id"], content["vault"]["killswitch_secret_id"]]
    secrets += [path.read_text() for path in (stack / "postgres" / "passwords").iterdir()]
    for process in _processes(stack):
        folder = Path("/proc") / str(process.pid)
        shown = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        assert not [secret for secret in secrets if secret.encode() in shown]


def test_a_second_up_joins_the_first(stack):
    before = read_state(stack).stack
    _up(stack)
    assert read_state(stack).stack == before


def test_two_ups_at_once_share_one_stack(stack):
    overseen(stack, "down")
    command = [sys.executable, "-m", "overseen", "up", "--no-model", "--home", str(stack)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL) for _ in range(2)]
    said = [process.communicate(timeout=_SECONDS)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len({text.strip().splitlines()[-1].split()[-1] for text in said}) == 1


def test_the_database_is_started_again_with_what_was_committed(stack):
    _up(stack)
    with _store(stack) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 7 AS number")
    killed = read_state(stack).parts["postgres"].mark
    os.kill(killed.pid, signal.SIGKILL)
    assert wait_until(lambda: _is_back(stack, killed), 60)
    with _store(stack) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def _is_back(stack, killed):
    part = read_state(stack).parts["postgres"]
    return part.state is PartState.READY and part.mark != killed


def test_after_a_kill_of_the_stack_nothing_is_left_and_up_continues(stack):
    _up(stack)
    state = read_state(stack)
    with _store(stack) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS continued AS SELECT 1 AS number")
    os.kill(state.stack.pid, signal.SIGKILL)
    assert wait_until(lambda: not _alive(state, *state.parts), 30), _alive(state, *state.parts)
    _up(stack)
    assert read_state(stack).ports == state.ports
    with _store(stack) as connection:
        assert connection.execute("SELECT number FROM continued").fetchone() == (1,)


def test_web_and_worker_end_even_when_the_database_hangs(stack):
    _up(stack)
    state = read_state(stack)
    postgres = state.parts["postgres"].mark.process()
    family = [postgres, *postgres.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        os.kill(state.stack.pid, signal.SIGKILL)
        # Left to itself, a worker goes on for 25 s and more.
        assert wait_until(lambda: not _alive(state, "web", "worker"), 20), _alive(state, "web", "worker")
    finally:
        for process in family:
            process.resume()
    assert wait_until(lambda: not _alive(state, "postgres"), 30)


def test_a_half_written_stack_file_is_no_problem(stack):
    overseen(stack, "down")
    (stack / "stack.json").write_text('{"stack": {"pid": 1, "sta')
    _up(stack)
    assert read_state(stack).ready


def test_down_leaves_no_process_and_no_settings(stack):
    _up(stack)
    processes = _processes(stack)
    assert overseen(stack, "down").returncode == 0
    assert not any(process.is_running() for process in processes)
    assert dict(read_state(stack).settings) == {}


def test_down_of_an_empty_folder_says_that_nothing_runs(tmp_path):
    assert "Nothing runs" in overseen(tmp_path / "none", "down").stdout


def test_a_port_that_is_taken_is_named(stack):
    overseen(stack, "down")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = overseen(stack, "up", "--no-model", env={**os.environ, "OVERSEEN_WEB_PORT": str(port)})
    assert done.returncode == 1
    assert f"Port {port} is taken" in done.stderr
