"""`overseen journal`: read, follow, verify and export the record of everything that happened."""

import asyncio
import dataclasses
import getpass
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from overseen.cli.terminal import AsJson, run, show_json, the_house
from overseen.cli.verification_text import verification_lines
from overseen.domain.canonical import plain
from overseen.engine.acceptance import Acceptance
from overseen.engine.witnessing import configured_witnesses
from overseen.errors import InvalidInput, Misconfigured, OverseenError
from overseen.journal import SYSTEM, Entry, Verdict, Verification, verify
from overseen.journal.events import JournalAccepted
from overseen.secrets.connect import broker_vault
from overseen.secrets.errors import VaultRefused, VaultUnavailable
from overseen.secrets.signer import HeadSigner, SignatureReader
from overseen.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="The journal: show, follow, verify, accept, export.")

StreamName = Annotated[str, typer.Argument(help="A run's id, a task's id, or `system`.")]
_PAGE = 1000
_EXIT = {Verdict.VERIFIED: 0, Verdict.BROKEN: 1, Verdict.NOT_VERIFIED: 2}


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
    """Check hashes, signatures, checkpoints and witnesses, and the rows that pages show.

    Ends with 0 when all of it was verified, 1 when something is broken, 2 when not all of it could be looked at.
    """
    try:
        found = asyncio.run(_verified(stream))
    except OverseenError as error:
        if as_json:
            show_json({"verdict": Verdict.NOT_VERIFIED, "error": error.as_dict()})
        else:
            typer.echo(f"NOT VERIFIED  {error}", err=True)
        raise typer.Exit(_EXIT[Verdict.NOT_VERIFIED]) from None
    if as_json:
        show_json({**dataclasses.asdict(found), "holds": found.holds, "verdict": found.verdict})
    else:
        for line in verification_lines(found):
            typer.echo(line)
    raise typer.Exit(_EXIT[found.verdict])


async def _verified(stream: str | None) -> Verification:
    settings = load_settings()
    async with the_house() as services, AsyncExitStack() as stack:
        try:
            vault = broker_vault(settings.vault)
            stack.push_async_callback(vault.close)
            signatures = await SignatureReader.ask(vault)
            witnesses = configured_witnesses(settings, vault)
        except (Misconfigured, VaultRefused, VaultUnavailable) as error:
            signatures, witnesses = None, configured_witnesses(settings, None, why=error.message)
        return await verify(services.journal, stream=stream, signatures=signatures, witnesses=witnesses)


@app.command("accept")
def accept(
    reason: Annotated[str, typer.Option(help="What happened: which backup was restored, where the witness went.")],
    as_json: AsJson = False,
) -> None:
    """Go on after a restore from a backup or the loss of a witness; `verify` tells of it from then on.

    What witnesses held is set aside, not deleted. A database that is damaged by itself is not accepted.
    """

    async def work() -> JournalAccepted:
        settings = load_settings()
        async with the_house() as services, AsyncExitStack() as stack:
            vault = broker_vault(settings.vault)
            stack.push_async_callback(vault.close)
            acceptance = Acceptance(
                database=services.database,
                journal=services.journal,
                blobs=services.blobs,
                signer=HeadSigner(vault),
                signatures=await SignatureReader.ask(vault),
                witnesses=configured_witnesses(settings, vault),
            )
            return await acceptance.accept(reason=reason, by=f"operator:{getpass.getuser()}")

    said = run(work(), as_json=as_json)
    if as_json:
        show_json({"set_aside": said.set_aside, "unsigned": said.unsigned})
        return
    for what in (*said.set_aside, *(f"{run_id} was closed without a signature." for run_id in said.unsigned)):
        typer.echo(f"accepted: {what}")


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
