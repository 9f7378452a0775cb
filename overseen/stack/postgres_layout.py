"""Who may do what in the embedded PostgreSQL: databases, owners, group roles, the role OpenBao makes leases with."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import LiteralString

import psycopg
from psycopg import sql

from overseen.stack.postgres import EmbeddedPostgres

STORE_DATABASE = "overseen"
STORE_OWNER = "overseen_app"
INSURER_DATABASE = "insurer"
INSURER_OWNER = "insurer_owner"
LEASE_MANAGER = "bao_manager"


@dataclass(frozen=True, kw_only=True)
class OwnedDatabase:
    """A database and the role that owns it (no superuser, makes no databases, no roles)."""

    name: str
    owner: str


@dataclass(frozen=True, kw_only=True)
class GroupRole:
    """A role without login that leased roles become members of; the database's owner grants it rights on tables."""

    name: str
    database: str


DATABASES = (
    OwnedDatabase(name=STORE_DATABASE, owner=STORE_OWNER),
    OwnedDatabase(name=INSURER_DATABASE, owner=INSURER_OWNER),
)
GROUP_ROLES = tuple(
    GroupRole(name=name, database=INSURER_DATABASE) for name in ("insurer_read", "insurer_claims_write", "insurer_pay")
)
# A leased role could otherwise own a large object, which no grant on tables or schemas forbids.
NO_LARGE_OBJECTS: LiteralString = (
    "DO $$ DECLARE found record; BEGIN FOR found IN SELECT oid::regprocedure AS name FROM pg_catalog.pg_proc "
    "WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^(lo_|loread$|lowrite$)' "
    "LOOP EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', found.name); END LOOP; END $$;"
)
"""To be run by a superuser in each database that leases are made on; safe to repeat."""

# A leased role has its group's rights, and with those it could leave default privileges behind in the group's name,
# which outlive every lease.
NO_SCHEMA_CHANGES: LiteralString = """
CREATE SCHEMA IF NOT EXISTS overseen_leases;
CREATE OR REPLACE FUNCTION overseen_leases.refuse_schema_changes() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF session_user LIKE 't-token-call-%' THEN
    RAISE EXCEPTION 'a leased role changes no schema and no grant' USING ERRCODE = 'insufficient_privilege';
  END IF;
END $$;
DROP EVENT TRIGGER IF EXISTS overseen_leases;
CREATE EVENT TRIGGER overseen_leases ON ddl_command_start
  EXECUTE FUNCTION overseen_leases.refuse_schema_changes();
"""
"""To be run by a superuser in each database that leases are made on; safe to repeat."""

# Loaded in this order as the owner, each when its content changed; both can be run again.
INSURER_FILES = ("insurer.sql", "insurer_seed.sql")


async def lay_out(server: EmbeddedPostgres) -> None:
    """Make what is missing and leave the rest; safe to repeat, also after it was interrupted."""
    connection = await server.connect()
    async with connection:
        for database in DATABASES:
            await _make_owner(connection, server, database.owner)
            await make_database(connection, database.name, database.owner)
        await _shut_out_public(connection)
        await _make_lease_manager(connection)
        for group in GROUP_ROLES:
            await _make_group(connection, group)
    await _open_schema(server)
    await load_insurer(server)


async def make_database(
    connection: psycopg.AsyncConnection, name: str, owner: str, template: str | None = None
) -> None:
    """Create a database that only its owner (and superusers) may connect to, unless it is there."""
    if not await _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name):
        statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        await connection.execute(statement)
    await connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


async def set_password(connection: psycopg.AsyncConnection, role: str, password: str) -> None:
    """Give `role` a password; only its scram verifier travels, so it is in no log of the server."""
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    await connection.execute(
        sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier.decode()))
    )


async def load_insurer(server: EmbeddedPostgres, *, anew: bool = False) -> None:
    """Load the insurer's tables and sample rows, each file when its content changed (or `anew`)."""
    folder = files("overseen") / "playbooks" / "claims_intake"
    connection = await server.connect(INSURER_DATABASE, INSURER_OWNER)
    async with connection:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS stack_loads "
            "(file text PRIMARY KEY, sha256 text NOT NULL, loaded_at timestamptz NOT NULL)"
        )
        for name in INSURER_FILES:
            await _load(connection, folder / name, anew=anew)


async def empty_insurer(server: EmbeddedPostgres) -> None:
    """Remove every row of the insurer's tables and load the sample rows again."""
    connection = await server.connect(INSURER_DATABASE, INSURER_OWNER)
    async with connection:
        rows = await connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'stack_loads'"
        )
        tables = [sql.Identifier(name) for (name,) in await rows.fetchall()]
        if tables:
            await connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(sql.SQL(", ").join(tables)))
    await load_insurer(server, anew=True)


async def _load(connection: psycopg.AsyncConnection, file: Traversable, *, anew: bool) -> None:
    if not file.is_file():
        return
    text = file.read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    known = await connection.execute("SELECT sha256 FROM stack_loads WHERE file = %s", (file.name,))
    row = await known.fetchone()
    if row is not None and row[0] == digest and not anew:
        return
    async with connection.transaction():
        await connection.execute(text.encode())
        await connection.execute(
            "INSERT INTO stack_loads VALUES (%s, %s, now()) "
            "ON CONFLICT (file) DO UPDATE SET sha256 = excluded.sha256, loaded_at = excluded.loaded_at",
            (file.name, digest),
        )


async def _exists(connection: psycopg.AsyncConnection, query: LiteralString, name: str) -> bool:
    return await (await connection.execute(query, (name,))).fetchone() is not None


async def _role_exists(connection: psycopg.AsyncConnection, name: str) -> bool:
    return await _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", name)


async def _make_owner(connection: psycopg.AsyncConnection, server: EmbeddedPostgres, role: str) -> None:
    if not await _role_exists(connection, role):
        await connection.execute(
            sql.SQL("CREATE ROLE {} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE").format(sql.Identifier(role))
        )
    await set_password(connection, role, server.password(role))


async def _shut_out_public(connection: psycopg.AsyncConnection) -> None:
    for name in ("postgres", "template1"):
        await connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


async def _make_lease_manager(connection: psycopg.AsyncConnection) -> None:
    if not await _role_exists(connection, LEASE_MANAGER):
        await connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER CREATEROLE CONNECTION LIMIT 20").format(
                sql.Identifier(LEASE_MANAGER)
            )
        )
    manager = sql.Identifier(LEASE_MANAGER)
    await connection.execute(sql.SQL("GRANT pg_signal_backend TO {}").format(manager))
    await connection.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(INSURER_DATABASE), manager)
    )


async def _make_group(connection: psycopg.AsyncConnection, group: GroupRole) -> None:
    role = sql.Identifier(group.name)
    if not await _role_exists(connection, group.name):
        await connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
    await connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(group.database), role))
    # The manager may hand the group to the roles it makes, but has none of its rights itself.
    await connection.execute(
        sql.SQL("GRANT {} TO {} WITH ADMIN OPTION, INHERIT FALSE, SET FALSE").format(
            role, sql.Identifier(LEASE_MANAGER)
        )
    )


async def _open_schema(server: EmbeddedPostgres) -> None:
    connection = await server.connect(INSURER_DATABASE)
    async with connection:
        await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        await connection.execute(NO_LARGE_OBJECTS)
        async with connection.transaction():
            await connection.execute(NO_SCHEMA_CHANGES)
        await connection.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(sql.Identifier(INSURER_OWNER)))
        for group in GROUP_ROLES:
            await connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(sql.Identifier(group.name)))
