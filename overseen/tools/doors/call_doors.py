"""Opens the doors of a call: the shape in which the tool gateway asks for them. What passes a door is journalled."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from overseen.domain.calls import ToolCall
from overseen.errors import Misconfigured
from overseen.journal import Journal
from overseen.journal.events import DoorRequest
from overseen.settings import HttpResourceSettings
from overseen.tools.doors.database import DatabaseLogin, DatabaseUse, DoorLimits, open_database_door
from overseen.tools.doors.egress import EgressRecord, open_egress_door
from overseen.tools.doors.http_targets import HTTP_KINDS, HttpCredential, limits_of, target_of
from overseen.tools.doors.reach import Reach
from overseen.tools.errors import ToolRefused


class _Grant(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def resource(self) -> str: ...
    @property
    def opens(self) -> str: ...


class CallDoors:
    """Doors whose sockets lie in `folder`: the `doors_folder` of the sandbox backend.

    `servers` are the HTTP servers that tools may be let through to, by name; a tool that none of them names, or that
    asks a server for what it does not allow, is refused.
    """

    def __init__(
        self,
        folder: Path,
        *,
        journal: Journal,
        servers: Mapping[str, HttpResourceSettings] | None = None,
        limits: DoorLimits | None = None,
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._servers = dict(servers or {})
        self._limits = limits or DoorLimits()
        self._reach = Reach()

    @asynccontextmanager
    async def database(self, call: ToolCall, grant: _Grant, credential: DatabaseLogin) -> AsyncGenerator[Path]:
        """A unix socket to one database with the leased credential. Entering raises DoorUnavailable."""

        async def record(use: DatabaseUse) -> None:
            if use.statements == 0:
                return
            told = {
                "statements": use.statements,
                "failed": use.failed,
                "rows": use.rows,
                "answer_bytes": use.answer_bytes,
                "tables": use.touched,
                "allowed": use.allowed,
                "unexplained": use.unexplained,
            }
            await self._write(call, grant, True, {"kind": "database", "resource": grant.resource, **told})

        async with open_database_door(
            self._folder, grant.name, credential, self._limits, record, reach=self._reach
        ) as path:
            yield path

    @asynccontextmanager
    async def http(self, call: ToolCall, grant: _Grant, credential: HttpCredential) -> AsyncGenerator[Path]:
        """A unix socket to one HTTP server, where requests get the leased credential.

        Entering raises ToolRefused when the server does not let the tool in, Misconfigured when the settings do not fit
        the grant. Leaving raises Unavailable when a request could not be journalled.
        """
        server = self._server(call, grant)
        target = await target_of(grant, server, credential)

        async def record(row: EgressRecord) -> None:
            await self._write(call, grant, row.allowed, _detail(grant, server, row))

        async with open_egress_door(self._folder, [target], record, limits_of(server)) as path:
            yield path

    def _server(self, call: ToolCall, grant: _Grant) -> HttpResourceSettings:
        if grant.kind not in HTTP_KINDS:
            raise Misconfigured(
                f"{call.tool} asks for a grant of kind {grant.kind}, for which there is no door.",
                not_done="The tool was not called.",
                next_step="Use a grant of kind database, kv, identity or certificate.",
            )
        server = self._servers.get(grant.opens)
        if server is None:
            named = f"the server {grant.opens!r}, which the settings do not know" if grant.opens else "no server"
            raise Misconfigured(
                f"The grant {grant.name} of {call.tool} opens {named}.",
                not_done="The tool was not called.",
                next_step="Name the server in the grant's `opens`, and under resources in settings.yaml.",
            )
        if call.tool not in server.tools:
            raise ToolRefused(
                f"The server {grant.opens} does not let {call.tool} in.",
                rule="policy",
                next_step=f"If it should, add the tool to resources.{grant.opens}.tools in settings.yaml.",
            )
        return server

    async def _write(self, call: ToolCall, grant: _Grant, allowed: bool, detail: dict[str, Any]) -> None:
        event = DoorRequest(call_id=call.call_id, door=grant.name, allowed=allowed, detail=detail)
        await self._journal.append(event, stream=call.run_id, actor=f"agent:{call.agent}")


def _detail(grant: _Grant, server: HttpResourceSettings, row: EgressRecord) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "kind": "http",
        "resource": grant.opens,
        "server": server.base_url,
        "host": row.host,
        "method": row.method,
        "path": row.path,
        "reason": row.reason,
        "status": row.status,
        "request_bytes": row.request_bytes,
        "response_bytes": row.response_bytes,
        "seconds": row.seconds,
        "count": row.count,
    }
    return {name: value for name, value in detail.items() if value not in (None, "")}
