"""`overseen accounts`: who may sign in, with which roles; sign-in links and bearer tokens."""

import getpass
from typing import Annotated

import typer

from overseen.api.access import Viewer
from overseen.cli.terminal import AsJson, run, show_json, the_house
from overseen.domain.outcomes import Role
from overseen.errors import Misconfigured
from overseen.settings import load_settings
from overseen.stack.launch import page_address
from overseen.stack.state import read_state

app = typer.Typer(no_args_is_help=True, help="Local accounts: add, list, link, token.")


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


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What they sign in with.")],
    role: Annotated[list[Role], typer.Option(help="May be given several times.")],
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

    async def read() -> list[Viewer]:
        async with the_house() as services:
            return await services.accounts.all()

    accounts = run(read(), as_json=as_json)
    if as_json:
        show_json({"accounts": accounts})
        return
    for account in accounts:
        typer.echo(f"{account.name:<24} {account.display_name:<28} {', '.join(sorted(account.roles))}")


@app.command("link")
def link(name: Annotated[str, typer.Argument(help="Whom to sign in.")], as_json: AsJson = False) -> None:
    """Make a sign-in link that works once, for a day."""

    async def work() -> str:
        base = base_url()
        async with the_house() as services:
            return f"{base}/sign-in/link/{await services.accounts.link(name)}"

    target = run(work(), as_json=as_json)
    show_json({"name": name, "link": target}) if as_json else typer.echo(target)


@app.command("token")
def token(name: Annotated[str, typer.Argument(help="Whose.")], as_json: AsJson = False) -> None:
    """Make a bearer token for the JSON API, good for 30 days. It is shown this once."""

    async def work() -> str:
        async with the_house() as services:
            return await services.accounts.token(name)

    made = run(work(), as_json=as_json)
    show_json({"name": name, "token": made}) if as_json else typer.echo(made)
