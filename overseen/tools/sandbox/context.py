"""What a tool is given inside the sandbox. Tools may import this module.

Standard library only, and no more of it than every call needs: each import here delays every cold call.

::

    def run(arguments: dict, context: ToolContext) -> dict:
        letter = context.file("letter.pdf")
        rows = context.database("insurer_read").query("select status from policies where policy_number = %s", ["CAR-1"])
        quote = context.http("kv_garages").request("GET", "/v1/quotes", query={"plate": "AB12 CDE"}).json()
        context.write_file("page-1.png", picture)
        return {"status": rows[0]["status"]}
"""

from __future__ import annotations

import json
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
_LONGEST_NAME = 128
_DOOR_SECONDS = 60.0
_DOOR_SAYS = "overseen-door"


def _is_name(name: str) -> bool:
    """Whether the host would take `name` as the name of a file or door."""
    return bool(name) and len(name) <= _LONGEST_NAME and name[0] not in ".-" and _NAME_CHARACTERS.issuperset(name)


class ToolError(Exception):
    """Raised by a tool that cannot answer, to say why in its own words instead of by a traceback.

    `code` is a short word the agent's code can branch on (`not_found`, `unreadable`); `message` is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class DoorError(Exception):
    """A door refused or failed. `code` is the door's word for it, `message` what it said."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class DatabaseDoor:
    """SQL over the door's socket. The credential is on the other side; it is never sent here."""

    def __init__(self, path: str) -> None:
        import socket

        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.settimeout(_DOOR_SECONDS)
        self._connection.connect(path)
        self._stream = self._connection.makefile("rwb")

    def query(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run one statement; rows as dictionaries, empty for statements without rows.

        Placeholders are `%s` or `%(name)s`. Decimals come as strings, dates and times as ISO 8601. Each statement is
        committed by itself. Raises DoorError for what the database or the door's limits refuse.
        """
        self._stream.write(json.dumps({"sql": sql, "params": params}).encode() + b"\n")
        self._stream.flush()
        line = self._stream.readline()
        if not line:
            raise DoorError("closed", "The door was closed.")
        answer = json.loads(line)
        if "error" in answer:
            raise DoorError(str(answer["error"].get("code", "failed")), str(answer["error"].get("message", "")))
        columns = answer["columns"]
        return [dict(zip(columns, row, strict=True)) for row in answer["rows"]]


class HttpAnswer:
    """What a server answered: `status`, `headers` by lower-case name, `body`. Redirects are answers like others."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        return json.loads(self.body)


class HttpDoor:
    """Requests to one server over the door's socket. The credential is on the other side; it is never sent here."""

    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._path = path

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes = b"",
    ) -> HttpAnswer:
        """Ask the server; any status is an answer. `path` is the path alone; `json` is sent instead of `body`.

        Raises DoorError for what the door refuses or cannot do: `code` is its word for it (request_not_allowed,
        too_many_requests, server_unreachable, too_slow ...).
        """
        from http.client import HTTPException
        from urllib.parse import quote, urlencode

        named = dict(headers or {})
        if json is not None:
            body = _as_json(json)
            named.setdefault("Content-Type", "application/json")
        target = f"{path}?{urlencode(query, quote_via=quote)}" if query else path
        try:
            return self._ask(method, target, named, body)
        except (OSError, HTTPException, ValueError) as error:
            raise DoorError("closed", f"The door did not answer ({type(error).__name__}).") from None

    def _ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        import socket
        from http.client import HTTPConnection

        connection = HTTPConnection(self._name, timeout=_DOOR_SECONDS)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.sock.settimeout(_DOOR_SECONDS)
            connection.sock.connect(self._path)
            connection.request(method, target, body=body or None, headers=dict(headers))
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        if reason := found.get(_DOOR_SAYS):
            raise DoorError(reason, f"The door refused or could not do it ({answer.status}).")
        return HttpAnswer(answer.status, found, content)


def _as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


class ToolContext:
    """The files, doors and results of one call."""

    def __init__(self, *, inputs: str, doors: str, output_bytes: int) -> None:
        self._inputs = inputs
        self._doors = doors
        self._left = output_bytes
        self._databases: dict[str, DatabaseDoor] = {}
        self.outputs: dict[str, bytes] = {}

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of the files handed in, sorted."""
        try:
            return tuple(sorted(entry.name for entry in os.scandir(self._inputs)))
        except FileNotFoundError:
            return ()

    def file_path(self, name: str) -> Path:
        """Where a file handed in lies. Raises ToolError("not_found") for other names."""
        from pathlib import Path

        path = Path(self._inputs, name)
        if not _is_name(name) or not path.is_file():
            raise ToolError("not_found", f"No file named {name!r} was handed in.")
        return path

    def file(self, name: str) -> bytes:
        """Content of a file handed in. Raises ToolError("not_found") for other names."""
        return self.file_path(name).read_bytes()

    def write_file(self, name: str, content: bytes) -> None:
        """Give a file back. Names: letters, digits, dot, dash, underscore. Raises ToolError when a limit is passed."""
        if not _is_name(name):
            raise ToolError("bad_name", f"{name!r} cannot be the name of a result.")
        self._left -= len(content) - len(self.outputs.get(name, b""))
        if self._left < 0:
            raise ToolError("output_bytes", "The results are larger than the tool's profile allows.")
        self.outputs[name] = bytes(content)

    def collect_file(self, name: str, path: str | os.PathLike[str]) -> None:
        """Give back a file that code wrote to the scratch folder.

        Only a regular file with one name is taken, never through a link; what it claims to hold (a sparse file) counts
        in full. Raises ToolError("not_regular") or ToolError("output_bytes").
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ToolError("not_regular", f"{name!r} cannot be read: {error.strerror}.") from None
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise ToolError("not_regular", f"{name!r} is not a plain file.")
            if status.st_size > self._left:
                raise ToolError("output_bytes", "The results are larger than the tool's profile allows.")
            self.write_file(name, stream.read(self._left + 1))

    def door_path(self, name: str) -> str:
        """The unix socket of a door. Raises ToolError("no_door") when the call was given none of that name."""
        path = f"{self._doors}/{name}"
        if not _is_name(name) or not os.path.exists(path):  # noqa: PTH110 - pathlib is not loaded for this
            raise ToolError("no_door", f"This call has no door named {name!r}.")
        return path

    def database(self, name: str) -> DatabaseDoor:
        """The database behind door `name`; one connection for the whole call."""
        if name not in self._databases:
            self._databases[name] = DatabaseDoor(self.door_path(name))
        return self._databases[name]

    def http(self, name: str) -> HttpDoor:
        """The HTTP server behind door `name`, which is the grant's name. Raises ToolError("no_door")."""
        return HttpDoor(name, self.door_path(name))
