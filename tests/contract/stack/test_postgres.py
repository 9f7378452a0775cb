"""The embedded PostgreSQL: who gets in, and what survives."""

import os
import signal
from pathlib import Path

import psycopg
import pytest

from overseen.errors import Unavailable
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import GROUP_ROLES, INSURER_DATABASE, INSURER_OWNER, LEASE_MANAGER, lay_out
from tests.stack_fixtures import until_ready


async def _ask(server, query, database="postgres", role="postgres"):
    connection = await server.connect(database, role)
    async with connection:
        return await (await connection.execute(query)).fetchall()


async def test_a_wrong_password_is_refused(postgres_server):
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        await psycopg.AsyncConnection.connect(
            host="127.0.0.1", port=postgres_server.port, user="postgres", password="guess", dbname="postgres"
        )


async def test_it_listens_on_loopback_only(postgres_server):
    assert await _ask(postgres_server, "SHOW listen_addresses") == [("127.0.0.1",)]


async def test_an_owner_does_not_get_into_the_others_database(postgres_server):
    with pytest.raises(Unavailable, match="permission denied for database"):
        await _ask(postgres_server, "SELECT 1", database="overseen", role=INSURER_OWNER)


async def test_owners_are_no_superusers(postgres_server):
    rows = await _ask(
        postgres_server,
        "SELECT rolname FROM pg_roles "
        "WHERE rolcanlogin AND (rolsuper OR rolcreatedb OR rolbypassrls OR rolreplication)",
    )
    assert rows == [("postgres",)]


async def test_no_database_is_open_to_everybody(postgres_server):
    rows = await _ask(
        postgres_server,
        "SELECT datname FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS entry "
        "WHERE entry.grantee = 0 AND datname IN ('postgres', 'template1', 'overseen', 'insurer')",
    )
    assert rows == []


async def test_the_lease_manager_hands_out_groups_without_having_their_rights(postgres_server):
    rows = await _ask(
        postgres_server,
        "SELECT roleid::regrole::text, admin_option, inherit_option, set_option FROM pg_auth_members "
        f"WHERE member = '{LEASE_MANAGER}'::regrole AND roleid::regrole::text LIKE 'insurer%'",
    )
    assert sorted(rows) == [(group.name, True, False, False) for group in sorted(GROUP_ROLES, key=lambda g: g.name)]


async def test_laying_out_twice_changes_nothing(postgres_server):
    query = "SELECT file, sha256, loaded_at FROM stack_loads ORDER BY file"
    before = await _ask(postgres_server, query, INSURER_DATABASE, INSURER_OWNER)
    await lay_out(postgres_server)
    assert await _ask(postgres_server, query, INSURER_DATABASE, INSURER_OWNER) == before


async def test_the_insurer_has_its_sample_rows_as_new(insurer):
    before = await insurer.rows("SELECT count(*) FROM policies")
    assert before[0][0] > 0


@pytest.fixture
async def own_server(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    running = []

    async def start():
        await server.prepare()
        running.append(server.spawn())
        await until_ready(server, running[-1])
        return running[-1]

    yield server, start
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(20)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts it as somebody else")
async def test_root_runs_it_as_nobody_below_a_folder_closed_to_nobody(own_server):
    _, start = own_server
    process = await start()
    assert "Uid:\t65534\t65534" in Path(f"/proc/{process.pid}/status").read_text()


async def test_its_password_is_in_no_command_line_and_no_environment(own_server):
    server, start = own_server
    process = await start()
    for name in ("cmdline", "environ"):
        shown = Path(f"/proc/{process.pid}/{name}").read_bytes()
        assert server.password("postgres").encode() not in shown


async def test_what_was_committed_survives_a_kill_and_a_stale_pid_file(own_server):
    server, start = own_server
    process = await start()
    connection = await server.connect()
    async with connection:
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        await connection.execute("CHECKPOINT")
    process.kill()
    process.wait()
    assert (server.data / "postmaster.pid").exists()
    await start()
    assert await _ask(server, "SELECT number FROM kept") == [(7,)]


async def test_an_interrupted_first_start_is_begun_again(own_server):
    server, start = own_server
    partial = server.folder / "data.partial"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18")
    await start()
    assert not partial.exists()
    assert await _ask(server, "SELECT 1") == [(1,)]


async def test_a_server_that_is_down_is_unavailable(tmp_path):
    server = EmbeddedPostgres(tmp_path, port=1)
    (tmp_path / "passwords").mkdir()
    with pytest.raises(Unavailable, match="does not answer"):
        await server.check()
