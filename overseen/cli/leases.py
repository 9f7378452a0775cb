"""`overseen leases`: the ledger, the sweeper, the reconciler and the kill switches from the command line."""

import asyncio
import getpass
import json
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer

from overseen.api.reading.leases import LeaseFilter, LeaseReader, LeaseView
from overseen.domain.canonical import plain
from overseen.engine.liveness import WorkerLiveness
from overseen.errors import InvalidInput, Misconfigured, OverseenError
from overseen.journal import Journal
from overseen.secrets.audit_log import AuditLog, vault_trail
from overseen.secrets.connect import killswitch_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.kill import KillReport, KillSwitch, Scope
from overseen.secrets.least_privilege import least_privilege
from overseen.secrets.reconciler import Reconciler
from overseen.secrets.stops import Stops
from overseen.secrets.sweeper import Sweeper
from overseen.secrets.vault_client import VaultClient
from overseen.secrets.vault_search import VaultSearch
from overseen.settings import Settings, load_settings
from overseen.store import Database, PostgresBlobStore, load_blob_key

app = typer.Typer(no_args_is_help=True, help="Credentials that lived or live: list, prove, end them.")
T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]


@dataclass(frozen=True, kw_only=True)
class _Desk:
    """What the commands work with."""

    settings: Settings
    database: Database
    journal: Journal

    @asynccontextmanager
    async def killswitch(self) -> AsyncGenerator[VaultClient]:
        """Logged in as the kill switch; logged out at the end."""
        vault = killswitch_vault(self.settings.vault)
        try:
            yield vault
        finally:
            await vault.close()

    def kill_switch(self, vault: VaultClient) -> KillSwitch:
        """The kill switches on this desk."""
        return KillSwitch(
            database=self.database,
            journal=self.journal,
            blobs=PostgresBlobStore(self.database, load_blob_key(self.settings.keys_folder)),
            vault=vault,
            source=VaultCredentials(vault, self.settings.resources),
        )


@asynccontextmanager
async def _desk() -> AsyncGenerator[_Desk]:
    settings = load_settings()
    database = Database(settings.database.sqlalchemy_url)
    try:
        yield _Desk(settings=settings, database=database, journal=Journal(database))
    finally:
        await database.close()


def _run(work: Coroutine[Any, Any, T], *, as_json: bool) -> T:
    """Run to the end; an error is printed for people or programs and ends the command with 1."""
    try:
        return asyncio.run(work)
    except OverseenError as error:
        if as_json:
            typer.echo(json.dumps({"error": error.as_dict()}))
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _show_json(content: Mapping[str, object]) -> None:
    typer.echo(json.dumps(plain(dict(content)), indent=2, ensure_ascii=False))


def _lease_as_dict(lease: LeaseView) -> dict[str, object]:
    return plain(asdict(lease))


@app.command("list")
def list_leases(  # noqa: PLR0917 - one parameter an option
    run: Annotated[str, typer.Option(help="Only of this run.")] = "",
    agent: Annotated[str, typer.Option(help="Only of this agent.")] = "",
    tool: Annotated[str, typer.Option(help="Only of this tool.")] = "",
    state: Annotated[str, typer.Option(help="intent, issued, revoking, closed, refused or irrevocable.")] = "",
    show: Annotated[str, typer.Option(help="live, overdue, denied or irrevocable.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many, newest first.", min=1, max=100_000)] = 1000,
    as_json: AsJson = False,
) -> None:
    """List leases, the newest first."""

    async def read() -> tuple[tuple[LeaseView, ...], dict[str, int]]:
        async with _desk() as desk:
            reader = LeaseReader(desk.database)
            chosen = LeaseFilter(show=show, agent=agent, tool=tool, state=state, run_id=run, limit=limit)
            leases, _ = await reader.list(chosen)
            return leases, asdict(await reader.counters())

    leases, counters = _run(read(), as_json=as_json)
    if as_json:
        _show_json({"leases": [_lease_as_dict(lease) for lease in leases], "counters": counters})
        return
    typer.echo("  ".join(f"{name} {count}" for name, count in counters.items()))
    for lease in leases:
        lived = "" if lease.lived_seconds is None else f"{lease.lived_seconds:.2f} s"
        grants = ", ".join(lease.grants) or "no grant"
        typer.echo(f"{lease.lease_id}  {lease.state:<11} {lease.agent} {lease.tool} ({grants})  {lived}")


@app.command("show")
def show_lease(
    lease_id: Annotated[str, typer.Argument(help="The lease's id.")],
    as_json: AsJson = False,
) -> None:
    """Show one lease beside what Vault's own records say of it."""

    async def read() -> dict[str, object]:
        async with _desk() as desk:
            lease = await LeaseReader(desk.database).lease(lease_id)
            vault = desk.settings.vault
            trail = await vault_trail(vault.audit_file, vault.server_log, accessor=lease.accessor, vault_leases=[])
            return _lease_as_dict(lease) | {"vault": [plain(asdict(moment)) for moment in trail]}

    found = _run(read(), as_json=as_json)
    if as_json:
        _show_json(found)
        return
    for name, value in found.items():
        if name != "vault" and value not in (None, "", []):
            typer.echo(f"{name:<15} {value}")
    moments = found["vault"]
    for moment in moments if isinstance(moments, list) else []:
        typer.echo(f"vault           {moment['at']}  {moment['what']}  {moment['path']}  {moment['error'] or ''}")


