"""Puts the commands of all rooms together and turns errors into words and an exit code."""

import sys

import typer

from overseen.cli import accounts, demo, evals, journal, leases, reviews, runs, stack, tasks, vault
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
app.add_typer(demo.app)
app.add_typer(tasks.app)
app.add_typer(accounts.app, name="accounts")
app.add_typer(evals.app, name="evals")
app.add_typer(journal.app, name="journal")
app.add_typer(leases.app, name="leases")
app.add_typer(reviews.app, name="reviews")
app.add_typer(runs.app, name="runs")
app.add_typer(vault.app, name="vault")


def main() -> None:
    """Run `overseen`; an error of ours is one sentence on stderr and exit code 1."""
    try:
        app()
    except OverseenError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from error
