"""Backups are whole, can be put back, tell nobody the password, and are made when they are due."""

import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from overseen.engine.backups import BackupService, backups_folder, kept_backups, make_backup, pg_dump_program
from overseen.errors import Unavailable
from overseen.journal import SYSTEM, Journal, verify
from overseen.journal.events import PartFailed
from overseen.settings import BackupSettings, DatabaseSettings, Settings
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import STORE_OWNER, make_database
from overseen.store import Database


@pytest.fixture
def settings(home: Path, database_url: str) -> Settings:
    return Settings(home=home, database=DatabaseSettings.model_validate({"url": database_url}))


@pytest_asyncio.fixture
async def empty_database(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    name = f"restored_{secrets.token_hex(4)}"
    async with await postgres_server.connect() as connection:
        await make_database(connection, name, STORE_OWNER)
        yield postgres_server.url(name, STORE_OWNER)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def backed_up(settings: Settings) -> Callable[..., Settings]:
    def with_backups(**said: object) -> Settings:
        return settings.model_copy(update={"backup": BackupSettings.model_validate(said)})

    return with_backups


async def test_what_was_backed_up_can_be_put_back_and_its_journal_holds(
    settings: Settings, database: Database, empty_database: str
) -> None:
    journal = Journal(database)
    for number in range(20):
        await journal.append(PartFailed(part="x", state="down", message=str(number)), stream=SYSTEM, actor="test")
    backup = await make_backup(settings)
    tool = Path(pg_dump_program(settings.backup)).with_name("pg_restore")
    subprocess.run([tool, "--no-owner", f"--dbname={empty_database}", backup.path], check=True)
    restored = Database(empty_database.replace("postgresql://", "postgresql+psycopg://"))
    try:
        found = await verify(Journal(restored))
        assert (found.holds, found.entries) == (True, (await verify(journal)).entries)
    finally:
        await restored.close()


async def test_a_backup_is_for_its_owner_alone_and_only_so_many_are_kept(
    backed_up: Callable[..., Settings], database: Database
) -> None:
    settings = backed_up(keep=2)
    made = [await make_backup(settings) for _ in range(3)]
    kept = kept_backups(backups_folder(settings))
    assert [backup.path for backup in kept] == [made[2].path, made[1].path]
    assert [oct(path.stat().st_mode & 0o777) for path in (kept[0].path, kept[0].path.parent)] == ["0o600", "0o700"]


async def test_a_backup_that_fails_leaves_nothing_behind_and_the_password_is_nowhere_to_be_seen(
    backed_up: Callable[..., Settings], database: Database, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    tool = tmp_path / "pg_dump"
    tool.write_text(
        f"#!/bin/sh\nenv > {seen}; echo $* >> {seen}; cat $PGPASSFILE > {seen}.read; echo no room >&2; exit 1\n"
    )
    tool.chmod(0o755)
    settings = backed_up(pg_dump=str(tool))
    with pytest.raises(Unavailable, match="no room"):
        await make_backup(settings)
    assert list(backups_folder(settings).iterdir()) == []
    password = settings.database.dsn.split(":")[2].split("@")[0]
    assert password in (tmp_path / "seen.read").read_text()
    assert password not in seen.read_text()


async def test_a_worker_makes_one_when_it_is_due_says_so_in_the_journal_and_not_again(
    settings: Settings, database: Database
) -> None:
    journal = Journal(database)
    service = BackupService(settings, database, journal, "w")
    first, second = await service.turn(), await service.turn()
    assert first is not None and second is not None
    made = [entry.payload for entry in await journal.entries(SYSTEM) if entry.kind == "BackupMade"]
    (kept,) = kept_backups(backups_folder(settings))
    assert [(event["file"], event["size"]) for event in made] == [(kept.path.name, kept.size)]

    yesterday = (datetime.now(UTC) - timedelta(hours=25)).timestamp()
    os.utime(kept.path, (yesterday, yesterday))
    await service.turn()
    assert len(kept_backups(backups_folder(settings))) == 2
