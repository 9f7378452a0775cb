"""`overseen demo`: three sample claims through the running house, and who to look at them as."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from overseen.api.services import Services, open_services
from overseen.blocking import run_blocking
from overseen.domain.identifiers import new_id
from overseen.domain.outcomes import ENDED, Role, RunState
from overseen.errors import Unavailable
from overseen.playbooks import load_playbook
from overseen.playbooks.samples import SampleCase, load_sample
from overseen.settings import load_settings
from overseen.stack.launch import page_address
from overseen.stack.state import read_state

app = typer.Typer()

_PLAYBOOK = "claims_intake"
_CASES = ("travel_suitcase_plain", "home_over_limit", "car_injury")
"""One that is settled alone, one that waits for a reviewer, one that only a person may decide."""
_PEOPLE = (
    ("rosa", "Rosa Requester", (Role.REQUESTER,)),
    ("ravi", "Ravi Reviewer", (Role.REVIEWER,)),
    ("ada", "Ada Auditor", (Role.AUDITOR,)),
)
_ADDRESS = "tomasz.zielinski@example.com"
"""Rosa's, so that the first claim is under a policy of her own; of the others she is told nothing."""
_AT_REST = {*ENDED, RunState.WAITING_REVIEW, RunState.WAITING_REQUESTER}
_PATIENCE_SECONDS = 900.0
"""How long the command watches all three claims. They go on without it."""


@dataclass
class _Claim:
    case: SampleCase
    run_id: str = ""
    state: str = "waiting its turn"
    boundary: str = ""
    amount: str = ""
    seconds: float = 0.0
    now: str = ""


@app.command()
def demo() -> None:
    """Hand in three sample claims, print where to look, and watch until each is settled or parked.

    A slow machine is no failure: what is still at work after a quarter of an hour is said, and goes on.
    """
    settings = load_settings()
    base = settings.web.base_url or page_address(read_state(settings.home))
    if base is None:
        raise Unavailable(
            "Nothing runs here yet.", not_done="No claim was handed in.", next_step="Run `overseen up` first."
        )
    asyncio.run(_demo(base, Console(highlight=False)))


async def _demo(base: str, console: Console) -> None:
    async with open_services(load_settings()) as services:
        await show_demo(services, base, console)


async def show_demo(
    services: Services, base: str, console: Console, *, patience_seconds: float = _PATIENCE_SECONDS
) -> None:
    """The demo on `services`: links first, then what becomes of each claim, for `patience_seconds` at most."""
    accounts = {
        name: await services.accounts.ensure(name, display_name=shown, roles=roles) for name, shown, roles in _PEOPLE
    }
    await services.accounts.set_email("rosa", _ADDRESS)
    playbook = load_playbook(_PLAYBOOK)
    claims = [_Claim(case=load_sample(playbook, name)) for name in _CASES]
    console.print("Sign in as (each link works once; `overseen accounts link NAME` makes a new one):")
    for name, shown, _ in _PEOPLE:
        token = await services.accounts.link(name)
        console.print(f"  {shown:16} {base}/sign-in/link/{token}", soft_wrap=True)
    console.print("\nThe claims:")
    for claim in claims:
        claim.run_id = await _hand_in(services, claim.case, accounts["rosa"])
        console.print(f"  {claim.case.title}: {base}/runs/{claim.run_id}", soft_wrap=True)
    console.print()
    await _watch(services, claims, console, patience_seconds)
    working = [claim for claim in claims if claim.state not in _AT_REST]
    if working:
        titles = ", ".join(claim.case.title for claim in working)
        console.print(
            f"\nStill at work after {patience_seconds / 60:.0f} minutes: {titles}. Nothing is lost; it goes on without"
            " this command.\nThe pages above say what is being waited for; `overseen doctor` says whether the model is"
            " slow.",
            soft_wrap=True,
        )
    console.print("\nThe pages stay up until `overseen down`.")


async def _hand_in(services: Services, case: SampleCase, requester_id: str) -> str:
    files = [(path.name, await run_blocking(Path.read_bytes, path)) for path in case.attachments]
    submitted = await services.intake.submit(
        requester_id=requester_id,
        playbook_name=case.playbook,
        message=case.message,
        attachments=files,
        form_token=new_id("form"),
    )
    return submitted.run_id


async def _watch(services: Services, claims: Sequence[_Claim], console: Console, patience_seconds: float) -> None:
    """Show every claim until all are at rest, or patience ends. A part that is down for a moment is waited for."""
    began = time.monotonic()
    told: list[tuple[str, str]] = []
    with Live(_table(claims), console=console, refresh_per_second=2) as live:
        while time.monotonic() - began < patience_seconds:
            for claim in claims:
                if claim.state not in _AT_REST:
                    with suppress(Unavailable):
                        await _look(services, claim, time.monotonic() - began)
            live.update(_table(claims))
            states = [(claim.state, claim.boundary) for claim in claims]
            if not console.is_terminal and states != told:
                # Without a terminal the table is drawn once, at the end.
                for claim, before, after in zip(claims, told or states, states, strict=True):
                    if not told or before != after:
                        console.print(f"{claim.seconds:5.0f} s  {claim.case.title}: {claim.state} {claim.now}".rstrip())
                told = states
            if all(claim.state in _AT_REST for claim in claims):
                return
            await asyncio.sleep(0.5)


async def _look(services: Services, claim: _Claim, seconds: float) -> None:
    run = await services.runs.run(claim.run_id)
    claim.state, claim.boundary = run.state.value, run.boundary or ""
    claim.amount = f"{run.amount:,.2f} {run.currency}" if run.amount is not None else "-"
    claim.seconds = seconds
    claim.now = " ".join(line.sentence for line in await services.progress.of_run(claim.run_id))


def _table(claims: Sequence[_Claim]) -> Table:
    table = Table("claim", "state", "boundary", "amount", "seconds", "now", box=None, pad_edge=False)
    for claim in claims:
        state = claim.state.replace("_", " ")
        table.add_row(claim.case.title, state, claim.boundary, claim.amount, f"{claim.seconds:.0f}", claim.now)
    return table
