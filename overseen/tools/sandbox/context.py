"""What a tool is given inside the sandbox. Tools may import this module.

Standard library only, and no more of it than every call needs: each import here delays every cold call.

::

    def run(arguments: dict, context: ToolContext) -> dict:
        letter = context.file("letter.pdf")
        rows = context.database("insurer_read").query("select status from policies where policy_number = %s", ["CAR-1"])
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
