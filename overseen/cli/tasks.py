"""`overseen submit`: hand in a task and, if asked to, wait for what becomes of it."""

import asyncio
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from overseen.api.reading.views import RunView
from overseen.api.requester_view import shown_run
from overseen.api.services import Services
from overseen.cli.progress import tell_progress
from overseen.cli.terminal import LOCAL_REQUESTER, AsJson, account_id, amount_text, run, show_json, the_house
from overseen.domain.disclosure import WITHHELD_DETAILS
from overseen.domain.outcomes import RunState
from overseen.errors import InvalidInput

app = typer.Typer()

_WAITING = {RunState.WAITING_REVIEW: "a reviewer", RunState.WAITING_REQUESTER: "an answer of the requester"}
_STOPPING = frozenset({"RunParked", "RunEnded", "RunFailed"})
_MOST_MESSAGE_BYTES = 1_000_000


@app.command("submit")
def submit(  # noqa: PLR0917 - one parameter an option
    playbook: Annotated[str, typer.Argument(help="The playbook, say claims_intake.")],
    message: Annotated[Path | None, typer.Option(help="File with what the requester writes; - reads stdin.")] = None,
    attach: Annotated[list[Path] | None, typer.Option(help="A file to attach; may be given several times.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run ends or waits for a person.")] = False,
    timeout: Annotated[float, typer.Option(help="The longest to wait, in seconds.")] = 1800.0,
    account: Annotated[str, typer.Option("--as", help="The account that hands it in.")] = LOCAL_REQUESTER,
    as_json: AsJson = False,
) -> None:
    """Hand in a task. While it waits it says on stderr what for.

    Ends with 1 when the run failed or the wait was too long.
    """

    async def work() -> tuple[dict[str, Any], RunView]:
        text, files = _message(message), [_attachment(path) for path in attach or ()]
        async with the_house() as services:
            requester_id = await account_id(services, account)
            submitted = await services.intake.submit(
                requester_id=requester_id,
                playbook_name=playbook,
                message=text,
                attachments=files,
                form_token=secrets.token_urlsafe(18),
            )
            if wait:
                await _until_it_rests(services, submitted.run_id, timeout)
            viewer = await services.accounts.viewer(account)
            view = await shown_run(services, viewer, submitted.run_id)
        return outcome_of(view), view

    outcome, view = run(work(), as_json=as_json)
    if as_json:
        show_json(outcome)
    else:
        _say(outcome, view, waited=wait)
    resting = {RunState.QUEUED, RunState.RUNNING}
    if wait and (view.state is RunState.FAILED or view.state in resting):
        raise typer.Exit(1)


def outcome_of(view: RunView) -> dict[str, Any]:
    """What became of a run: state, outcome, amount, facts with provenance, and what it waits for.

    What is proposed is no part of it before it is decided, unless the account may see every task.
    """
    return {
        "task_id": view.task_id,
        "run_id": view.run_id,
        "state": view.state,
        "withheld": view.withheld,
        "details_withheld": view.details_withheld,
        "waits_since": view.parked_at,
        "outcome": view.outcome,
        "amount": None if view.amount is None else f"{view.amount:.2f}",
        "currency": view.currency,
        "boundary": view.boundary,
        "reasons": view.ruling.reasons if view.ruling else (),
        "boundary_reasons": view.verdict.reasons if view.verdict else (),
        "missing": view.ruling.missing if view.ruling else (),
        "review_id": view.review_id,
        "facts": view.facts,
        "findings": view.findings,
        "explanation": view.explanation.text if view.explanation else None,
        "error": {"code": view.error_code, "message": view.error_message} if view.error_code else None,
        "seconds": view.totals.working_seconds,
        "input_tokens": view.totals.input_tokens,
        "output_tokens": view.totals.output_tokens,
        "cost_usd": view.totals.cost_usd,
    }


def _message(path: Path | None) -> str:
    if path is None:
        return ""
    if str(path) == "-":
        return sys.stdin.read(_MOST_MESSAGE_BYTES)
    return _attachment(path)[1].decode("utf-8", errors="replace")


def _attachment(path: Path) -> tuple[str, bytes]:
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be read: {error.strerror}.", not_done="Nothing was handed in.", next_step="Check the path."
        ) from error


async def _until_it_rests(services: Services, run_id: str, most_seconds: float) -> None:
    """Follow the run's journal until it ends or waits for a person, at most `most_seconds`."""
    telling = asyncio.create_task(tell_progress(services, run_id))
    try:
        async with asyncio.timeout(most_seconds):
            async for entry in services.journal.follow(run_id):
                if entry.kind in _STOPPING:
                    return
    except TimeoutError:
        return
    finally:
        telling.cancel()
        await asyncio.wait([telling])


def _say(outcome: dict[str, Any], view: RunView, *, waited: bool) -> None:
    typer.echo(f"task {outcome['task_id']}  run {outcome['run_id']}  {str(outcome['state']).replace('_', ' ')}")
    if not waited:
        return
    if view.withheld and view.state in _WAITING:
        since = f" since {view.parked_at:%Y-%m-%d %H:%M %Z}" if view.parked_at else ""
        typer.echo(f"nothing is decided yet; it waits for {_WAITING[view.state]}{since}")
    if outcome["outcome"]:
        paid = amount_text(view.amount, view.currency)
        typer.echo(f"outcome {outcome['outcome']}  {paid}".rstrip())
    if view.details_withheld:
        typer.echo(f"  {WITHHELD_DETAILS}")
    for reason in (*outcome["reasons"], *outcome["boundary_reasons"]):
        typer.echo(f"  {reason}")
    if outcome["error"]:
        typer.echo(f"  {outcome['error']['message']}")
    if outcome["review_id"] and outcome["state"] == RunState.WAITING_REVIEW:
        typer.echo(f"review {outcome['review_id']}: overseen reviews show {outcome['review_id']}")
