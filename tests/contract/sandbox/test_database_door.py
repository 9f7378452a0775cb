"""The door to a database: what the sandbox may send, what it gets back, and when it closes."""

import asyncio
import json
import logging
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from overseen.secrets.secret import DatabaseCredential, Secret
from overseen.tools.doors import DoorLimits, DoorUnavailable
from overseen.tools.doors.database import DatabaseUse, open_database_door
from overseen.tools.doors.reach import Reach
from overseen.tools.sandbox import Capability
from tests.contract.sandbox.conftest import Sandbox
from tests.stack_fixtures import EmbeddedPostgres
from tests.waiting import until

LIMITS = DoorLimits(statements=8, statement_seconds=1.0, rows=10, answer_bytes=20_000, request_bytes=4_000)


@pytest.fixture
async def login(postgres_server: EmbeddedPostgres) -> DatabaseCredential:
    connection = await postgres_server.connect()
    async with connection:
        info = connection.info
        return DatabaseCredential(
            username=info.user, password=Secret(info.password), host=info.host, port=info.port, database=info.dbname
        )


class Client:
    """The sandbox's side of the door."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, line: bytes) -> dict[str, Any] | None:
        self._writer.write(line + b"\n")
        try:
            answer = await self._reader.readline()
        except ConnectionError:
            return None
        return json.loads(answer) if answer else None

    async def query(self, sql: str, params: Any = None) -> dict[str, Any]:
        answer = await self.send(json.dumps({"sql": sql, "params": params}).encode())
        assert answer is not None
        return answer

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def through(path: Path) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_unix_connection(path))
    yield client
    client.close()


@pytest.fixture
async def door(tmp_path: Path, login: DatabaseCredential) -> AsyncIterator[Path]:
    async with open_database_door(tmp_path, "insurer", login, LIMITS) as path:
        yield path


async def test_rows_come_back_as_json(door: Path) -> None:
    async with through(door) as client:
        answer = await client.query(
            "select 1 as a, 1.50::numeric as b, date '2026-01-02' as c, null as d, %s::text as e, "
            "'{\"x\": [1]}'::jsonb as f",
            ["ü"],
        )
    assert answer == {"columns": list("abcdef"), "rows": [[1, "1.50", "2026-01-02", None, "ü", {"x": [1]}]]}


async def test_statements_without_rows_and_named_parameters_work(door: Path) -> None:
    async with through(door) as client:
        assert await client.query("create temp table t (a int)") == {"columns": [], "rows": []}
        assert await client.query("insert into t values (%(a)s) returning a", {"a": 5}) == {
            "columns": ["a"],
            "rows": [[5]],
        }
        assert await client.query("update t set a = 6") == {"columns": [], "rows": []}
        assert (await client.query("select a from t"))["rows"] == [[6]]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("selec 1", "42601"),
        ("select 1; select 2", "42601"),
        ("select generate_series(1, 11)", "too_many_rows"),
        ("select repeat('x', 30000)", "too_large"),
        ("select 1/0", "22012"),
        ("select %s", "failed"),
    ],
)
async def test_a_refused_statement_says_why_and_the_door_stays_open(door: Path, sql: str, code: str) -> None:
    async with through(door) as client:
        assert (await client.query(sql, []))["error"]["code"] == code
        assert (await client.query("select 1 as a"))["rows"] == [[1]]


async def test_a_slow_statement_is_ended(door: Path) -> None:
    async with through(door) as client:
        assert (await client.query("select pg_sleep(30)"))["error"]["code"] == "too_slow"


async def test_the_number_of_statements_is_limited_over_all_connections(door: Path) -> None:
    for _ in range(2):
        async with through(door) as client:
            for _ in range(4):
                assert "rows" in await client.query("select 1")
    async with through(door) as client:
        assert (await client.query("select 1"))["error"]["code"] == "too_many_statements"


@pytest.mark.parametrize("line", [b"no json", b"[]", b'{"sql": 1}', b'{"sql": "select 1", "params": "x"}', b"[" * 3000])
async def test_anything_but_a_request_closes_the_connection(door: Path, line: bytes) -> None:
    async with through(door) as client:
        answer = await client.send(line)
        assert answer is not None
        assert answer["error"]["code"] == "bad_request"
        assert await client.send(b"{}") is None


async def test_a_statement_too_large_is_refused(door: Path) -> None:
    async with through(door) as client:
        answer = await client.send(b'{"sql": "' + b"x" * 5_000 + b'"}')
    assert answer is not None
    assert answer["error"]["code"] == "too_large"


async def test_socket_and_session_are_gone_after_the_call(
    tmp_path: Path, login: DatabaseCredential, postgres_server: EmbeddedPostgres
) -> None:
    sessions = "select count(*) from pg_stat_activity where application_name = 'overseen-door'"
    async with open_database_door(tmp_path, "insurer", login, LIMITS) as path, through(path) as client:
        assert (await client.query(sessions))["rows"] == [[1]]
        assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IRWXU
    assert list(tmp_path.iterdir()) == []
    connection = await postgres_server.connect()
    async with connection:
        for _ in range(50):
            cursor = await connection.execute(sessions.encode())
            if await cursor.fetchone() == (0,):
                return
            await asyncio.sleep(0.02)
    raise AssertionError("the session outlived its call")


async def test_a_wrong_password_is_an_unavailable_door_and_is_not_quoted(
    tmp_path: Path, login: DatabaseCredential
) -> None:
    wrong = DatabaseCredential(
        username="nobody_here", password=Secret("hunter2"), host=login.host, port=login.port, database=login.database
    )
    with pytest.raises(DoorUnavailable) as caught:
        async with open_database_door(tmp_path, "insurer", wrong):
            pass
    assert "hunter2" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
    assert list(tmp_path.iterdir()) == []


async def test_a_server_that_is_down_is_an_unavailable_door(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = DatabaseCredential(
            username="x", password=Secret("x"), host="127.0.0.1", port=closed.getsockname()[1], database="x"
        )
        with pytest.raises(DoorUnavailable):
            async with open_database_door(tmp_path, "insurer", nowhere):
                pass


async def test_neither_statements_nor_passwords_are_logged(door: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with through(door) as client:
            await client.query("select %s as name", ["Mrs Smith"])
            await client.query("select broken(%s)", ["Mrs Smith"])
    assert "Mrs Smith" not in caplog.text


async def test_what_was_asked_is_counted_when_the_door_closes(tmp_path: Path, login: DatabaseCredential) -> None:
    uses: list[DatabaseUse] = []

    async def record(use: DatabaseUse) -> None:
        uses.append(use)

    async with open_database_door(tmp_path, "insurer", login, LIMITS, record) as path, through(path) as client:
        await client.query("select * from generate_series(1, 3)")
        await client.query("select * from nowhere")
        await client.query("select * from generate_series(1, 30)")
        assert uses == []
    (use,) = uses
    assert (use.statements, use.failed, use.rows) == (3, 2, 3)
    assert use.answer_bytes > 50


async def test_which_tables_were_touched_and_might_have_been_is_told(
    tmp_path: Path, login: DatabaseCredential, postgres_server: EmbeddedPostgres
) -> None:
    connection = await postgres_server.connect()
    async with connection:
        for name in ("a", "b", "c"):
            await connection.execute(f"CREATE TABLE IF NOT EXISTS reach_{name} (n int PRIMARY KEY)".encode())
        await connection.commit()
    uses: list[DatabaseUse] = []

    async def record(use: DatabaseUse) -> None:
        uses.append(use)

    async with open_database_door(tmp_path, "insurer", login, LIMITS, record) as path, through(path) as client:
        await client.query("select count(*) from reach_a where n > %s", [1])
        await client.query("insert into reach_a values (%s)", [5])
        assert (await client.query("select count(*) as n from reach_a"))["rows"] == [[1]]
        await client.query("insert into reach_c values (%s) on conflict (n) do nothing", [7])
        await client.query("select * from reach_b where reach_b.nowhere = 1")
    (use,) = uses
    both = ["insert", "select"]
    assert use.touched == {"public.reach_a": both, "public.reach_c": both}
    assert "select" in use.allowed["public.reach_b"]
    assert use.unexplained == 0


async def test_what_a_statement_touches_is_said_to_be_unknown_where_the_planner_cannot_say(
    tmp_path: Path, login: DatabaseCredential
) -> None:
    uses: list[DatabaseUse] = []

    async def record(use: DatabaseUse) -> None:
        uses.append(use)

    reach = Reach()
    for _ in range(2):
        opened = open_database_door(tmp_path, "insurer", login, LIMITS, record, reach=reach)
        async with opened as path, through(path) as client:
            await client.query("show server_version")
    assert [use.unexplained for use in uses] == [1, 1]


async def test_many_connections_at_once_are_not_taken(tmp_path: Path, login: DatabaseCredential) -> None:
    async with open_database_door(tmp_path, "insurer", login, LIMITS) as path:
        opened = [await asyncio.open_unix_connection(path) for _ in range(30)]
        await until(lambda: sum(reader.at_eof() for reader, _ in opened) >= 14)
        assert sum(reader.at_eof() for reader, _ in opened) == 14
        for _, writer in opened:
            writer.close()


async def test_a_deep_folder_is_no_obstacle(tmp_path: Path, login: DatabaseCredential) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    async with open_database_door(deep, "insurer", login) as path:
        assert path.is_socket()


async def test_a_tool_asks_a_database_without_holding_its_password(sandbox: Sandbox, login: DatabaseCredential) -> None:
    sandbox.requires(Capability.EGRESS_ALLOW_LIST)
    async with open_database_door(sandbox.backend.doors_folder, "insurer_read", login) as path:
        code = (
            "import os\n"
            "rows = context.database('insurer_read').query('select current_user as who, %s::int as n', [7])\n"
            "result = [rows, str(dict(os.environ)) + open('/proc/self/cmdline').read()]"
        )
        rows, seen = await sandbox.value(code, doors={"insurer_read": path})
    assert rows == [{"who": login.username, "n": 7}]
    assert login.password.reveal() not in seen
    assert not path.exists()
