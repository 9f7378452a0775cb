"""`overseen up | down | status | doctor`."""

import asyncio
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from overseen.settings import default_home, load_settings
from overseen.stack.doctor import Diagnosis, Health, examine
from overseen.stack.launch import bring_up, describe, page_address, take_down
from overseen.stack.state import PartState, PartStatus, StackState, read_state

app = typer.Typer()
_console = Console(highlight=False)
# Without a terminal a long download says something this often.
_QUIET_SECONDS = 10.0

Home = Annotated[
    Path | None, typer.Option("--home", help="Data folder; default OVERSEEN_HOME or ~/.overseen.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def data_folder(home: Path | None) -> Path:
    """The folder a command works in."""
    return home.expanduser().absolute() if home else default_home()


@app.command()
def up(
    home: Home = None,
    no_model: Annotated[bool, typer.Option("--no-model", help="Do not run the local language model.")] = False,
) -> None:
    """Start everything that no setting names a real one for, and say where the pages are."""
    folder = data_folder(home)
    began = time.monotonic()
    with _Screen() as screen:
        for state in bring_up(folder, model=not no_model, say=screen.say):
            screen.show(state)
    print(f"Ready in {time.monotonic() - began:.1f} s: {page_address(read_state(folder))}")


@app.command()
def down(home: Home = None) -> None:
    """Stop everything `up` started; all data stays."""
    folder = data_folder(home)
    print("Stopped." if take_down(folder, print) else f"Nothing runs in {folder}.")


@app.command()
def status(home: Home = None, as_json: AsJson = False) -> None:
    """Say what runs."""
    found = describe(data_folder(home))
    if as_json:
        print(json.dumps(found, indent=2))
        return
    table = Table("part", "state", "pid", "port", "MB", "restarts", "", box=None)
    for part in found["parts"]:
        cells = (part["name"], part["state"], part["pid"], part["port"], part["rss_megabytes"], part["restarts"])
        table.add_row(*("" if cell is None else str(cell) for cell in cells), part["detail"][:80])
    _console.print(table)
    print(f"Pages: {found['url']}" if found["url"] else "Nothing runs. Start it with `overseen up`.")


@app.command()
def doctor(
    home: Home = None,
    attack: Annotated[
        bool,
        typer.Option(
            "--attack", help="Attack the sandbox here, and a database lease where the stack runs; say what held."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what this machine can do and which controls are really on; exit code 1 when one is off."""
    if attack:
        _attack(data_folder(home), as_json)
        return
    found = asyncio.run(_examined(data_folder(home)))
    healthy = all(item.health is not Health.FAIL for item in found)
    if as_json:
        print(json.dumps({"healthy": healthy, "checks": [asdict(item) for item in found]}, indent=2))
    else:
        for item in found:
            _console.print(f"{item.health.value:<5} {item.name:<16} {item.detail}", markup=False, soft_wrap=True)
            if item.next_step:
                _console.print(f"{'':<22} {item.next_step}", markup=False, soft_wrap=True)
    if not healthy:
        raise typer.Exit(1)


async def _examined(home: Path) -> list[Diagnosis]:
    # Deferred: the controls bring imports that starting and stopping do not need.
    from overseen.api.controls import examine_controls

    return [*await examine(home), *await examine_controls(load_settings(home))]


def _attack(home: Path, as_json: bool) -> None:
    """Run the attack table; exit code 1 when an attack was not held: such a sandbox must not be used."""
    # Deferred: the sandbox brings imports that starting and stopping do not need.
    from overseen.engine.attack_table import attack_machine
    from overseen.engine.lease_attacks import attack_leases
    from overseen.tools.sandbox.attacks import AttackResult

    async def attack() -> list[AttackResult]:
        settings = load_settings(home)
        return [*await attack_machine(settings), *await attack_leases(settings)]

    results = asyncio.run(attack())
    if as_json:
        rows = [{"name": row.name, "held": row.held, "detail": row.detail} for row in results]
        print(json.dumps({"attacks": rows}, indent=2))
    else:
        for result in results:
            held = "held" if result.held else "NOT HELD"
            _console.print(f"{held:<9}{result.name:<44} {result.detail}", markup=False, soft_wrap=True)
        lost = sum(not result.held for result in results)
        _console.print(f"{len(results) - lost} of {len(results)} attacks held.")
    if not all(result.held for result in results):
        raise typer.Exit(1)


class _Screen:
    """A line for each part: a bar while a terminal watches, a plain line when something changed elsewhere."""

    def __init__(self) -> None:
        self._shown: dict[str, PartState] = {}
        self._bars: dict[str, TaskID] = {}
        self._spoken = time.monotonic()
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.fields[part]:<9}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[detail]}", markup=False),
            console=_console,
            transient=True,
            disable=not _console.is_terminal,
        )

    def __enter__(self) -> "_Screen":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """A line of its own."""
        self._progress.console.print(text, markup=False)

    def show(self, state: StackState) -> None:
        """Bring the screen to `state`."""
        for part in state.parts.values():
            if self._shown.get(part.name) is not part.state:
                self._shown[part.name] = part.state
                self._announce(part)
            self._bar(part)
        if not _console.is_terminal and time.monotonic() - self._spoken > _QUIET_SECONDS:
            self._spoken = time.monotonic()
            for part in state.parts.values():
                if part.state is not PartState.READY and part.detail:
                    self.say(f"{part.name:<9} {part.detail}")

    def _announce(self, part: PartStatus) -> None:
        if part.state is PartState.READY:
            where = f"port {part.port}" if part.port else ""
            self.say(f"{part.name:<9} ready after {part.ready_seconds:5.1f} s  {where}")
        elif part.state in {PartState.RESTARTING, PartState.FAILED}:
            self.say(f"{part.name:<9} {part.state.value}: {part.detail}")

    def _bar(self, part: PartStatus) -> None:
        unfinished = part.state is not PartState.READY
        if part.name not in self._bars:
            self._bars[part.name] = self._progress.add_task("", part=part.name, detail="", total=None)
        self._progress.update(
            self._bars[part.name],
            visible=unfinished and part.state is not PartState.WAITING,
            detail=part.detail or part.state.value,
            total=None if part.progress is None else 1.0,
            completed=part.progress or 0.0,
        )
