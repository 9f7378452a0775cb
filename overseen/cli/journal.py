"""`overseen journal`: read, follow, verify and export the record of everything that happened."""

import dataclasses
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from overseen.cli.terminal import AsJson, run, show_json, the_house
from overseen.domain.canonical import plain
from overseen.errors import InvalidInput, Misconfigured
from overseen.journal import SYSTEM, Entry, Verification, verify
from overseen.secrets.connect import broker_vault
from overseen.secrets.errors import VaultRefused, VaultUnavailable
from overseen.secrets.signer import HeadSigner
from overseen.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="The journal: show, follow, verify, export.")

StreamName = Annotated[str, typer.Argument(help="A run's id, a task's id, or `system`.")]
_PAGE = 1000


def _line(entry: Entry) -> str:
    fields = "  ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in entry.payload.items())
    return f"{entry.sequence:>5}  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.kind:<18} {entry.actor}  {fields}"


def _as_json_line(entry: Entry) -> str:
    return json.dumps(plain(dataclasses.asdict(entry)), ensure_ascii=False)


@app.command("show")
def show(stream: StreamName = SYSTEM, as_json: AsJson = False) -> None:
    """Show one stream from its first entry."""

    async def read() -> list[Entry]:
        async with the_house() as services:
            return await services.journal.entries(stream)

    entries = run(read(), as_json=as_json)
    if as_json:
        show_json({"stream": stream, "entries": [dataclasses.asdict(entry) for entry in entries]})
        return
    for entry in entries:
        typer.echo(_line(entry))


@app.command("follow")
def follow(
    stream: StreamName = SYSTEM,
    after: Annotated[int, typer.Option(help="Begin after this sequence.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show entries as they are written, until interrupted; --json prints one object a line."""
    shown: Callable[[Entry], str] = _as_json_line if as_json else _line

    async def work() -> None:
        async with the_house() as services:
            async for entry in services.journal.follow(stream, after=after):
                typer.echo(shown(entry))
                sys.stdout.flush()

    try:
        run(work(), as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@app.command("verify")
def verify_journal(
    stream: Annotated[str | None, typer.Argument(help="Only this stream; all when not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every hash, every anchored head, and its signature where Vault can be asked.

    Ends with 1 and names the entry when something does not hold.
    """
    found, unasked = run(_verified(stream), as_json=as_json)
    if as_json:
        show_json({**dataclasses.asdict(found), "holds": found.holds, "signatures_unchecked_because": unasked})
    else:
        typer.echo(f"{found.entries} entries in {found.streams} streams; {found.signatures_checked} signatures checked")
        if unasked is not None:
            typer.echo(f"Signatures were not checked: {unasked}")
        for item in found.breaks:
            typer.echo(f"BROKEN  {item.stream}  entry {item.sequence}: {item.problem}")
        typer.echo("every chain holds" if found.holds else "the journal was tampered with or damaged")
    if not found.holds:
        raise typer.Exit(1)


async def _verified(stream: str | None) -> tuple[Verification, str | None]:
    """What was found, and why signatures could not be checked; None when they were."""
    async with the_house() as services:
        try:
            vault = broker_vault(load_settings().vault)
        except Misconfigured as error:
            return await verify(services.journal, stream=stream), error.message
        try:
            return await verify(services.journal, stream=stream, signatures=HeadSigner(vault)), None
        except (VaultRefused, VaultUnavailable) as error:
            return await verify(services.journal, stream=stream), error.message
        finally:
            await vault.close()


@app.command("export")
def export(
    stream: Annotated[
        str | None, typer.Argument(help="Only this stream; all, in the order written, when not given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; stdout when not given.")] = None,
) -> None:
    """Write entries as JSON lines: hashes and all, so that others can verify them. Contents stay in their blobs."""

    async def work() -> int:
        with _target(out) as file:
            async with the_house() as services:
                count = 0
                async for entry in _all(services.journal, stream):
                    file.write(_as_json_line(entry) + "\n")
                    count += 1
        return count

    count = run(work(), as_json=False)
    typer.echo(f"{count} entries written", err=True)


async def _all(journal: Any, stream: str | None) -> AsyncIterator[Entry]:
    after = 0
    while True:
        if stream is None:
            page = await journal.all_entries(after=after, limit=_PAGE)
        else:
            page = await journal.entries(stream, after=after, limit=_PAGE)
        for entry in page:
            yield entry
        if len(page) < _PAGE:
            return
        after = page[-1].entry_id if stream is None else page[-1].sequence


def _target(out: Path | None) -> TextIO:
    if out is None:
        return open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False)
    try:
        return out.open("w", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written: {error.strerror}.", not_done="Nothing was exported.") from error
