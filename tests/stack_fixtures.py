"""Fixtures on real servers, started once a session through the same code as `overseen up`.

`database` is a fresh, migrated store; `insurer` the insurer's database with its sample rows as new; `settings` names
all of it for a process with a data folder of its own.
"""

import asyncio
import itertools
import secrets
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from pydantic import SecretStr

from overseen.errors import Unavailable
from overseen.journal import Journal
from overseen.secrets.anomalies import Anomaly
from overseen.secrets.audit_log import AuditLog
from overseen.secrets.connect import killswitch_vault
from overseen.secrets.reconciler import Reconciler
from overseen.settings import (
    DatabaseSettings,
    ResourceSettings,
    SandboxSettings,
    Settings,
    VaultSettings,
    WitnessSettings,
)
from overseen.stack.openbao import EmbeddedOpenBao
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import (
    INSURER_DATABASE,
    INSURER_OWNER,
    STORE_OWNER,
    empty_insurer,
    lay_out,
    make_database,
)
from overseen.stack.server_parts import provision_leases
from overseen.stack.vault_layout import BROKER, EFFECTS, KILL_SWITCH
from overseen.stack.vault_provisioning import Login
from overseen.store import Database
from tests.suite_ledger import SuiteLedger

_TEMPLATE, _SUITE_LEDGER = "store_template", "suite_ledger"
_numbers = itertools.count(1)


class _Server(Protocol):
    async def check(self) -> None: ...


