import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from overseen.stack.processes import Owner, ProcessMark, free_port, last_lines, spawn, wait_until


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_running_process_is_alive(sleeper):
    mark = ProcessMark.of(sleeper.pid)
    assert mark is not None
    assert mark.alive


def test_another_process_with_the_same_pid_is_not_taken_for_it(sleeper):
    mark = ProcessMark.of(sleeper.pid)
    stale = ProcessMark(pid=sleeper.pid, started_at=mark.started_at - 60)
    assert not stale.alive


def test_a_stale_mark_never_ends_a_stranger(sleeper):
    mark = ProcessMark.of(sleeper.pid)
    ProcessMark(pid=sleeper.pid, started_at=mark.started_at - 60).end(seconds=1)
    assert sleeper.poll() is None


def test_ending_a_process_that_ignores_the_first_signal_kills_it(tmp_path):
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    mark = ProcessMark.of(process.pid)
    mark.end(seconds=0.3)
    assert not mark.alive
    process.wait(5)


def test_a_child_dies_with_its_parent_however_that_ends(tmp_path):
    code = (
        "import pathlib, sys, time\n"
        "from overseen.stack.processes import plain_environment, spawn\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "child = spawn(['sleep', '60'], log=folder / 'log', folder=folder, environment=plain_environment())\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    child = ProcessMark.of(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert wait_until(lambda: not child.alive, 5)


def test_output_is_appended_to_a_log_that_only_the_owner_reads(tmp_path):
    log = tmp_path / "log"
    for word in ("one", "two"):
        spawn(["echo", word], log=log, folder=tmp_path, environment={"PATH": os.environ["PATH"]}).wait()
    assert log.read_text() == "one\ntwo\n"
    assert log.stat().st_mode & 0o077 == 0


def test_a_process_gets_only_the_environment_it_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("OVERSEEN_PLANTED", "secret")
    log = tmp_path / "log"
    spawn(["env"], log=log, folder=tmp_path, environment={"PATH": os.environ["PATH"]}).wait()
    assert "PLANTED" not in log.read_text()


def test_a_free_preferred_port_is_kept():
    wanted = free_port()
    assert free_port(wanted) == wanted


def test_another_port_is_found_when_the_preferred_one_is_taken():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        assert free_port(taken) not in {0, taken}


def test_the_last_lines_of_a_missing_log_are_none(tmp_path):
    assert last_lines(tmp_path / "none") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_folder_below_a_closed_one_cannot_be_reached(tmp_path):
    open_folder = tmp_path / "closed" / "open"
    open_folder.mkdir(parents=True)
    open_folder.chmod(0o755)
    (tmp_path / "closed").chmod(0o700)
    assert not Owner(uid=65534, gid=65534).can_reach(open_folder)
    assert Owner(uid=65534, gid=65534).can_reach(Path("/usr"))


def test_waiting_ends_when_time_is_up():
    began = time.monotonic()
    assert not wait_until(lambda: False, 0.1)
    assert time.monotonic() - began < 2
