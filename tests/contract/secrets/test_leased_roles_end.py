"""Whatever a leased database role does in its time, it is gone when its lease ends, and leaves nothing of its own."""

from pathlib import Path

import psycopg
import pytest

from overseen.engine.lease_attacks import ATTEMPTS, GONE_WITH_THE_ROLE, attack_leases, attempt
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.secret import DatabaseCredential
from overseen.settings import Settings, load_settings
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import INSURER_DATABASE, LEASE_MANAGER, NO_LARGE_OBJECTS, NO_SCHEMA_CHANGES
from overseen.stack.vault_layout import LAYOUT
from overseen.store import Database
from tests.contract.secrets.conftest import PAY, READ, Grant, authorized_call
from tests.contract.secrets.test_broker import leased_roles, rows
from tests.stack_fixtures import Insurer


def connect(credential: DatabaseCredential) -> psycopg.Connection:
    return psycopg.connect(
        host=credential.host,
        port=credential.port,
        dbname=credential.database,
        user=credential.username,
        password=credential.password.reveal(),
        autocommit=True,
    )


@pytest.mark.parametrize("grant", [READ, PAY], ids=lambda grant: grant.name)
async def test_its_lease_ends_whatever_it_did(
    broker: LeaseBroker, database: Database, insurer: Insurer, grant: Grant
) -> None:
    done: set[str] = set()
    connections: list[psycopg.Connection] = []
    async with broker.lease(await authorized_call(database), [grant], wall_seconds=50) as lease:
        credential = lease.credential(grant.name)
        assert isinstance(credential, DatabaseCredential)
        for name in ATTEMPTS:
            if await attempt(credential, name, grant.name):
                done.add(name)
        # Left open when the lease ends, with a lock and a transaction.
        connections += [connect(credential), connect(credential)]
        connections[0].execute("SELECT pg_advisory_lock(2)")
        connections[1].execute("BEGIN; LOCK TABLE policies IN ACCESS SHARE MODE" if grant is READ else "BEGIN")
    assert done == GONE_WITH_THE_ROLE
    assert [row.state for row in await rows(database)] == ["closed"]
    assert await leased_roles(insurer) == []
    for connection in connections:
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    left = await insurer.rows(
        "SELECT (SELECT count(*) FROM pg_default_acl), (SELECT count(*) FROM pg_largeobject_metadata), "
        "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), (SELECT count(*) FROM pg_prepared_xacts)"
    )
    assert left == [(0, 0, 0, 0)]


WITHOUT_THE_TRIGGER = ("default privileges", "default privileges in a schema", "dropping what it owns")


@pytest.mark.parametrize("name", WITHOUT_THE_TRIGGER)
async def test_default_privileges_do_not_keep_a_lease_alive_where_they_can_be_made(
    broker: LeaseBroker, database: Database, insurer: Insurer, postgres_server: EmbeddedPostgres, name: str
) -> None:
    """As in a database whose administrator did not make the event trigger."""
    superuser = await postgres_server.connect(INSURER_DATABASE)
    async with superuser:
        await superuser.execute("DROP EVENT TRIGGER overseen_leases")
        try:
            async with broker.lease(await authorized_call(database), [PAY], wall_seconds=50) as lease:
                credential = lease.credential(PAY.name)
                assert isinstance(credential, DatabaseCredential)
                assert await attempt(credential, name, PAY.name)
        finally:
            await superuser.execute(NO_SCHEMA_CHANGES)
    assert [row.state for row in await rows(database)] == ["closed"]
    assert await leased_roles(insurer) == []
    assert await insurer.rows("SELECT count(*) FROM pg_default_acl") == [(0,)]


async def test_a_lease_takes_no_right_away_from_the_next(
    broker: LeaseBroker, database: Database, insurer: Insurer
) -> None:
    grants = "SELECT relname, relacl::text FROM pg_class WHERE relacl::text LIKE '%%insurer_pay%%' ORDER BY 1"
    before = await insurer.rows(grants)
    async with broker.lease(await authorized_call(database), [PAY], wall_seconds=50) as lease:
        credential = lease.credential(PAY.name)
        assert isinstance(credential, DatabaseCredential)
        for name in ATTEMPTS:
            await attempt(credential, name, PAY.name)
    assert before
    assert await insurer.rows(grants) == before


