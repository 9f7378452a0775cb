"""`overseen leases`: the ledger, exports, the sweeper and the reconciler from the command line."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated

import typer

from overseen.api.exports import ExportFormat, export_leases
from overseen.api.reading.lease_filter import LeaseFilter
from overseen.api.reading.lease_views import LeaseView, VaultRecord
from overseen.api.reading.leases import LeaseReader
from overseen.blocking import run_blocking
from overseen.cli import stops
from overseen.cli.lease_desk import lease_desk
from overseen.cli.operator import os_user
from overseen.cli.terminal import AsJson, run, show_json, show_table
from overseen.domain.canonical import plain
from overseen.engine.liveness import WorkerLiveness
from overseen.errors import InvalidInput, Misconfigured
from overseen.secrets.audit_log import AuditLog
from overseen.secrets.least_privilege import least_privilege
from overseen.secrets.reconciler import Reconciler
from overseen.secrets.sweeper import Sweeper
from overseen.secrets.vault_search import VaultSearch

app = typer.Typer(no_args_is_help=True, help="Credentials that lived or live: list, prove, end them.")
app.add_typer(stops.app)

OfRun = Annotated[str, typer.Option("--run", help="Only of this run.")]
OfAgent = Annotated[str, typer.Option("--agent", help="Only of this agent.")]
OfTool = Annotated[str, typer.Option("--tool", help="Only of this tool.")]
InState = Annotated[str, typer.Option("--state", help="intent, issued, revoking, closed, refused or irrevocable.")]
Shown = Annotated[str, typer.Option("--show", help="live, overdue, denied or irrevocable.")]
Search = Annotated[str, typer.Option("--search", help="Only where an id, name, path, accessor or reason holds this.")]
Since = Annotated[str, typer.Option("--since", help="Only asked for from this time on (ISO 8601, UTC).")]
Until = Annotated[str, typer.Option("--until", help="Only asked for until this time (ISO 8601, UTC).")]


@app.command("list")
def list_leases(  # noqa: PLR0913, PLR0917 - one parameter an option
    run_id: OfRun = "",
    agent: OfAgent = "",
    tool: OfTool = "",
    state: InState = "",
    show: Shown = "",
    search: Search = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(help="At most so many, newest first.", min=1, max=100_000)] = 1000,
    as_json: AsJson = False,
) -> None:
    """List leases, the newest first."""
    chosen = LeaseFilter(
        show=show,
        agent=agent,
        tool=tool,
        state=state,
        run_id=run_id,
        search=search,
        since=since,
        until=until,
        limit=limit,
    )

    async def read() -> tuple[tuple[LeaseView, ...], dict[str, int]]:
        async with lease_desk() as desk:
            reader = LeaseReader(desk.database)
            leases, _ = await reader.list(chosen)
            return leases, asdict(await reader.counters())

    leases, counters = run(read(), as_json=as_json)
    if as_json:
        show_json({"leases": leases, "counters": counters})
        return
    typer.echo("  ".join(f"{name} {count}" for name, count in counters.items()))
    show_table(
        ("lease", "state", "agent", "tool", "grants", "lived"),
        [
            (
                lease.lease_id,
                lease.state,
                lease.agent,
                lease.tool,
                ", ".join(lease.grants) or "none",
                "" if lease.lived_seconds is None else f"{lease.lived_seconds:.2f} s",
            )
            for lease in leases
        ],
    )


@app.command("export")
def export(  # noqa: PLR0913, PLR0917 - one parameter an option
    run_id: OfRun = "",
    agent: OfAgent = "",
    tool: OfTool = "",
    state: InState = "",
    show: Shown = "",
    search: Search = "",
    since: Since = "",
    until: Until = "",
    as_format: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.JSONL,
    output: Annotated[Path | None, typer.Option(help="Where to write; standard output if not named.")] = None,
) -> None:
    """Write every lease that matches as JSONL, OCSF or CEF, however many there are."""
    chosen = LeaseFilter(
        show=show, agent=agent, tool=tool, state=state, run_id=run_id, search=search, since=since, until=until
    )

    async def work() -> int:
        written = 0
        async with lease_desk() as desk, _opened(output) as file:
            reader, by = LeaseReader(desk.database), f"operator:{os_user()}"
            async for line in await export_leases(reader, desk.journal, chosen, as_format, by=by):
                file.write(line)
                written += 1
        return written

    written = run(work(), as_json=False)
    typer.echo(f"{written} lines of {as_format.value}", err=True)


@asynccontextmanager
async def _opened(output: Path | None) -> AsyncGenerator[IO[str]]:
    """The file, or standard output. Raises InvalidInput when it cannot be written."""
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        file = await run_blocking(output.open, "w", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"{output} cannot be written: {error.strerror}.", not_done="Nothing was exported."
        ) from error
    with file:
        yield file


@app.command("show")
def show_lease(
    lease_id: Annotated[str, typer.Argument(help="The lease's id.")],
    as_json: AsJson = False,
) -> None:
    """Show one lease beside what Vault's own records say of it."""

    async def read() -> tuple[LeaseView, VaultRecord]:
        async with lease_desk() as desk:
            reader = LeaseReader(desk.database, desk.settings.vault)
            lease = await reader.lease(lease_id)
            return lease, await reader.vault_record(lease)

    lease, record = run(read(), as_json=as_json)
    moments = [{"at": at, "what": what, "path": path, "error": error} for at, what, path, error in record.entries]
    if as_json:
        show_json({**plain(lease), "vault": moments, "vault_problem": record.problem})
        return
    for name, value in plain(lease).items():
        if value not in (None, "", []):
            typer.echo(f"{name:<15} {value}")
    for moment in moments:
        typer.echo(f"vault           {moment['at']}  {moment['what']}  {moment['path']}  {moment['error'] or ''}")
    if record.problem:
        typer.echo(record.problem, err=True)


