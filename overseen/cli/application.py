"""Puts the commands of all rooms together and turns errors into words and an exit code."""

import sys

import typer

from overseen.cli import stack
from overseen.errors import OverseenError

app = typer.Typer(
    name="overseen",
    help="LLM agents that act for a company, with every tool call sealed, leased, reviewed and journalled.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# Commands that stand alone: `overseen up`.
app.add_typer(stack.app)


def main() -> None:
    """Run `overseen`; an error of ours is one sentence on stderr and exit code 1."""
    try:
        app()
    except OverseenError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from error
