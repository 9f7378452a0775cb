"""A door to one database with the role leased for one call.

The sandbox sends `{"sql", "params"}` as a line of JSON and gets `{"columns", "rows"}` or
`{"error": {"code", "message"}}` back. What may be read or written is decided by the role's rights in the database, how
much by the limits here. Only counts are recorded: statements carry personal data, the password belongs to the lease.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any, LiteralString, Protocol, cast

import psycopg

from overseen.errors import Unavailable
from overseen.tools.doors.listening import private_socket
from overseen.tools.doors.reach import Parameters, Reach, Tables

_CONNECT_SECONDS = 5
_CANCEL_SECONDS = 2.0
_MOST_LOOKED_AT = 20
"""Different statements of one call of which it is found out what they touch."""
_MOST_CONNECTIONS = 16
"""At once from one sandbox; each holds a descriptor of this process."""


class _Password(Protocol):
    def reveal(self) -> str: ...


class DatabaseLogin(Protocol):
    """A leased role and where it logs in. Credentials of the lease broker have this shape."""

    @property
    def username(self) -> str:
        """The role's name."""
        ...

    @property
    def password(self) -> _Password:
        """Something that reveals the password to whoever asks by name and prints as stars otherwise."""
        ...

    @property
    def host(self) -> str:
        """Where the server is."""
        ...

    @property
    def port(self) -> int:
        """Its TCP port."""
        ...

    @property
    def database(self) -> str:
        """The one database the role may connect to."""
        ...


@dataclass(frozen=True, kw_only=True)
class DoorLimits:
    """How much a call may ask of a database. More than `rows` or `answer_bytes` is an error, never a cut-off answer."""

    statements: int = 100
    statement_seconds: float = 10.0
    rows: int = 1000
    answer_bytes: int = 4 << 20
    request_bytes: int = 256 << 10


@dataclass(frozen=True, kw_only=True)
class DatabaseUse:
    """What one call asked of a database: statements sent, how many of them failed or were refused, rows and bytes it
    was given; the tables it touched, those its role might have touched, and of how many statements that is unknown."""

    statements: int
    failed: int
    rows: int
    answer_bytes: int
    touched: Tables = field(default_factory=dict[str, list[str]])
    allowed: Tables = field(default_factory=dict[str, list[str]])
    unexplained: int = 0


Recorder = Callable[[DatabaseUse], Awaitable[None]]


class DoorUnavailable(Unavailable):
    """What is behind the door cannot be reached or refused the leased credential; the tool was not started."""

    code = "door_unavailable"


class _Refused(Exception):
    """Told to the sandbox as an error; `ends` closes the connection to it."""

    def __init__(self, code: str, message: str, *, ends: bool = False) -> None:
        super().__init__(code)
        self.answer = {"error": {"code": code, "message": message}}
        self.ends = ends