@app.command("sweep")
def sweep(as_json: AsJson = False) -> None:
    """End what dead workers left behind, and prove it gone."""

    async def work() -> dict[str, object]:
        async with _desk() as desk, desk.killswitch() as vault:
            sweeper = Sweeper(
                database=desk.database,
                journal=desk.journal,
                source=VaultCredentials(vault, desk.settings.resources),
                search=VaultSearch(vault),
                liveness=WorkerLiveness(desk.database),
                resources=desk.settings.resources,
            )
            return asdict(await sweeper.sweep())

    report = _run(work(), as_json=as_json)
    if as_json:
        _show_json(report)
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
        async with _desk() as desk, desk.killswitch() as vault:
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

    findings = _run(work(), as_json=as_json)
    if as_json:
        _show_json({"findings": findings})
    else:
        typer.echo(f"{len(findings)} findings")
        for finding in findings:
            typer.echo(f"{finding['name']}  {finding['at']}  {finding['lease_id'] or '-'}  {finding['detail']}")
    if findings:
        raise typer.Exit(1)


@app.command("kill")
def kill(  # noqa: PLR0913, PLR0917 - one parameter an option
    call: Annotated[str, typer.Option(help="End this call's lease.")] = "",
    run: Annotated[str, typer.Option(help="End all leases of this run.")] = "",
    agent: Annotated[str, typer.Option(help="Shut off this agent.")] = "",
    tool: Annotated[str, typer.Option(help="End all leases of this tool.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="Ask to end everything.")] = False,
    confirm: Annotated[str, typer.Option(help="Confirm a request to end everything, by its id.")] = "",
    reason: Annotated[str, typer.Option(help="Why; kept with the journal.")] = "",
    by: Annotated[str, typer.Option(help="Who; by default the user of this machine.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Pull a kill switch. Everything takes two people: one asks, someone else confirms."""
    who = f"operator:{by or getpass.getuser()}"

    async def work() -> KillReport | str:
        scope, target = _aim(call=call, run=run, agent=agent, tool=tool)
        async with _desk() as desk, desk.killswitch() as vault:
            switch = desk.kill_switch(vault)
            if confirm:
                return await switch.confirm(confirm, by=who)
            if everything:
                return await switch.ask_for_everything(reason=reason, by=who)
            return await switch.pull(scope, target, reason=reason, by=who)

    if not (yes or as_json or everything):
        typer.confirm("This ends running work at once. Go on?", abort=True)
    report = _run(work(), as_json=as_json)
    if isinstance(report, str):
        asked = {
            "stop_id": report,
            "state": "asked",
            "next_step": f"Someone else: overseen leases kill --confirm {report}",
        }
        _show_json(asked) if as_json else typer.echo(f"Asked. {asked['next_step']}")
        return
    if as_json:
        _show_json(asdict(report))
    else:
        proven = f"proven gone after {report.seconds:.2f} s" if report.proven else "NOT proven gone yet"
        typer.echo(f"{report.leases} leases ended, {proven}. Lift it with: overseen leases lift {report.stop_id}")
    if not report.proven:
        raise typer.Exit(1)


@app.command("privileges")
def privileges(
    days: Annotated[int, typer.Option(help="How many days to look back.", min=1, max=3650)] = 30,
    as_json: AsJson = False,
) -> None:
    """Compare what each tool is granted with what it used, and propose less."""

    async def read() -> list[dict[str, object]]:
        async with _desk() as desk:
            return [plain(asdict(privilege)) for privilege in await least_privilege(desk.database, days=days)]

    found = _run(read(), as_json=as_json)
    if as_json:
        _show_json({"days": days, "privileges": found})
        return
    for one in found:
        typer.echo(f"{one['tool']} {one['grant']}: {one['used']} of {one['leases']} leases used. {one['proposal']}")


@app.command("stops")
def stops(as_json: AsJson = False) -> None:
    """List the kill switches that are asked for or pulled."""

    async def read() -> list[dict[str, object]]:
        async with _desk() as desk:
            return [plain(asdict(stop)) for stop in await Stops(desk.database).in_force()]

    found = _run(read(), as_json=as_json)
    if as_json:
        _show_json({"stops": found})
        return
    for stop in found:
        typer.echo(
            f"{stop['stop_id']}  {stop['scope']} {stop['target']}  by {stop['by']}  {stop['pulled_at'] or 'asked'}"
        )


@app.command("lift")
def lift(
    stop_id: Annotated[str, typer.Argument(help="The kill switch's id.")],
    by: Annotated[str, typer.Option(help="Who; by default the user of this machine.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let what a kill switch stopped go on."""

    async def work() -> None:
        async with _desk() as desk, desk.killswitch() as vault:
            await desk.kill_switch(vault).lift(stop_id, by=f"operator:{by or getpass.getuser()}")

    _run(work(), as_json=as_json)
    _show_json({"stop_id": stop_id, "state": "lifted"}) if as_json else typer.echo(f"Lifted {stop_id}.")


def _aim(*, call: str, run: str, agent: str, tool: str) -> tuple[Scope, str]:
    """The one scope that was named. Raises InvalidInput when it is none or more than one."""
    named = {Scope.CALL: call, Scope.RUN: run, Scope.AGENT: agent, Scope.TOOL: tool}
    aims = [(scope, target) for scope, target in named.items() if target]
    if len(aims) > 1:
        raise InvalidInput("Name one thing to stop, not several.", not_done="Nothing was stopped.")
    return aims[0] if aims else (Scope.EVERYTHING, "*")
