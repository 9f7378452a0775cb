"""`overseen backup`: write Overseen's database to a file now."""

import typer

from overseen.cli.terminal import AsJson, run, show_json, the_house
from overseen.domain.canonical import plain
from overseen.settings import load_settings

app = typer.Typer()


@app.command("backup")
def backup(as_json: AsJson = False) -> None:
    """Write a backup of Overseen's own database, now; workers make one a day by themselves."""
    # Deferred: the engine takes longer to import than other commands take to run.
    from overseen.engine.backups import Backup, backup_and_record

    async def work() -> Backup:
        async with the_house() as services:
            return await backup_and_record(load_settings(), services.journal, actor="cli")

    made = run(work(), as_json=as_json)
    if as_json:
        show_json(plain({"path": str(made.path), "size": made.size, "made_at": made.made_at}))
        return
    typer.echo(f"{made.path}  {made.size / 1e6:.1f} MB")
    typer.echo("Keep a copy elsewhere, and the folder `keys` somewhere else again: contents cannot be read without it.")