@app.command("sweep")
def sweep(as_json: AsJson = False) -> None:
    """End what dead workers left behind, and prove it gone."""

    async def work() -> dict[str, object]:
        async with lease_desk() as desk, desk.killswitch() as vault:
            sweeper = Sweeper(
                database=desk.database,
                journal=desk.journal,
                source=desk.credentials(vault),
                search=VaultSearch(vault),
                liveness=WorkerLiveness(desk.database),
                resources=desk.settings.database_resources,
            )
            return asdict(await sweeper.sweep())

    report = run(work(), as_json=as_json)
    if as_json:
        show_json(report)
        return
    for name, value in report.items():
        typer.echo(f"{name}: {len(value) if isinstance(value, tuple) else value}")


@app.command("reconcile")
def reconcile(
    since: Annotated[datetime | None, typer.Option(help="Leave out what Vault recorded before (UTC).")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare Vault's own records with the ledger, both ways. Ends with 1 when something does not fit."""

    async def work() -> list[dict[str, object]]:
        async with lease_desk() as desk, desk.killswitch() as vault:
            audit_file = desk.settings.vault.audit_file
            if audit_file is None:
                raise Misconfigured(
                    "The settings do not say where Vault's audit file is.",
                    not_done="Nothing was reconciled.",
                    next_step="Set OVERSEEN_VAULT_AUDIT_FILE.",
                )
            reconciler = Reconciler(
                database=desk.database,
                journal=desk.journal,
                killswitch=vault,
                audit_log=AuditLog(audit_file),
                since=since.replace(tzinfo=UTC) if since else None,
            )
            return [anomaly.as_dict() for anomaly in await reconciler.reconcile()]

    findings = run(work(), as_json=as_json)
    if as_json:
        show_json({"findings": findings})
    else:
        typer.echo(f"{len(findings)} findings")
        for finding in findings:
            typer.echo(f"{finding['name']}  {finding['at']}  {finding['lease_id'] or '-'}  {finding['detail']}")
    if findings:
        raise typer.Exit(1)


@app.command("privileges")
def privileges(
    days: Annotated[int, typer.Option(help="How many days to look back.", min=1, max=3650)] = 30,
    as_json: AsJson = False,
) -> None:
    """Compare what each tool is granted with what it used, and propose less."""

    async def read() -> list[dict[str, object]]:
        async with lease_desk() as desk:
            return [plain(asdict(privilege)) for privilege in await least_privilege(desk.database, days=days)]

    found = run(read(), as_json=as_json)
    if as_json:
        show_json({"days": days, "privileges": found})
        return
    for one in found:
        typer.echo(f"{one['tool']} {one['grant']}: {one['used']} of {one['leases']} leases used. {one['proposal']}")
        for name, tables in (("touched", one["tables"]), ("allowed", one["allowed"])):
            if isinstance(tables, dict) and tables:
                typer.echo(f"  {name}: " + ", ".join(f"{'/'.join(done)} {table}" for table, done in tables.items()))
