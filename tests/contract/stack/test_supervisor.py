"""The supervisor on real processes: order, restarts, what it publishes, and what it leaves behind."""

import asyncio
import contextlib
import json
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from overseen.errors import Misconfigured, Unavailable
from overseen.settings import make_private_folder
from overseen.stack import supervisor as supervisor_module
from overseen.stack.processes import ProcessMark, plain_environment, spawn
from overseen.stack.state import PartState, read_state
from overseen.stack.supervisor import StackSupervisor, end_leftovers


@dataclass
class Program:
    """A part that runs a shell script."""

    name: str
    log: Path
    script: str = "exec sleep 60"
    after: tuple[str, ...] = ()
    after_prepared: tuple[str, ...] = ()
    port: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    ready_within_seconds: float = 0.3
    settings: dict = field(default_factory=dict)
    audit_file: Path | None = None
    broken: bool = False
    misconfigured: bool = False

    async def prepare(self, report):
        if self.misconfigured:
            raise Misconfigured("Port 80 is taken.", next_step="Choose another.")
        return {}

    def spawn(self):
        return spawn(["sh", "-c", self.script], log=self.log, folder=self.log.parent, environment=plain_environment())

    async def check(self):
        if self.broken:
            raise Unavailable("It does not answer.")

    async def announce(self):
        return self.settings


@pytest.fixture
def program(home):
    make_private_folder(home / "logs")
    return lambda name, **more: Program(name=name, log=home / "logs" / f"{name}.log", **more)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(supervisor_module, "_BACKOFF_SECONDS", (0.05,))
    monkeypatch.setattr(supervisor_module, "_CHECK_SECONDS", 0.2)


@contextlib.asynccontextmanager
async def running(home, *parts):
    supervisor = StackSupervisor(home, parts)
    task = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        supervisor.stop()
        await asyncio.wait_for(task, 20)


async def until(home, condition, seconds=15.0):
    """The state of the stack once it was published and meets `condition`."""
    end = time.monotonic() + seconds
    state = read_state(home)
    while not (state.parts and condition(state)):
        assert time.monotonic() < end, state
        await asyncio.sleep(0.02)
        state = read_state(home)
    return state


def is_ready(state):
    return state.ready


async def test_a_part_waits_for_those_it_comes_after(home, program):
    slow = program("first", script="sleep 60", ready_within_seconds=5, broken=True)
    async with running(home, slow, program("second", after=("first",))):
        await until(home, lambda state: state.parts["first"].state is PartState.STARTING)
        assert read_state(home).parts["second"].state is PartState.WAITING
        slow.broken = False
        await until(home, is_ready)


async def test_a_part_may_start_while_another_still_loads(home, program):
    loading = program("model", ready_within_seconds=5, broken=True)
    async with running(home, loading, program("worker", after_prepared=("model",))):
        state = await until(home, lambda state: state.parts["worker"].state is PartState.READY)
        assert state.parts["model"].state is PartState.STARTING


async def test_what_parts_announce_is_published(home, program):
    async with running(home, program("web", settings={"web": {"port": 8080}})):
        state = await until(home, is_ready)
        assert state.settings == {"web": {"port": 8080}}


async def test_what_died_is_started_again(home, program):
    async with running(home, program("web")):
        first = (await until(home, is_ready)).parts["web"].mark
        first.process().kill()
        state = await until(home, lambda state: state.ready and state.parts["web"].mark != first)
        assert state.parts["web"].restarts == 1


async def test_what_no_longer_answers_is_started_again(home, program):
    web = program("web")
    async with running(home, web):
        first = (await until(home, is_ready)).parts["web"].mark
        web.broken = True
        await until(home, lambda state: state.parts["web"].state is PartState.RESTARTING)
        assert not first.alive
        web.broken = False
        await until(home, is_ready)


async def test_what_ends_while_starting_says_its_last_word(home, program):
    failing = program("web", script="echo no such table; exit 3", broken=True, ready_within_seconds=5)
    async with running(home, failing):
        state = await until(home, lambda state: state.parts["web"].restarts >= 2)
        assert "no such table" in state.parts["web"].detail


async def test_a_part_begins_another_audit_file_when_one_is_full(home, program, monkeypatch):
    monkeypatch.setattr(supervisor_module, "_LOG_SECONDS", 0.1)
    monkeypatch.setattr(supervisor_module, "_AUDIT_FILE_BYTES", 100)
    audit_file = home / "audit.jsonl"
    script = f"begin() {{ exec 3>>{audit_file}; }}; begin; trap begin HUP; while sleep 0.01; do echo line >&3; done"
    async with running(home, program("vault", script=script, audit_file=audit_file)):
        state = await until(home, is_ready)
        await until(home, lambda _: len(list(home.glob("audit.jsonl.*Z.gz"))) > 2)
        assert read_state(home).parts["vault"].mark == state.parts["vault"].mark


async def test_a_wrong_setting_is_not_tried_again(home, program):
    async with running(home, program("web", misconfigured=True), program("worker")):
        state = await until(home, lambda state: bool(state.failed))
        assert "Choose another" in state.parts["web"].detail
        await until(home, lambda state: state.parts["worker"].state is PartState.READY)


async def test_those_who_read_the_old_place_are_started_again_when_a_part_moved(home, program):
    postgres = program("postgres", settings={"database": {"url": "old"}})
    async with running(home, postgres, program("web", after=("postgres",))):
        state = await until(home, is_ready)
        postgres.settings = {"database": {"url": "new"}}
        state.parts["postgres"].mark.process().kill()
        state = await until(home, lambda state: state.ready and state.parts["web"].restarts == 1)
        assert state.settings["database"]["url"] == "new"


async def test_everything_is_stopped_in_reverse_order(home, program):
    script = "trap 'echo {0} >> order; exit' TERM; touch {0}.listens; while :; do sleep 0.05; done"
    parts = [program(name, script=script.format(name)) for name in ("postgres", "openbao", "web")]
    async with running(home, *parts):
        state = await until(home, lambda state: state.ready and len([*home.glob("logs/*.listens")]) == len(parts))
    assert (home / "logs" / "order").read_text().split() == ["web", "openbao", "postgres"]
    assert not any(part.mark.alive for part in state.parts.values())


async def test_what_ignores_the_signal_to_stop_is_killed(home, program, monkeypatch):
    monkeypatch.setattr(supervisor_module, "_STOP_SECONDS", 0.3)
    async with running(home, program("web", script="trap '' TERM; touch it.listens; while :; do sleep 0.05; done")):
        state = await until(home, lambda state: state.ready and (home / "logs" / "it.listens").exists())
    assert not state.parts["web"].mark.alive


async def test_after_a_stop_no_process_reads_settings_of_a_stack_that_is_gone(home, program):
    async with running(home, program("web", settings={"web": {"port": 8080}})):
        await until(home, is_ready)
    state = read_state(home)
    assert (state.stack, dict(state.settings)) == (None, {})


async def test_leftovers_of_a_killed_predecessor_are_ended_and_strangers_are_not(home, program):
    part = program("web")
    left = part.spawn()
    stranger = part.spawn()
    try:
        marks = {name: ProcessMark.of(process.pid) for name, process in (("web", left), ("other", stranger))}
        content = {
            "processes": {
                "web": {"pid": left.pid, "started_at": marks["web"].started_at},
                "other": {"pid": stranger.pid, "started_at": marks["other"].started_at - 100},
            }
        }
        (home / "stack.json").write_text(json.dumps(content))
        end_leftovers(home, (part,))
        assert not marks["web"].alive
        assert marks["other"].alive
    finally:
        stranger.kill()
        stranger.wait()
        left.wait()