async def test_a_large_object_does_not_keep_a_lease_alive_where_it_can_be_made(
    broker: LeaseBroker, database: Database, insurer: Insurer, postgres_server: EmbeddedPostgres
) -> None:
    """As in a database whose administrator left the functions to everybody."""
    superuser = await postgres_server.connect(INSURER_DATABASE)
    async with superuser:
        await superuser.execute("GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC")
        try:
            async with broker.lease(await authorized_call(database), [PAY], wall_seconds=50) as lease:
                credential = lease.credential(PAY.name)
                assert isinstance(credential, DatabaseCredential)
                with connect(credential) as connection:
                    connection.execute("SELECT lo_create(0)")
        finally:
            await superuser.execute(NO_LARGE_OBJECTS)
    assert [row.state for row in await rows(database)] == ["closed"]
    assert await leased_roles(insurer) == []
    assert await insurer.rows("SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]


async def test_the_manager_has_no_rights_of_a_living_lease(
    broker: LeaseBroker, database: Database, insurer: Insurer
) -> None:
    async with broker.lease(await authorized_call(database), [PAY], wall_seconds=50):
        role = (await leased_roles(insurer))[0]
        held = await insurer.rows(
            "SELECT pg_has_role(%s, %s, 'USAGE'), pg_has_role(%s, 'insurer_pay', 'USAGE')",
            LEASE_MANAGER,
            role,
            LEASE_MANAGER,
        )
        assert held == [(False, False)]


async def test_a_role_that_lost_its_lease_is_taken_away_with_what_it_owns(
    postgres_server: EmbeddedPostgres, broker: LeaseBroker, database: Database, insurer: Insurer
) -> None:
    """OpenBao was killed between making the role and writing its lease down."""
    manager = await postgres_server.connect(INSURER_DATABASE)
    async with manager:
        await manager.execute(f"SET SESSION AUTHORIZATION {LEASE_MANAGER}".encode())
        await manager.execute(
            "CREATE ROLE \"t-token-call-old\" LOGIN PASSWORD 'x' VALID UNTIL '2020-01-01'; "
            'GRANT insurer_pay TO "t-token-call-old" WITH INHERIT TRUE, SET FALSE'
        )
        await manager.execute("RESET SESSION AUTHORIZATION")
        await manager.execute('ALTER DEFAULT PRIVILEGES FOR ROLE "t-token-call-old" GRANT ALL ON TABLES TO PUBLIC')
        assert await leased_roles(insurer) == ["t-token-call-old"]
        async with broker.lease(await authorized_call(database), [READ], wall_seconds=50):
            assert "t-token-call-old" not in await leased_roles(insurer)


def test_every_database_grant_of_the_layout_is_tried() -> None:
    assert {grant.group for grant in LAYOUT.grants if grant.group} >= {READ.name, PAY.name}


async def test_the_attack_of_the_doctor_holds_here_and_is_lost_without_the_protections(
    settings: Settings, postgres_server: EmbeddedPostgres
) -> None:
    results = await attack_leases(settings)
    assert [row for row in results if not row.held] == []
    assert len(results) == len(ATTEMPTS) + 1
    superuser = await postgres_server.connect(INSURER_DATABASE)
    async with superuser:
        await superuser.execute(
            "GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC; DROP EVENT TRIGGER overseen_leases"
        )
        try:
            lost = [row.name for row in await attack_leases(settings) if not row.held]
        finally:
            await superuser.execute(NO_LARGE_OBJECTS)
            await superuser.execute(NO_SCHEMA_CHANGES)
            await superuser.execute("ALTER DEFAULT PRIVILEGES FOR ROLE insurer_read REVOKE ALL ON TABLES FROM PUBLIC")
    assert "database lease: a large object" in lost
    assert "database lease: default privileges" in lost
    assert "database lease: ends whatever it did" not in lost


async def test_without_a_stack_there_is_no_lease_to_attack(tmp_path: Path) -> None:
    assert await attack_leases(load_settings(tmp_path)) == []
