"""The parts that are our own processes, each `python -m <module>`, with settings from the data folder."""

import hashlib
import importlib.metadata
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg

from overseen.blocking import run_blocking
from overseen.errors import Misconfigured, Unavailable
from overseen.settings import load_settings
from overseen.stack.model import Report
from overseen.stack.part import expect_answer
from overseen.stack.processes import free_port, last_lines, spawn

_SCHEMA_MODULE = "overseen.engine.migrations"
_WEB_MODULE = "overseen.server"
_WORKER_MODULE = "overseen.engine.worker"
# Packages that bring tables of their own.
_SCHEMA_PACKAGES = ("dbos", "langgraph-checkpoint-postgres")


class SchemaPart:
    """The migrations of everything Overseen keeps: a step, not a program that stays.

    The database remembers which schema it has, so that a start without new migrations costs milliseconds.
    """

    name = "schema"
    stop_signal = signal.SIGTERM
    audit_file: Path | None = None
    ready_within_seconds = 0.0
    after_prepared: tuple[str, ...] = ()
    port: int | None = None

    def __init__(self, home: Path, *, after: tuple[str, ...]) -> None:
        self.after = after
        self.log = home / "logs" / "schema.log"
        self._home = home

    async def prepare(self, report: Report) -> Mapping[str, Any]:
        """Run what is missing of the migrations."""
        report("running migrations", None)
        settings = await run_blocking(load_settings, self._home)
        wanted = await run_blocking(schema_fingerprint)
        if await _kept_fingerprint(settings.database.dsn) != wanted:
            process = _spawn_module(_SCHEMA_MODULE, self._home, self.log, self.stop_signal)
            if await run_blocking(process.wait) != 0:
                raise Unavailable(
                    f"The migrations failed: {last_lines(self.log, 1)}",
                    not_done="Pages and worker were not started.",
                    next_step=f"Read {self.log}.",
                )
            await _keep_fingerprint(settings.database.dsn, wanted)
        return {}

    def spawn(self) -> subprocess.Popen[bytes] | None:
        """Nothing that stays."""
        return None

    async def check(self) -> None:
        """Done when `prepare` returned."""

    async def announce(self) -> Mapping[str, Any]:
        """Nothing to say."""
        return {}


def schema_fingerprint() -> str:
    """Changes whenever there may be migrations to run. Blocks."""
    digest = hashlib.sha256()
    versions = files("overseen") / "store" / "migrations" / "versions"
    for file in sorted(versions.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".py"):
            digest.update(file.read_bytes())
    for package in _SCHEMA_PACKAGES:
        digest.update(f"{package}=={importlib.metadata.version(package)}\n".encode())
    return digest.hexdigest()


async def _kept_fingerprint(dsn: str) -> str | None:
    connection = await _connect(dsn)
    async with connection:
        try:
            row = await (await connection.execute("SELECT fingerprint FROM stack_schema")).fetchone()
        except psycopg.errors.UndefinedTable:
            return None
    return None if row is None else str(row[0])


async def _keep_fingerprint(dsn: str, fingerprint: str) -> None:
    connection = await _connect(dsn)
    async with connection, connection.transaction():
        await connection.execute("CREATE TABLE IF NOT EXISTS stack_schema (fingerprint text NOT NULL)")
        await connection.execute("DELETE FROM stack_schema")
        await connection.execute("INSERT INTO stack_schema VALUES (%s)", (fingerprint,))


async def _connect(dsn: str) -> psycopg.AsyncConnection:
    try:
        return await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        raise Unavailable(f"The database does not answer: {error}.") from error


class WebPart:
    """The web process."""

    name = "web"
    stop_signal = signal.SIGTERM
    audit_file: Path | None = None
    ready_within_seconds = 90.0
    after_prepared: tuple[str, ...] = ()

    def __init__(self, home: Path, *, port: int, named_port: int, after: tuple[str, ...]) -> None:
        """`port` is preferred; `named_port`, unless 0, is the operator's own choice and binding."""
        self.after = after
        self.log = home / "logs" / "web.log"
        self.port: int | None = port
        self._home = home
        self._named_port = named_port

    async def prepare(self, report: Report) -> Mapping[str, Any]:
        """Choose a port and publish it: the process reads it from the settings."""
        report("choosing a port", None)
        self.port = free_port(self._named_port or self.port or 0)
        if self._named_port and self.port != self._named_port:
            raise Misconfigured(
                f"Port {self._named_port} is taken by another program.",
                not_done="Pages are not served.",
                next_step="Set OVERSEEN_WEB_PORT to a free port, or unset it to have one chosen.",
            )
        return {"web": {"port": self.port}}

    def spawn(self) -> subprocess.Popen[bytes] | None:
        """Start it."""
        return _spawn_module(_WEB_MODULE, self._home, self.log, self.stop_signal)

    async def check(self) -> None:
        """Its first page answers."""
        await expect_answer("The web process", f"http://127.0.0.1:{self.port}/", self.log)

    async def announce(self) -> Mapping[str, Any]:
        """Nothing to say beyond its port."""
        return {}


class WorkerPart:
    """The worker process."""

    name = "worker"
    stop_signal = signal.SIGTERM
    audit_file: Path | None = None
    ready_within_seconds = 120.0
    port: int | None = None

    def __init__(self, home: Path, *, after: tuple[str, ...], after_prepared: tuple[str, ...]) -> None:
        self.after = after
        self.after_prepared = after_prepared
        self.log = home / "logs" / "worker.log"
        self._home = home
        self._pid = 0

    async def prepare(self, report: Report) -> Mapping[str, Any]:
        """Nothing to prepare."""
        report("starting", None)
        return {}

    def spawn(self) -> subprocess.Popen[bytes] | None:
        """Start it."""
        process = _spawn_module(_WORKER_MODULE, self._home, self.log, self.stop_signal)
        self._pid = process.pid
        return process

    async def check(self) -> None:
        """It has signed in: the newest row of the table of workers with its pid has not ended."""
        settings = await run_blocking(load_settings, self._home)
        connection = await _connect(settings.database.dsn)
        async with connection:
            found = await connection.execute(
                "SELECT ended_at IS NULL FROM workers WHERE (process->>'pid')::int = %s "
                "ORDER BY started_at DESC LIMIT 1",
                (self._pid,),
            )
            row = await found.fetchone()
        if row is None or not row[0]:
            raise Unavailable("The worker has not signed in.", next_step=f"Read {self.log}.")

    async def announce(self) -> Mapping[str, Any]:
        """Nothing to say."""
        return {}


def _spawn_module(module: str, home: Path, log: Path, death_signal: signal.Signals) -> subprocess.Popen[bytes]:
    return spawn(
        [sys.executable, "-m", module],
        log=log,
        folder=home,
        environment={**os.environ, "OVERSEEN_HOME": str(home)},
        death_signal=death_signal,
    )
