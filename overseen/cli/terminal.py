"""How commands open the house, run to their end, and speak: words for people, one JSON object for programs."""

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import typer

from overseen.api.services import Services, open_services
from overseen.domain.canonical import plain
from overseen.domain.outcomes import Role
from overseen.errors import OverseenError
from overseen.settings import load_settings

T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]

LOCAL_REQUESTER = "local-requester"
LOCAL_REVIEWER = "local-reviewer"


def the_house() -> AbstractAsyncContextManager[Services]:
    """Services on the database that the settings name."""
    return open_services(load_settings())


def run(work: Coroutine[Any, Any, T], *, as_json: bool) -> T:
    """Run to the end; an error is printed for people or programs and ends the command with 1."""
    try:
        return asyncio.run(work)
    except OverseenError as error:
        if as_json:
            typer.echo(json.dumps({"error": error.as_dict()}))
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def show_json(content: Mapping[str, Any]) -> None:
    """One JSON object on stdout."""
    typer.echo(json.dumps(plain(dict(content)), indent=2, ensure_ascii=False))


def amount_text(amount: Decimal | None, currency: str | None) -> str:
    """`1,590.50 GBP`; empty where nothing is paid."""
    return "" if amount is None else f"{amount:,.2f} {currency or ''}".rstrip()


async def account_id(services: Services, name: str) -> str:
    """The id of the account to act as. The two local ones are made on first use; any other must exist (NotFound)."""
    local = {
        LOCAL_REQUESTER: ("Local requester", [Role.REQUESTER]),
        LOCAL_REVIEWER: ("Local reviewer", [Role.REVIEWER]),
    }
    if name in local:
        display_name, roles = local[name]
        return await services.accounts.ensure(name, display_name=display_name, roles=roles)
    return (await services.accounts.viewer(name)).account_id


def show_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their longest value, on stdout; the last one is not padded. How many rows stands below."""
    widths = [max(len(row[number]) for row in (headers, *rows)) for number in range(len(headers) - 1)]
    for row in (headers, *rows) if rows else ():
        padded = [value.ljust(width) for value, width in zip(row[:-1], widths, strict=True)]
        typer.echo("  ".join([*padded, row[-1]]).rstrip())
    typer.echo(f"{len(rows)} in all")
