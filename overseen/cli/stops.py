"""`overseen leases kill`, `stops` and `lift`: the kill switches from the command line."""

from dataclasses import asdict
from typing import Annotated

import typer

from overseen.api.reading.lease_filter import LeaseFilter
from overseen.api.reading.leases import LeaseReader
from overseen.api.reading.stop_targets import StopTargets
from overseen.cli.lease_desk import lease_desk
from overseen.cli.operator import os_user
from overseen.cli.terminal import AsJson, run, show_json, show_table
from overseen.errors import InvalidInput
from overseen.secrets.kill import KillReport
from overseen.secrets.stops import Scope, Stop, Stops

app = typer.Typer()


@app.command("kill")
def kill(  # noqa: PLR0913, PLR0917 - one parameter an option
    call: Annotated[str, typer.Option(help="End this call's lease.")] = "",
    run_id: Annotated[str, typer.Option("--run", help="End all leases of this run.")] = "",
    agent: Annotated[str, typer.Option(help="Shut off this agent.")] = "",
    tool: Annotated[str, typer.Option(help="End all leases of this tool.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="Ask to end everything.")] = False,
    confirm: Annotated[str, typer.Option(help="Confirm a request to end everything, by its id.")] = "",
    reason: Annotated[str, typer.Option(help="Why; kept with the journal.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Pull a kill switch. Everything takes two people: one asks, someone else confirms; the machine says who."""
    who = f"operator:{os_user()}"

    async def work() -> KillReport | str:
        scope, target = _aim(call=call, run=run_id, agent=agent, tool=tool)
        async with lease_desk() as desk, desk.kill_switch() as switch:
            if confirm:
                return await switch.confirm(confirm, by=who)
            if everything:
                return await switch.ask_for_everything(reason=reason, by=who)
            target = await StopTargets(desk.database).check(scope, target)
            return await switch.pull(scope, target, reason=reason, by=who)

    if not (yes or as_json or everything):
        _ask(LeaseFilter(show="live", call_id=call, run_id=run_id, agent=agent, tool=tool, limit=1), bool(confirm))
    report = run(work(), as_json=as_json)
    if isinstance(report, str):
        asked = {
            "stop_id": report,
            "state": "asked",
            "next_step": f"Someone else: overseen leases kill --confirm {report}",
        }
        show_json(asked) if as_json else typer.echo(f"Asked. {asked['next_step']}")
        return
    if as_json:
        show_json(asdict(report))
    else:
        typer.echo(f"{_told(report)} Lift it with: overseen leases lift {report.stop_id}")
    if not report.proven:
        raise typer.Exit(1)


def _told(report: KillReport) -> str:
    """What came of it. Nothing is called proven gone where there was nothing."""
    what = "Everything" if report.scope == Scope.EVERYTHING else f"{report.scope} {report.target}"
    was = f"Before: {report.before.leases} live leases, {report.before.calls} running calls."
    if not report.proven:
        return f"{what}: {was} {report.leases} leases ended, NOT proven gone yet; the workers' sweeper goes on."
    if not (report.leases or report.before.leases or report.before.calls):
        return f"{what}: nothing was live. New ones are refused from now on."
    running = " The calls go on without a credential until they end." if report.before.calls else ""
    return f"{what}: {was} {report.leases} leases ended, proven gone after {report.seconds:.2f} s.{running}"


def _ask(reach: LeaseFilter, everything: bool) -> None:
    """Say how much would be ended, and go on only when told to. Unknown names are refused first."""
    scope, target = _aim(call=reach.call_id, run=reach.run_id, agent=reach.agent, tool=reach.tool)

    async def count() -> int:
        async with lease_desk() as desk:
            if not everything:
                await StopTargets(desk.database).check(scope, target)
            return (await LeaseReader(desk.database).list(reach))[1].total

    living = run(count(), as_json=False)
    what = "Everything is stopped" if everything else "It is stopped until someone lifts it"
    typer.confirm(f"{living} live leases end at once. {what}. Go on?", abort=True)


@app.command("stops")
def stops(as_json: AsJson = False) -> None:
    """List the kill switches that are asked for or pulled."""

    async def read() -> list[Stop]:
        async with lease_desk() as desk:
            return await Stops(desk.database).in_force()

    found = run(read(), as_json=as_json)
    if as_json:
        show_json({"stops": found})
        return
    show_table(
        ("kill switch", "scope", "target", "asked by", "pulled"),
        [
            (
                stop.stop_id,
                stop.scope,
                stop.target,
                stop.by,
                f"{stop.pulled_at:%d %b %H:%M:%S}" if stop.pulled_at else "asked for",
            )
            for stop in found
        ],
    )


@app.command("lift")
def lift(
    stop_id: Annotated[str, typer.Argument(help="The kill switch's id.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the journal.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let what a kill switch stopped go on, or withdraw what was only asked for."""

    async def work() -> None:
        async with lease_desk() as desk, desk.kill_switch() as switch:
            await switch.lift(stop_id, by=f"operator:{os_user()}", reason=reason)

    run(work(), as_json=as_json)
    show_json({"stop_id": stop_id, "state": "lifted"}) if as_json else typer.echo(f"Lifted {stop_id}.")


def _aim(*, call: str, run: str, agent: str, tool: str) -> tuple[Scope, str]:
    """The one scope that was named. Raises InvalidInput when it is none or more than one."""
    named = {Scope.CALL: call, Scope.RUN: run, Scope.AGENT: agent, Scope.TOOL: tool}
    aims = [(scope, target) for scope, target in named.items() if target]
    if len(aims) > 1:
        raise InvalidInput("Name one thing to stop, not several.", not_done="Nothing was stopped.")
    return aims[0] if aims else (Scope.EVERYTHING, "*")
