"""`overseen demo`: three sample claims through the running house, and who to look at them as."""

import asyncio
import time
from collections.abc import Callable, Sequence
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
_AT_REST = {*ENDED, RunState.WAITING_REVIEW, RunState.WAITING_REQUESTER}
_PATIENCE_SECONDS = 900.0


@dataclass
class _Claim:
    case: SampleCase
    run_id: str = ""
    state: str = "waiting its turn"
    boundary: str = ""
    amount: str = ""
    seconds: float = 0.0


@app.command()
def demo() -> None:
    """Hand in three sample claims, wait until each is settled or parked, and print where to look."""
    settings = load_settings()
    base = settings.web.base_url or page_address(read_state(settings.home))
    if base is None:
        raise Unavailable(
            "Nothing runs here yet.", not_done="No claim was handed in.", next_step="Run `overseen up` first."
        )
    asyncio.run(_demo(base))


async def _demo(base: str) -> None:
    settings = load_settings()
    console = Console(highlight=False)
    async with open_services(settings) as services:
        accounts = {
            name: await services.accounts.ensure(name, display_name=shown, roles=roles)
            for name, shown, roles in _PEOPLE
        }
        playbook = load_playbook(_PLAYBOOK)
        claims = [_Claim(case=load_sample(playbook, name)) for name in _CASES]
        with Live(_table(claims), console=console, refresh_per_second=2) as live:
            # One after the other: the local model answers one question at a time, and each should show its own time.
            for claim in claims:
                claim.run_id = await _hand_in(services, claim.case, accounts["rosa"])
                await _watch(services, claim, lambda: live.update(_table(claims)))
        console.print()
        for claim in claims:
            console.print(f"  {claim.case.title}: {base}/runs/{claim.run_id}", soft_wrap=True)
        console.print("\nSign in as (each link works once; `overseen accounts link NAME` makes a new one):")
        for name, shown, _ in _PEOPLE:
            token = await services.accounts.link(name)
            console.print(f"  {shown:16} {base}/sign-in/link/{token}", soft_wrap=True)
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


async def _watch(services: Services, claim: _Claim, show: Callable[[], None]) -> None:
    """Until the claim is at rest. Raises Unavailable when that takes too long."""
    began = time.monotonic()
    while claim.state not in _AT_REST:
        run = await services.runs.run(claim.run_id)
        claim.state, claim.boundary = run.state, run.boundary or ""
        claim.amount = f"{run.amount:,.2f} {run.currency}" if run.amount is not None else "-"
        claim.seconds = time.monotonic() - began
        show()
        if claim.seconds > _PATIENCE_SECONDS:
            raise Unavailable(
                "The claim is not through after 15 minutes.",
                not_done="It goes on in the background.",
                next_step="`overseen status` says whether the worker and the model run.",
            )
        await asyncio.sleep(0.5)


def _table(claims: Sequence[_Claim]) -> Table:
    table = Table("claim", "state", "boundary", "amount", "seconds", box=None, pad_edge=False)
    for claim in claims:
        table.add_row(claim.case.title, claim.state, claim.boundary, claim.amount, f"{claim.seconds:.0f}")
    return table
