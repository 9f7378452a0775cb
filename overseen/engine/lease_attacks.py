"""What a hostile tool could try with its leased database role on the running stack: part of `doctor --attack`.

A lease is taken as for a call and is in the ledger like any other; whatever was tried, it has to end and leave nothing.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack

import psycopg
from sqlalchemy import select

from overseen.domain.calls import ToolCall
from overseen.domain.identifiers import new_id
from overseen.engine.liveness import living_worker
from overseen.errors import OverseenError
from overseen.journal import Journal
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.connect import broker_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.lease import Lease, LeaseState
from overseen.secrets.secret import DatabaseCredential
from overseen.settings import Settings
from overseen.stack.vault_layout import CONNECTION, LAYOUT, GrantKind
from overseen.store import Database
from overseen.store.tables import LeaseRecord
from overseen.tools.sandbox.attacks import AttackResult
from overseen.tools.types import Grant

ATTEMPTS: Mapping[str, str] = {
    "a large object": "SELECT lo_create(0)",
    "a large object from bytes": "SELECT lo_from_bytea(0, 'x')",
    "default privileges": "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
    "default privileges in a schema": "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC",
    "default privileges of its group": "ALTER DEFAULT PRIVILEGES FOR ROLE {group} GRANT ALL ON TABLES TO PUBLIC",
    "becoming its group": "SET ROLE {group}",
    "a temporary table": "CREATE TEMP TABLE mine (x int)",
    "a table": "CREATE TABLE mine (x int)",
    "a table in public": "CREATE TABLE public.mine (x int)",
    "a table from a query": "SELECT 1 AS x INTO mine",
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
    "a comment on its group": "COMMENT ON ROLE {group} IS 'mine'",
    "an advisory lock": "SELECT pg_advisory_lock(1)",
    "listening": "LISTEN mine",
    "telling": "NOTIFY mine, 'x'",
    "a cursor that is kept": "DECLARE mine CURSOR WITH HOLD FOR SELECT 1",
    "a prepared transaction": "BEGIN; PREPARE TRANSACTION 'mine'",
    "a prepared statement": "PREPARE mine AS SELECT 1",
    "a replication slot": "SELECT pg_create_physical_replication_slot('mine')",
    "a snapshot": "SELECT pg_export_snapshot()",
    "dropping what it owns": "DROP OWNED BY CURRENT_USER",
    "dropping what its group owns": "DROP OWNED BY {group}",
    "giving what its group owns away": "REASSIGN OWNED BY {group} TO CURRENT_USER",
    "another database": "CREATE DATABASE mine",
    "a program": "COPY (SELECT 1) TO PROGRAM 'cat'",
}
"""Statements by what they would leave behind or take; `{group}` is the group role of the grant."""

GONE_WITH_THE_ROLE = frozenset(
    {
        "its own password",
        "its own limits",
        "an advisory lock",
        "listening",
        "telling",
        "a cursor that is kept",
        "a prepared statement",
        "a snapshot",
        "giving what its group owns away",  # a group owns nothing
    }
)
"""Attempts that PostgreSQL lets every role do; they end with its sessions, or with the role."""


async def attempt(credential: DatabaseCredential, name: str, group: str) -> bool:
    """Whether it was done, on a connection of its own. Raises psycopg.OperationalError when it cannot connect."""
    connection = await psycopg.AsyncConnection.connect(
        host=credential.host,
        port=credential.port,
        dbname=credential.database,
        user=credential.username,
        password=credential.password.reveal(),
        autocommit=True,
    )
    async with connection:
        await connection.execute("SET default_transaction_read_only = off")
        try:
            await connection.execute(ATTEMPTS[name].replace("{group}", group).encode())
            if name == "its own password":  # the next attempt logs in with the one that Vault gave
                words = f"ALTER ROLE CURRENT_USER PASSWORD '{credential.password.reveal()}'"
                await connection.execute(words.encode())
        except psycopg.Error:
            await connection.rollback()
            return False
    return True


async def attack_leases(settings: Settings) -> list[AttackResult]:
    """Every attempt on a lease that reads, then whether it ended; none where no stack is named in the settings.

    Never raises for what an attack did: what could not be carried out is not held.
    """
    grant = next((grant for grant in LAYOUT.grants if grant.kind is GrantKind.DATABASE and not grant.acts), None)
    if grant is None or grant.group is None or settings.vault.addr is None or settings.database.url is None:
        return []
    asked = Grant(name=grant.group, kind="database", resource=CONNECTION)
    try:
        return await _attack(settings, asked)
    except (OverseenError, psycopg.OperationalError) as error:
        detail = f"the attack could not be carried out: {type(error).__name__}"
        return [AttackResult(name="a database lease", held=False, detail=detail, carried_out=False)]


async def _attack(settings: Settings, grant: Grant) -> list[AttackResult]:
    worker_id = new_id("attack")
    async with AsyncExitStack() as stack:
        database = Database(settings.database.sqlalchemy_url)
        stack.push_async_callback(database.close)
        vault = broker_vault(settings.vault)
        stack.push_async_callback(vault.close)
        source = VaultCredentials(vault, settings.database_resources)
        broker = LeaseBroker(
            database=database, journal=Journal(database), vault=vault, source=source, worker_id=worker_id
        )
        call = ToolCall(run_id=worker_id, step_id="attack", agent="supervisor", tool="attack_a_lease", arguments={})
        # Alive as a worker is, or the sweeper of one would end the lease meanwhile.
        await stack.enter_async_context(living_worker(database, worker_id, settings.worker.region))
        async with broker.lease(call, [grant], wall_seconds=30) as lease:
            results = await _attempts(lease, grant)
        await broker.end_run(call.run_id)
        async with database.read() as session:
            state = await session.scalar(select(LeaseRecord.state).where(LeaseRecord.lease_id == lease.lease_id))
    ended = AttackResult(
        name="database lease: ends whatever it did",
        held=state == LeaseState.CLOSED,
        detail="proven gone" if state == LeaseState.CLOSED else f"it is {state}",
    )
    return [*results, ended]


async def _attempts(lease: Lease, grant: Grant) -> list[AttackResult]:
    credential = lease.credential(grant.name)
    assert isinstance(credential, DatabaseCredential)  # noqa: S101 - the grant is of that kind
    results: list[AttackResult] = []
    for name in ATTEMPTS:
        done = await attempt(credential, name, grant.name)
        bound = name in GONE_WITH_THE_ROLE
        detail = "refused" if not done else "ends with the role" if bound else "done"
        results.append(AttackResult(name=f"database lease: {name}", held=not done or bound, detail=detail))
    return results
