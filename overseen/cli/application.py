"""Puts the commands of all rooms together and turns errors into words and an exit code."""

import sys
from importlib import import_module

import click
import typer
from typer.core import TyperGroup

from overseen.cli.operator import command_line
from overseen.domain.act_origin import acting_through
from overseen.errors import OverseenError

_ROOMS = {
    "up": "stack",
    "down": "stack",
    "status": "stack",
    "doctor": "stack",
    "backup": "backups",
    "demo": "demo",
    "submit": "tasks",
    "accounts": "accounts",
    "evals": "evals",
    "journal": "journal",
    "leases": "leases",
    "reviews": "reviews",
    "runs": "runs",
    "vault": "vault",
}
"""Every command or group of commands, in the order of the help, and the file of this folder it is in."""


class _Rooms(TyperGroup):
    """Reads the file of a command when it is asked for: all of them together take over a second to import."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """See click."""
        return list(_ROOMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """See click."""
        if cmd_name not in _ROOMS:
            return None
        room = typer.main.get_group(import_module(f"overseen.cli.{_ROOMS[cmd_name]}").app)
        room.name = cmd_name
        # A room holds a group (`accounts add`), or commands that stand alone (`up`, `down`).
        return room.commands.get(cmd_name, room)


app = typer.Typer(
    cls=_Rooms, name="overseen", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def overseen(context: typer.Context) -> None:
    """LLM agents that act for a company, with every tool call sealed, leased, reviewed and journalled."""
    context.with_resource(acting_through(command_line()))


def main() -> None:
    """Run `overseen`; an error of ours is one sentence on stderr and exit code 1."""
    try:
        app()
    except OverseenError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from error
