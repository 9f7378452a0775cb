"""`overseen accounts`: who may sign in, with which roles and how; and who may no longer."""

import getpass
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from overseen.api.access import Viewer
from overseen.api.accounts import Accounts
from overseen.cli.terminal import AsJson, run, show_json, the_house
from overseen.domain.outcomes import Role
from overseen.errors import Misconfigured
from overseen.settings import load_settings
from overseen.stack.launch import page_address
from overseen.stack.state import read_state

Name = Annotated[str, typer.Argument(help="What they sign in with.")]
Roles = Annotated[list[Role], typer.Option("--role", help="May be given several times.")]

app = typer.Typer(no_args_is_help=True, help="Local accounts: who gets in, and as what.")


def base_url() -> str:
    """What links start with: as set, or where `overseen up` serves pages. Misconfigured when neither is known."""
    settings = load_settings()
    web = settings.web
    fixed = f"http://{web.host}:{web.port}" if web.port else None
    address = web.base_url or page_address(read_state(settings.home)) or fixed
    if address is None:
        raise Misconfigured(
            "Nothing serves pages, so a link would lead nowhere.",
            not_done="No link was made.",
            next_step="Run `overseen up`, or set OVERSEEN_BASE_URL.",
        )
    return address.rstrip("/")


@app.command("email")
def email(
    name: Name,
    address: Annotated[str, typer.Argument(help="Their mail address, which you vouch for; empty to take it away.")],
    as_json: AsJson = False,
) -> None:
    """Say whose records an account may see: those under this address."""

    async def work() -> None:
        async with the_house() as services:
            await services.accounts.set_email(name, address or None)

    run(work(), as_json=as_json)
    if as_json:
        show_json({"name": name, "email": address or None})
    else:
        typer.echo(f"{name} is shown what records under {address} may show." if address else f"{name} has no address.")


@app.command("add")
def add(
    name: Name,
    role: Roles,
    display_name: Annotated[str, typer.Option(help="How others see them; the name when not given.")] = "",
    password: Annotated[bool, typer.Option("--password", help="Ask for a password; else sign-in is by link.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account."""
    typed = getpass.getpass("Password: ") if password else None

    async def work() -> str:
        async with the_house() as services:
            return await services.accounts.add(name, display_name=display_name or name, roles=role, password=typed)

    account_id = run(work(), as_json=as_json)
    if as_json:
        show_json({"account_id": account_id, "name": name, "roles": role})
    else:
        typer.echo(f"{name} can sign in. A link: overseen accounts link {name}")


@app.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List accounts."""

    async def read() -> tuple[list[Viewer], list[Viewer]]:
        async with the_house() as services:
            return await services.accounts.all(), await services.accounts.disabled()

    accounts, disabled = run(read(), as_json=as_json)
    if as_json:
        show_json({"accounts": accounts, "disabled": disabled})
        return
    for account in (*accounts, *disabled):
        note = "  (disabled)" if account in disabled else ""
        typer.echo(f"{account.name:<24} {account.display_name:<28} {', '.join(sorted(account.roles))}{note}")


@app.command("disable")
def disable(name: Name, as_json: AsJson = False) -> None:
    """Let somebody in no more: what they are signed in with ends at once, and pages they have open stand still."""
    _change(name, as_json, lambda accounts: accounts.disable(name), f"{name} is shut out.")


@app.command("enable")
def enable(name: Name, as_json: AsJson = False) -> None:
    """Let a disabled account in again."""
    _change(name, as_json, lambda accounts: accounts.enable(name), f"{name} can sign in again.")


@app.command("roles")
def roles(name: Name, role: Roles, as_json: AsJson = False) -> None:
    """Give an account these roles and no others."""
    said = f"{name} is now {', '.join(sorted(role))}."
    _change(name, as_json, lambda accounts: accounts.set_roles(name, role), said)


@app.command("sign-out")
def sign_out(name: Name, as_json: AsJson = False) -> None:
    """End all sessions, sign-in links and bearer tokens of an account, as after a laptop or a token was lost."""
    said = f"{name} is signed out everywhere."
    _change(name, as_json, lambda accounts: accounts.sign_out_everywhere(name), said)


def _change(name: str, as_json: bool, change: Callable[[Accounts], Awaitable[None]], said: str) -> None:
    async def work() -> None:
        async with the_house() as services:
            await change(services.accounts)

    run(work(), as_json=as_json)
    show_json({"name": name, "done": said}) if as_json else typer.echo(said)


@app.command("link")
def link(name: Name, as_json: AsJson = False) -> None:
    """Make a sign-in link that works once, for a day."""

    async def work() -> str:
        base = base_url()
        async with the_house() as services:
            return f"{base}/sign-in/link/{await services.accounts.link(name)}"

    target = run(work(), as_json=as_json)
    show_json({"name": name, "link": target}) if as_json else typer.echo(target)


@app.command("token")
def token(name: Name, as_json: AsJson = False) -> None:
    """Make a bearer token for the JSON API, good for 30 days. It is shown this once."""

    async def work() -> str:
        async with the_house() as services:
            return await services.accounts.token(name)

    made = run(work(), as_json=as_json)
    show_json({"name": name, "token": made}) if as_json else typer.echo(made)
