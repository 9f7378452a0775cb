"""Whatever a leased database role does in its time, it is gone when its lease ends, and leaves nothing of its own."""

import asyncio
from typing import LiteralString

import psycopg
import pytest

from overseen.secrets.broker import LeaseBroker
from overseen.secrets.secret import DatabaseCredential
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import INSURER_DATABASE, LEASE_MANAGER, NO_LARGE_OBJECTS, NO_SCHEMA_CHANGES
from overseen.stack.vault_layout import LAYOUT
from overseen.store import Database
from tests.contract.secrets.conftest import PAY, READ, Grant, authorized_call
from tests.contract.secrets.test_broker import leased_roles, rows
from tests.stack_fixtures import Insurer

ATTEMPTS: dict[str, LiteralString] = {
    "a large object": "SELECT lo_create(0)",
    "a large object from bytes": "SELECT lo_from_bytea(0, 'x')",
    "default privileges": "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
    "default privileges in a schema": "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC",
    "default privileges of its group": "ALTER DEFAULT PRIVILEGES FOR ROLE {group} GRANT ALL ON TABLES TO PUBLIC",
    "becoming its group": "SET ROLE {group}",
    "a temporary table": "CREATE TEMP TABLE mine (x int)",
    "a table": "CREATE TABLE mine (x int)",
    "a table in public": "CREATE TABLE public.mine (x int)",
    "a schema": "CREATE SCHEMA mine",
    "a function": "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a type": "CREATE TYPE public.mine AS (x int)",
    "a publication": "CREATE PUBLICATION mine",
    "statistics": "CREATE STATISTICS public.mine ON policy_number, holder FROM policies",
    "a role": "CREATE ROLE mine",
    "its own password": "ALTER ROLE CURRENT_USER PASSWORD 'mine'",
    "its own end": "ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'",
    "its own limits": "ALTER ROLE CURRENT_USER SET statement_timeout = 0",
    "its own name": 'ALTER ROLE CURRENT_USER RENAME TO "mine"',
    "handing on its group": "GRANT {group} TO PUBLIC",
    "handing on its group to another role": "GRANT {group} TO insurer_read",
    "handing on its rights": "GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC",
    "a comment on itself": "COMMENT ON ROLE {group} IS 'mine'",
    "an advisory lock": "SELECT pg_advisory_lock(1)",
    "listening": "LISTEN mine",
    "telling": "NOTIFY mine, 'x'",
    "a cursor that is kept": "DECLARE mine CURSOR WITH HOLD FOR SELECT 1",
    "a prepared transaction": "PREPARE TRANSACTION 'mine'",
    "a prepared statement": "PREPARE mine AS SELECT 1",
    "a replication slot": "SELECT pg_create_physical_replication_slot('mine')",
    "a snapshot": "SELECT pg_export_snapshot()",
    "dropping what it owns": "DROP OWNED BY CURRENT_USER",
    "taking its group's grants away": "DROP OWNED BY {group}",
    "giving what it owns away": "REASSIGN OWNED BY {group} TO CURRENT_USER",
    "a table from a query": "SELECT 1 AS x INTO mine",
    "another database": "CREATE DATABASE mine",
    "a program": "COPY (SELECT 1) TO PROGRAM 'cat'",
}
DONE_BUT_GONE_WITH_THE_ROLE = {
    "its own password",
    "its own limits",
    "an advisory lock",
    "listening",
    "telling",
    "a cursor that is kept",
    "a prepared statement",
    "a snapshot",
    "giving what it owns away",  # a group owns nothing
}


def connect(credential: DatabaseCredential, password: str = "") -> psycopg.Connection:
    return psycopg.connect(
        host=credential.host,
        port=credential.port,
        dbname=credential.database,
        user=credential.username,
        password=password or credential.password.reveal(),
        autocommit=True,
    )


def attempt(connection: psycopg.Connection, name: str, grant: Grant) -> bool:
    """Whether it was done."""
    connection.execute("SET default_transaction_read_only = off")
    if name == "a prepared transaction":
        connection.execute("BEGIN")
    try:
        connection.execute(ATTEMPTS[name].replace("{group}", grant.name).encode())
    except psycopg.Error:
        connection.rollback()
        return False
    return True


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
            with connect(credential) as connection:
                if await asyncio.to_thread(attempt, connection, name, grant):
                    done.add(name)
            if name == "its own password":
                with connect(credential, "mine") as connection:
                    connection.execute("SET default_transaction_read_only = off")
                    connection.execute("SELECT 1")
                    connection.execute(f"ALTER ROLE CURRENT_USER PASSWORD '{credential.password.reveal()}'".encode())
        # Left open when the lease ends, with a lock and a transaction.
        connections += [connect(credential), connect(credential)]
        connections[0].execute("SELECT pg_advisory_lock(2)")
        connections[1].execute("BEGIN; LOCK TABLE policies IN ACCESS SHARE MODE" if grant is READ else "BEGIN")
    assert done == DONE_BUT_GONE_WITH_THE_ROLE
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
                with connect(credential) as connection:
                    assert await asyncio.to_thread(attempt, connection, name, PAY)
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
        with connect(credential) as connection:
            for name in ATTEMPTS:
                await asyncio.to_thread(attempt, connection, name, PAY)
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
