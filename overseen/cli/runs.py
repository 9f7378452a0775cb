"""`overseen runs`: what runs there are, and everything about one."""

from typing import Annotated, Any

import typer

from overseen.api.reading.runs import RunFilter
from overseen.api.reading.views import Page, RunLine, RunView
from overseen.cli.terminal import AsJson, amount_text, run, show_json, the_house

app = typer.Typer(no_args_is_help=True, help="Runs: list them, show one.")


@app.command("list")
def list_runs(
    state: Annotated[str | None, typer.Option(help="Only in this state, say waiting_review.")] = None,
    playbook: Annotated[str | None, typer.Option(help="Only of this playbook.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, newest first.", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first."""

    async def read() -> tuple[tuple[RunLine, ...], Page]:
        async with the_house() as services:
            return await services.runs.list(RunFilter(state=state, playbook=playbook, limit=limit))

    runs, page = run(read(), as_json=as_json)
    if as_json:
        show_json({"runs": runs, "total": page.total})
        return
    for line in runs:
        typer.echo(f"{line.run_id}  {line.state.value:<18} {amount_text(line.amount, line.currency):>14}  {line.title}")
    typer.echo(f"{len(runs)} of {page.total}")


@app.command("show")
def show_run(
    run_id: Annotated[str, typer.Argument(help="The run's id.")],
    as_json: AsJson = False,
) -> None:
    """Show one run: plan, facts with provenance, ruling, timeline, calls, leases, and whether its chain holds."""

    async def read() -> tuple[RunView, dict[str, Any]]:
        async with the_house() as services:
            view = await services.runs.run(run_id)
            chain = await services.runs.chain(run_id)
            return view, {"holds": chain.holds, "entries": chain.entries, "breaks": chain.breaks}

    view, chain = run(read(), as_json=as_json)
    if as_json:
        fields = {name: getattr(view, name) for name in RunView.__dataclass_fields__}
        show_json({**fields, "chain": chain})
        return
    _say(view)
    typer.echo(f"\njournal: {chain['entries']} entries, chain {'holds' if chain['holds'] else 'DOES NOT HOLD'}")


def _say(view: RunView) -> None:
    typer.echo(f"{view.title}\n{view.run_id}  {view.state.value}  {amount_text(view.amount, view.currency)}")
    for step in view.steps:
        typer.echo(f"  {step.state:<8} {step.agent}: {step.fact_count} facts")
    typer.echo("\nfacts")
    for fact in view.facts:
        sure = "" if fact.confidence is None else f"{fact.confidence:.2f}"
        typer.echo(f"  {fact.name:<22} {fact.value!s:<32} {fact.source.name} ({fact.trust.value}) {sure}")
    if view.ruling:
        typer.echo(f"\nruling: {view.ruling.outcome.value}")
        for reason in view.ruling.reasons:
            typer.echo(f"  {reason}")
    if view.verdict:
        typer.echo(f"boundary: {view.verdict.level.value}: {'; '.join(view.verdict.reasons)}")
    typer.echo("\ntimeline")
    for entry in view.timeline:
        typer.echo(f"  {entry.sequence:>4}  {entry.at:%H:%M:%S}  {entry.sentence}")
    totals = view.totals
    typer.echo(
        f"\n{totals.model_calls} model calls, {totals.tool_calls} tool calls, {totals.input_tokens} + "
        f"{totals.output_tokens} tokens, {totals.cost_usd:.4f} USD"
    )
