"""`overseen vault`: what Overseen needs of a Vault that someone else runs, and whether it is there."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer

from overseen.secrets.connect import broker_vault
from overseen.secrets.secret import Secret
from overseen.secrets.vault_check import Deviation, LoginMethod, check_own_logins, check_vault, policy_text
from overseen.settings import VaultSettings, load_settings
from overseen.stack.vault_layout import LAYOUT

app = typer.Typer(no_args_is_help=True, help="Policies and roles that Overseen needs in Vault.")


def _login(settings: VaultSettings) -> LoginMethod:
    return LoginMethod(auth=settings.auth, mount=settings.auth_mount or settings.auth)


@app.command("policy")
def policy() -> None:
    """Print the minimal policies and roles, as an administrator of Vault would type them.

    Logins are by AppRole, or what OVERSEEN_VAULT_AUTH says.
    """
    typer.echo(policy_text(LAYOUT, _login(load_settings().vault)))


@app.command("check")
def check(
    token: Annotated[
        str,
        typer.Option(
            help="Of an administrator; better in VAULT_TOKEN, or typed when asked for, than on the command line.",
            envvar="VAULT_TOKEN",
            prompt="Token of an administrator",
            hide_input=True,
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Say what is missing in Vault or wider than needed. Ends with 1 when something is."""

    async def compare() -> list[Deviation]:
        settings = load_settings().vault
        vault = broker_vault(settings)
        try:
            found = await check_vault(vault, Secret(token), LAYOUT, _login(settings))
        finally:
            await vault.close()
        return found + await check_own_logins(settings)

    found = asyncio.run(compare())
    if as_json:
        typer.echo(json.dumps({"deviations": [asdict(deviation) for deviation in found]}, indent=2))
    else:
        for deviation in found:
            typer.echo(f"{deviation.problem:<10} {deviation.what}: {deviation.detail}")
        typer.echo("All as it should be." if not found else f"{len(found)} things to mend.")
    if found:
        raise typer.Exit(1)
