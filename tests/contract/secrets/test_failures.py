"""Vault or a database fails at the worst moment: nothing is handed out, nothing is lost, all is cleaned up after."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import hvac
import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from overseen.errors import Unavailable
from overseen.journal import Journal
from overseen.secrets.breaker import CircuitBreaker
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.connect import broker_vault, effects_vault, killswitch_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.errors import VaultAuditBlocked, VaultSealed, VaultSlow, VaultUnavailable
from overseen.secrets.secret import Secret
from overseen.secrets.sweeper import Sweeper
from overseen.secrets.vault_client import AppRoleLogin, VaultClient
from overseen.secrets.vault_search import VaultSearch
from overseen.settings import ResourceSettings, VaultSettings
from overseen.stack.openbao import EmbeddedOpenBao
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import GROUP_ROLES, INSURER_DATABASE, set_password
from overseen.stack.vault_layout import BROKER, EFFECTS, KILL_SWITCH, LAYOUT, PROVISIONER
from overseen.stack.vault_provisioning import DatabaseTarget, provision, read_logins
from overseen.store import Database
from tests.contract.secrets.conftest import READ, Liveness, make_call
from tests.contract.secrets.test_broker import leased_roles, rows
from tests.contract.secrets.test_sweeper import age
from tests.stack_fixtures import Insurer, until_ready
from tests.waiting import until

MANAGER = "bao_manager_of_failures"


@dataclass
class Fragile:
    """An OpenBao of its own that tests may disturb."""

    server: EmbeddedOpenBao
    process: subprocess.Popen[bytes]
    settings: VaultSettings

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """It answers nothing in the block. A signal is there at once, but other threads still answer for a moment."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            await until(self._stands_still)
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _stands_still(self) -> bool:
        try:
            threads = [
                thread.joinpath("status").read_text() for thread in Path(f"/proc/{self.process.pid}/task").iterdir()
            ]
        except FileNotFoundError:
            return False
        return all("State:\tT" in thread for thread in threads)

    def writes_to(self, path: str) -> bool:
        return any(os.path.realpath(opened) == path for opened in Path(f"/proc/{self.process.pid}/fd").iterdir())

    async def restart(self) -> None:
        """End it and start it again on the same port; its static seal opens by itself."""
        self.process.kill()
        self.process.wait(20)
        self.process = self.server.spawn()
        await until_ready(self.server, self.process)


@pytest_asyncio.fixture(scope="module")
async def fragile(
    postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Fragile]:
    server = EmbeddedOpenBao(tmp_path_factory.mktemp("fragile"))
    await server.prepare()
    process = server.spawn()
    try:
        await until_ready(server, process)
        logins = await provision(
            server,
            LAYOUT,
            DatabaseTarget(host="127.0.0.1", port=postgres_server.port, database=INSURER_DATABASE, manager=MANAGER),
            lambda password: _make_manager(postgres_server, password),
        )
        settings = VaultSettings.model_validate(
            {
                "addr": server.address,
                "role_id": logins[BROKER].role_id,
                "secret_id": logins[BROKER].secret_id,
                "effects_role_id": logins[EFFECTS].role_id,
                "effects_secret_id": logins[EFFECTS].secret_id,
                "killswitch_role_id": logins[KILL_SWITCH].role_id,
                "killswitch_secret_id": logins[KILL_SWITCH].secret_id,
                "timeout_seconds": 1.0,
            }
        )
        fragile = Fragile(server=server, process=process, settings=settings)
        yield fragile
        process = fragile.process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(20)


async def _make_manager(postgres: EmbeddedPostgres, password: str) -> None:
    async with await postgres.connect() as connection:
        manager = sql.Identifier(MANAGER)
        await connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(manager))
        await connection.execute(sql.SQL("GRANT pg_signal_backend TO {}").format(manager))
        await connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(INSURER_DATABASE), manager)
        )
        for group in GROUP_ROLES:
            await connection.execute(
                sql.SQL("GRANT {} TO {} WITH ADMIN OPTION, INHERIT FALSE, SET FALSE").format(
                    sql.Identifier(group.name), manager
                )
            )
        await set_password(connection, MANAGER, password)


@pytest_asyncio.fixture
async def vault(fragile: Fragile) -> AsyncIterator[VaultClient]:
    client = broker_vault(fragile.settings)
    yield client
    await client.close()


@pytest_asyncio.fixture
async def effects(fragile: Fragile) -> AsyncIterator[VaultClient]:
    client = effects_vault(fragile.settings)
    yield client
    await client.close()


@pytest_asyncio.fixture
async def killswitch(fragile: Fragile) -> AsyncIterator[VaultClient]:
    client = killswitch_vault(fragile.settings)
    yield client
    await client.close()


@pytest.fixture
def sweeper(
    database: Database, journal: Journal, killswitch: VaultClient, resources: dict[str, ResourceSettings]
) -> Sweeper:
    return Sweeper(
        database=database,
        journal=journal,
        source=VaultCredentials(killswitch, resources),
        search=VaultSearch(killswitch),
        liveness=Liveness(),
        resources=resources,
    )