async def until_ready(server: _Server, process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    """Wait for a started server; raises what it last said when it does not come up."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await server.check()
        except Unavailable:
            if process.poll() is not None or time.monotonic() > end:
                raise
        await asyncio.sleep(0.02)


@dataclass(frozen=True, kw_only=True)
class RunningOpenBao:
    """The session's OpenBao: where it is, its logins by AppRole name, and its process for tests that disturb it."""

    server: EmbeddedOpenBao
    process: subprocess.Popen[bytes]
    logins: dict[str, Login]

    @property
    def settings(self) -> VaultSettings:
        """As a process of Overseen would read them."""
        broker, effects, killswitch = self.logins[BROKER], self.logins[EFFECTS], self.logins[KILL_SWITCH]
        return VaultSettings.model_validate(
            {
                "addr": self.server.address,
                "role_id": broker.role_id,
                "secret_id": broker.secret_id,
                "effects_role_id": effects.role_id,
                "effects_secret_id": effects.secret_id,
                "killswitch_role_id": killswitch.role_id,
                "killswitch_secret_id": killswitch.secret_id,
                "audit_file": self.server.audit_file,
                "server_log": self.server.server_log,
            }
        )


@dataclass(frozen=True, kw_only=True)
class Insurer:
    """The insurer's database as new. `url` is its owner's; `resource` what tools know of it (no password)."""

    url: str
    resource: ResourceSettings

    async def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Ask the insurer's database as its owner."""
        connection = await psycopg.AsyncConnection.connect(self.url, autocommit=True)
        async with connection:
            return list(await (await connection.execute(query.encode(), values)).fetchall())


@pytest_asyncio.fixture(scope="session")
async def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """A PostgreSQL cluster that lives as long as the test session."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    await server.prepare()
    process = server.spawn()
    try:
        await until_ready(server, process)
        await lay_out(server)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


@pytest_asyncio.fixture(scope="session")
async def suite_ledger(postgres_server: EmbeddedPostgres, store_template: str) -> SuiteLedger:
    """Gathers the ledgers of all tests that use Vault."""
    connection = await postgres_server.connect()
    async with connection:
        await make_database(connection, _SUITE_LEDGER, STORE_OWNER, template=store_template)
    ledger = SuiteLedger(url=postgres_server.url(_SUITE_LEDGER, STORE_OWNER))
    await ledger.open()
    return ledger


@pytest_asyncio.fixture(scope="session")
async def openbao_server(
    postgres_server: EmbeddedPostgres, suite_ledger: SuiteLedger, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningOpenBao]:
    """A provisioned OpenBao that makes leases on `postgres_server`, for as long as the test session.

    At its end nothing may have happened in it of which no test's ledger knows.
    """
    server = EmbeddedOpenBao(tmp_path_factory.mktemp("openbao"))
    await server.prepare()
    process = server.spawn()
    try:
        await until_ready(server, process)
        running = RunningOpenBao(server=server, process=process, logins=await provision_leases(server, postgres_server))
        yield running
        if told := suite_ledger.unexplained(await _reconciled(running, suite_ledger)):
            pytest.fail("The reconciler found in this session:\n" + "\n".join(told), pytrace=False)
    finally:
        process.terminate()
        process.wait(20)


async def _reconciled(running: RunningOpenBao, ledger: SuiteLedger) -> list[Anomaly]:
    database, killswitch = Database(async_url(ledger.url)), killswitch_vault(running.settings)
    try:
        reconciler = Reconciler(
            database=database,
            journal=Journal(database),
            killswitch=killswitch,
            audit_log=AuditLog(running.server.audit_file),
            since=ledger.since,
        )
        return await reconciler.reconcile()
    finally:
        await killswitch.close()
        await database.close()


def async_url(url: str) -> str:
    """The same URL for SQLAlchemy with the async driver."""
    return urlunsplit(urlsplit(url)._replace(scheme="postgresql+psycopg"))


@pytest_asyncio.fixture(scope="session")
async def store_template(postgres_server: EmbeddedPostgres) -> str:
    """A migrated database that is copied for each test."""
    # Deferred: it brings seconds of imports that tests without a database do not need.
    from overseen.engine.migrations import prepare_database

    connection = await postgres_server.connect()
    async with connection:
        await make_database(connection, _TEMPLATE, STORE_OWNER)
    await prepare_database(DatabaseSettings(url=SecretStr(postgres_server.url(_TEMPLATE, STORE_OWNER))))
    return _TEMPLATE


@pytest_asyncio.fixture
async def database_url(
    request: pytest.FixtureRequest, postgres_server: EmbeddedPostgres, store_template: str
) -> AsyncIterator[str]:
    """postgresql://... of a fresh, migrated store; dropped after the test."""
    name = f"store_{next(_numbers)}_{secrets.token_hex(3)}"
    connection = await postgres_server.connect()
    async with connection:
        await make_database(connection, name, STORE_OWNER, template=store_template)
        url = postgres_server.url(name, STORE_OWNER)
        yield url
        if "openbao_server" in request.fixturenames and not _anomalies_on_purpose(request):
            await request.getfixturevalue("suite_ledger").take(url)
        await connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(autouse=True)
def _in_the_suite_ledger(request: pytest.FixtureRequest) -> Iterator[None]:
    if "openbao_server" not in request.fixturenames:
        yield
        return
    ledger: SuiteLedger = request.getfixturevalue("suite_ledger")
    with ledger.during(request.node.nodeid, on_purpose=_anomalies_on_purpose(request)):
        yield


def _anomalies_on_purpose(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("anomalies") is not None


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh, migrated store."""
    opened = Database(async_url(database_url))
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def insurer(postgres_server: EmbeddedPostgres) -> Insurer:
    """The insurer's database with its sample rows as new."""
    await empty_insurer(postgres_server)
    return Insurer(
        url=postgres_server.url(INSURER_DATABASE, INSURER_OWNER),
        resource=ResourceSettings(host="127.0.0.1", port=postgres_server.port, database=INSURER_DATABASE),
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty data folder."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(scope="session")
def sandbox_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sandbox folder for the session: copying the interpreter into a new one takes seconds."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
def settings(
    home: Path, database_url: str, openbao_server: RunningOpenBao, insurer: Insurer, sandbox_folder: Path
) -> Settings:
    """Settings of a process that works on the session's servers, in a data folder of its own."""
    return Settings(
        home=home,
        database=DatabaseSettings.model_validate({"url": database_url}),
        vault=openbao_server.settings,
        resources={"insurer": insurer.resource},
        sandbox=SandboxSettings(folder=sandbox_folder),
        # The session's OpenBao sees many installations.
        witness=WitnessSettings(vault_name=f"test-{secrets.token_hex(6)}"),
    )