def _plain(value: Any) -> Any:
    """A database value as JSON: decimals as strings, times as ISO 8601, bytes as base64, what JSON lacks as text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


def _parse(line: bytes) -> tuple[str, Sequence[Any] | Mapping[str, Any] | None]:
    try:
        request: Any = json.loads(line)
        sql, params = request["sql"], request.get("params")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _Refused("bad_request", "Send one JSON object with `sql` and `params` per line.", ends=True) from None
    if not isinstance(sql, str) or not (params is None or isinstance(params, list | dict)):
        raise _Refused("bad_request", "`sql` is a text; `params` a list, an object or null.", ends=True)
    return sql, params


class _Conversation:
    """All statements of one call, one after the other, over one connection."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], limits: DoorLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._turn = asyncio.Lock()
        self._statements = self._failed = self._rows = self._answer_bytes = 0
        self._executed: dict[str, Parameters] = {}
        self._not_looked_at = 0
        self.tasks: set[asyncio.Task[None]] = set()

    async def use(self, reach: Reach, grant: str) -> DatabaseUse:
        """What was asked so far. Asks the database, so only while nobody else does."""
        touched = await reach.touched(self._connection, self._executed)
        return DatabaseUse(
            statements=self._statements,
            failed=self._failed,
            rows=self._rows,
            answer_bytes=self._answer_bytes,
            touched=touched.tables,
            allowed=await reach.allowed(self._connection, grant) if self._executed else {},
            unexplained=touched.unexplained + self._not_looked_at,
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection from the sandbox until either side closes it."""
        if len(self.tasks) >= _MOST_CONNECTIONS:
            writer.close()
            return
        task = asyncio.current_task()
        if task is not None:
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        with contextlib.suppress(ConnectionError):
            try:
                while await self._serve_one(reader, writer):
                    pass
            finally:
                writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        goes_on = True
        try:
            line = await reader.readline()
            if not line:
                return False
            async with self._turn:
                answer = await self._answer(*_parse(line))
        except ValueError:
            self._failed += 1
            answer, goes_on = {"error": {"code": "too_large", "message": "The statement is too large."}}, False
        except _Refused as refused:
            self._failed += 1
            answer, goes_on = refused.answer, not refused.ends
        sent = json.dumps(answer).encode() + b"\n"
        self._rows += len(answer.get("rows", ()))
        self._answer_bytes += len(sent)
        writer.write(sent)
        await writer.drain()
        return goes_on

    async def _answer(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
        self._statements += 1
        if self._statements > self._limits.statements:
            raise _Refused("too_many_statements", f"A call may send {self._limits.statements} statements.", ends=True)
        try:
            async with asyncio.timeout(self._limits.statement_seconds):
                answer = await self._execute(sql, params)
        except TimeoutError:
            raise _Refused(
                "too_slow", f"A statement may take {self._limits.statement_seconds:g} s.", ends=True
            ) from None
        except psycopg.Error as error:
            # Only the primary message: details quote rows the role may not be able to read.
            misuse = str(error) if isinstance(error, psycopg.ProgrammingError) else type(error).__name__
            message = error.diag.message_primary or misuse
            raise _Refused(error.sqlstate or "failed", message, ends=self._connection.broken) from None
        if sql in self._executed or len(self._executed) < _MOST_LOOKED_AT:
            self._executed[sql] = params
        else:
            self._not_looked_at += 1
        return answer

    async def _execute(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
        rows: list[list[Any]] = []
        columns: list[str] = []
        size = 0
        async with self._connection.cursor() as cursor:
            # Row by row: a whole result could be larger than this process.
            stream = cast("AsyncGenerator[Any]", cursor.stream(cast(LiteralString, sql), params))
            try:
                async with contextlib.aclosing(stream):
                    async for row in stream:
                        columns = columns or [column.name for column in cursor.description or ()]
                        rows.append([_plain(value) for value in row])
                        size += len(json.dumps(rows[-1]))
                        self._check_size(len(rows), size)
            except psycopg.ProgrammingError as error:
                # How psycopg says that a statement went well and has no rows, such as an INSERT.
                if error.sqlstate is not None or "didn't produce a result" not in str(error):
                    raise
        return {"columns": columns, "rows": rows}

    def _check_size(self, rows: int, size: int) -> None:
        if rows > self._limits.rows:
            raise _Refused("too_many_rows", f"An answer may have {self._limits.rows} rows; narrow the query.")
        if size > self._limits.answer_bytes:
            raise _Refused("too_large", f"An answer may have {self._limits.answer_bytes} bytes; narrow the query.")


async def _connect(name: str, login: DatabaseLogin) -> psycopg.AsyncConnection[Any]:
    try:
        return await psycopg.AsyncConnection.connect(
            host=login.host,
            port=login.port,
            dbname=login.database,
            user=login.username,
            password=login.password.reveal(),
            application_name="overseen-door",
            connect_timeout=_CONNECT_SECONDS,
            autocommit=True,
            # Statements differ from call to call, and the role is gone before a plan could be used twice.
            prepare_threshold=None,
        )
    except psycopg.Error as error:
        reason = error.sqlstate or "no connection"
        # Not chained: the driver's message names the role and the server.
        raise DoorUnavailable(
            f"The database behind the door {name!r} could not be entered ({reason}).",
            not_done="The tool was not run.",
            next_step="Check that the database is up and that the lease's role may connect.",
        ) from None


@asynccontextmanager
async def open_database_door(
    folder: Path,
    name: str,
    login: DatabaseLogin,
    limits: DoorLimits | None = None,
    record: Recorder | None = None,
    *,
    reach: Reach | None = None,
) -> AsyncGenerator[Path]:
    """A unix socket below `folder` behind which the database answers as `login`; closed, with its session, at the end.

    `record` is told what was asked once it is closed; `reach` remembers what statements touch. Raises DoorUnavailable
    when the database cannot be entered.
    """
    limits = limits or DoorLimits()
    connection = await _connect(name, login)
    conversation = _Conversation(connection, limits)
    try:
        async with private_socket(folder) as listening:
            server = await asyncio.start_unix_server(
                conversation.serve, sock=listening.socket, limit=limits.request_bytes
            )
            try:
                yield listening.path
            finally:
                server.close()
                for task in list(conversation.tasks):
                    task.cancel()
                if conversation.tasks:
                    await asyncio.wait(conversation.tasks, timeout=_CANCEL_SECONDS)
    finally:
        use: DatabaseUse | None = None
        try:
            if record is not None:
                use = await conversation.use(reach or Reach(), name)
        finally:
            await connection.close()
        if record is not None and use is not None:
            await record(use)