async def warm_up(broker: LeaseBroker, killswitch: VaultClient, run_id: str) -> None:
    """Log in and make the run's token, so that the next request is the one that meets the failure."""
    async with broker.lease(make_call(run_id=run_id), [READ], wall_seconds=30):
        pass
    await killswitch.list("auth/token/accessors")


async def states(database: Database) -> list[str]:
    return [row.state for row in await rows(database)]


async def sweep_until_closed(sweeper: Sweeper, database: Database, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while set(await states(database)) - {"closed", "refused"}:
        assert time.monotonic() < end, [(row.state, row.reason) for row in await rows(database)]
        try:
            await sweeper.sweep()
        except VaultUnavailable:
            await asyncio.sleep(0.2)


async def test_vault_down_gives_no_lease_and_leaves_nothing(
    fragile: Fragile, database: Database, journal: Journal, resources: dict[str, ResourceSettings], sweeper: Sweeper
) -> None:
    login = AppRoleLogin(role_id="nobody", secret_id=Secret("nothing"))
    nowhere = VaultClient("http://127.0.0.1:9", login, timeout_seconds=0.5)
    broker = LeaseBroker(
        database=database,
        journal=journal,
        vault=nowhere,
        source=VaultCredentials(nowhere, resources),
        worker_id="worker-1",
    )
    with pytest.raises(VaultUnavailable) as raised:
        async with broker.lease(make_call(), [READ], wall_seconds=30):
            raise AssertionError("the block was entered")
    assert raised.value.retryable
    await age(database, 11)
    await sweep_until_closed(sweeper, database)
    assert (await rows(database))[0].reason == "never_issued"
    await nowhere.close()


async def test_a_slow_vault_gives_no_lease_and_what_it_mints_late_is_ended(
    fragile: Fragile,
    broker: LeaseBroker,
    vault: VaultClient,
    killswitch: VaultClient,
    sweeper: Sweeper,
    database: Database,
) -> None:
    run_id = make_call().run_id
    await warm_up(broker, killswitch, run_id)
    async with fragile.frozen():
        with pytest.raises(VaultSlow):
            async with broker.lease(make_call(run_id=run_id), [READ], wall_seconds=30):
                raise AssertionError("the block was entered")
    assert await states(database) == ["closed", "revoking"]
    await asyncio.sleep(0.3)
    await age(database, 11)
    await sweep_until_closed(sweeper, database)
    assert await broker.end_run(run_id)
    assert not [t for t in await VaultSearch(killswitch).tokens() if t.meta.get("run_id") == run_id]


async def test_a_vault_sealed_during_the_call_fails_closed_and_is_cleaned_up_later(
    fragile: Fragile,
    broker: LeaseBroker,
    killswitch: VaultClient,
    sweeper: Sweeper,
    database: Database,
    insurer: Insurer,
) -> None:
    run_id = make_call().run_id
    await warm_up(broker, killswitch, run_id)
    async with broker.lease(make_call(run_id=run_id), [READ], wall_seconds=30):
        seal(fragile)
        with pytest.raises(VaultSealed):
            async with broker.lease(make_call(run_id=run_id), [READ], wall_seconds=30):
                raise AssertionError("the block was entered")
    assert await states(database) == ["closed", "revoking", "revoking"]
    assert len(await leased_roles(insurer)) == 1
    await fragile.restart()
    await age(database, 11)
    await sweep_until_closed(sweeper, database)
    assert await leased_roles(insurer) == []


async def test_a_full_audit_disk_fails_closed_and_is_cleaned_up_later(
    fragile: Fragile,
    broker: LeaseBroker,
    killswitch: VaultClient,
    sweeper: Sweeper,
    database: Database,
    insurer: Insurer,
) -> None:
    run_id = make_call().run_id
    await warm_up(broker, killswitch, run_id)
    audit_file = fragile.server.audit_file
    kept = audit_file.with_name("kept.jsonl")
    async with broker.lease(make_call(run_id=run_id), [READ], wall_seconds=30):
        audit_file.rename(kept)
        audit_file.symlink_to("/dev/full")
        os.kill(fragile.process.pid, signal.SIGHUP)
        await until(lambda: fragile.writes_to("/dev/full"))
        with pytest.raises(VaultAuditBlocked):
            async with broker.lease(make_call(run_id=run_id), [READ], wall_seconds=30):
                raise AssertionError("the block was entered")
    assert await states(database) == ["closed", "revoking", "revoking"]
    audit_file.unlink()
    kept.rename(audit_file)
    os.kill(fragile.process.pid, signal.SIGHUP)
    await age(database, 11)
    await sweep_until_closed(sweeper, database)
    assert await leased_roles(insurer) == []


async def test_a_database_that_is_down_at_the_end_of_the_call_keeps_the_lease_open_until_its_role_is_gone(
    fragile: Fragile,
    broker: LeaseBroker,
    killswitch: VaultClient,
    sweeper: Sweeper,
    database: Database,
    insurer: Insurer,
    postgres_server: EmbeddedPostgres,
) -> None:
    run_id = make_call().run_id
    await warm_up(broker, killswitch, run_id)
    async with broker.lease(make_call(run_id=run_id), [READ], wall_seconds=30):
        await shut_out(postgres_server, MANAGER)
    assert await states(database) == ["closed", "revoking"]
    report = await sweeper.sweep()
    assert len(report.remaining) == 1
    assert len(await leased_roles(insurer)) == 1
    async with await postgres_server.connect() as connection:
        await connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(MANAGER)))
    await sweep_until_closed(sweeper, database)
    assert await leased_roles(insurer) == []


async def test_a_ledger_that_is_down_at_the_end_of_the_call_is_caught_up_by_the_sweeper(
    broker: LeaseBroker,
    killswitch: VaultClient,
    sweeper: Sweeper,
    database: Database,
    insurer: Insurer,
    postgres_server: EmbeddedPostgres,
) -> None:
    run_id = make_call().run_id
    await warm_up(broker, killswitch, run_id)
    name = database.engine.url.database or ""
    async with broker.lease(make_call(run_id=run_id), [READ], wall_seconds=30):
        await let_connect(postgres_server, name, allowed=False)
    # The credential is gone all the same; only the ledger does not know yet.
    assert await leased_roles(insurer) == []
    await let_connect(postgres_server, name, allowed=True)
    assert await states(database) == ["closed", "issued"]
    await make_overdue(database)
    await sweep_until_closed(sweeper, database)


async def test_a_ledger_that_is_down_gives_no_lease(
    broker: LeaseBroker, database: Database, insurer: Insurer, postgres_server: EmbeddedPostgres
) -> None:
    name = database.engine.url.database or ""
    await let_connect(postgres_server, name, allowed=False)
    with pytest.raises(Unavailable):
        async with broker.lease(make_call(), [READ], wall_seconds=30):
            raise AssertionError("the block was entered")
    assert await leased_roles(insurer) == []
    await let_connect(postgres_server, name, allowed=True)


async def test_a_revoked_login_is_made_anew(vault: VaultClient, killswitch: VaultClient) -> None:
    first = (await vault.read("auth/token/lookup-self"))["data"]["accessor"]
    await killswitch.write("auth/token/revoke-accessor", {"accessor": first})
    assert (await vault.read("auth/token/lookup-self"))["data"]["accessor"] != first


async def test_a_vault_that_hangs_is_given_a_rest(fragile: Fragile) -> None:
    client = broker_vault(fragile.settings)
    client._breaker = CircuitBreaker(failures=2, rest_seconds=1.0)
    await client.read("auth/token/lookup-self")
    async with fragile.frozen():
        for _ in range(2):
            with pytest.raises(VaultSlow):
                await client.read("auth/token/lookup-self")
        with pytest.raises(VaultUnavailable, match="rest"):
            await client.read("auth/token/lookup-self")
    await asyncio.sleep(1.1)
    assert await client.read("auth/token/lookup-self")
    await client.close()


def seal(fragile: Fragile) -> None:
    """As an administrator of Vault would."""
    login = read_logins(fragile.server)[PROVISIONER]
    client = hvac.Client(fragile.server.address)
    client.auth.approle.login(login.role_id, login.secret_id)
    client.sys.create_or_update_acl_policy("sealer", 'path "sys/seal" { capabilities = ["update", "sudo"] }')
    client.write_data("auth/approle/role/sealer", data={"token_policies": "sealer", "token_ttl": "5m"})
    role_id = client.auth.approle.read_role_id("sealer")["data"]["role_id"]
    secret_id = client.auth.approle.generate_secret_id("sealer")["data"]["secret_id"]
    sealer = hvac.Client(fragile.server.address)
    sealer.auth.approle.login(role_id, secret_id)
    sealer.sys.seal()


async def shut_out(postgres: EmbeddedPostgres, role: str) -> None:
    """End the role's connections and let it make no more."""
    async with await postgres.connect() as connection:
        await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(role)))
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))


async def let_connect(postgres: EmbeddedPostgres, name: str, *, allowed: bool) -> None:
    """Whether a database takes connections; those it has are ended when not."""
    connection: psycopg.AsyncConnection = await postgres.connect()
    async with connection:
        await connection.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(sql.Identifier(name), sql.Literal(allowed))
        )
        if not allowed:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )


async def make_overdue(database: Database) -> None:
    """As if every lease had run out a while ago."""
    from datetime import timedelta

    from sqlalchemy import update

    from overseen.store.tables import LeaseRecord, now

    async with database.transaction() as session:
        await session.execute(update(LeaseRecord).values(expires_at=now() - timedelta(seconds=30)))
