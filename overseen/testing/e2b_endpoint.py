"""E2B on this machine: the API and the machines' own services, behind the classes of the real SDK.

What a client of the SDK asks for is parsed by the SDK's models, and its answers are made by them, so that our backend
and this endpoint cannot agree on something E2B would not understand. Commands really run (see `e2b_machines`). Machines
have no network here: rules for it are kept with what was asked for, to be looked at, and not acted on.
"""

import asyncio
import contextlib
import secrets
import urllib.parse
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext
from e2b.api.client.models import ListedSandbox, NewSandboxV2, SandboxState
from e2b.api.client.models.sandbox import Sandbox as CreatedSandbox
from e2b.envd.process import process_pb as wire
from e2b.envd.process.process_connect import Process, ProcessASGIApplication
from protobuf import Oneof
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from overseen.blocking import run_blocking
from overseen.testing.e2b_machines import Command, LocalMachine, LocalMachines, end_command, outputs
from overseen.tools.sandbox.runtime import make_runtime

_SERVICES_VERSION = "0.6.4"
_PAGE = 100
Handler = Callable[[Request], Awaitable[Response]]


class E2BEndpoint:
    """What the endpoint knows. `failing` makes calls of that name fail with 500: `create`, `list` or `end`."""

    def __init__(self, machines: LocalMachines) -> None:
        self.api_key = f"e2b_{secrets.token_hex(16)}"
        self.url = ""
        self.machines = machines
        self.created: list[LocalMachine] = []
        self.failing: set[str] = set()
        self._by_key: dict[str, LocalMachine] = {}
        self._timers: set[asyncio.Task[None]] = set()

    def application(self) -> ASGIApp:
        """The whole endpoint as one ASGI application."""
        processes = ProcessASGIApplication(_Processes(self))
        others = Starlette(
            routes=[
                Route("/v2/sandboxes", self._guarded("create", self._create), methods=["POST"]),
                Route("/v2/sandboxes", self._guarded("list", self._list), methods=["GET"]),
                Route("/sandboxes/{machine}", self._guarded("look", self._look), methods=["GET"]),
                Route("/sandboxes/{machine}", self._guarded("end", self._end), methods=["DELETE"]),
                Route("/files", self._write, methods=["POST"]),
                Route("/files", self._read, methods=["GET"]),
                Route("/health", self._health, methods=["GET"]),
            ]
        )

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            inside = scope["type"] == "http" and scope["path"].startswith("/process.Process/")
            await (processes if inside else others)(scope, receive, send)  # type: ignore[arg-type]

        return application

    def _guarded(self, name: str, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            if request.headers.get("x-api-key") != self.api_key:
                return _problem(401, "the API key is not known")
            if name in self.failing:
                return _problem(500, "made to fail by a test")
            return await handler(request)

        return guarded

    async def _create(self, request: Request) -> Response:
        asked = NewSandboxV2.from_dict(await request.json()).to_dict()
        key = request.headers.get("idempotency-key", secrets.token_hex(8))
        if key not in self._by_key:
            machine = await run_blocking(self.machines.rent, asked)
            self._by_key[key] = machine
            self.created.append(machine)
            timer = asyncio.create_task(self._end_in_time(machine))
            self._timers.add(timer)
            timer.add_done_callback(self._timers.discard)
        machine = self._by_key[key]
        created = CreatedSandbox(
            template_id=asked["templateID"],
            sandbox_id=machine.machine_id,
            client_id="local",
            envd_version=_SERVICES_VERSION,
            envd_access_token=machine.token,
        )
        return JSONResponse(created.to_dict(), 201)

    async def _end_in_time(self, machine: LocalMachine) -> None:
        await asyncio.sleep((machine.ends_at - datetime.now(UTC)).total_seconds())
        await self.machines.end(machine.machine_id)

    async def _list(self, request: Request) -> Response:
        wanted = {
            urllib.parse.unquote(name): urllib.parse.unquote(value)
            for name, value in urllib.parse.parse_qsl(request.query_params.get("metadata", ""))
        }
        found = [machine for machine in self.machines.alive.values() if wanted.items() <= machine.metadata.items()]
        start = int(request.query_params.get("nextToken", "0"))
        end = start + int(request.query_params.get("limit", _PAGE))
        headers = {"x-next-token": str(end)} if end < len(found) else None
        return JSONResponse([_listed(machine) for machine in found[start:end]], headers=headers)

    async def _look(self, request: Request) -> Response:
        machine = self.machines.alive.get(request.path_params["machine"])
        return JSONResponse(_listed(machine)) if machine is not None else _problem(404, "there is no such machine")

    async def _end(self, request: Request) -> Response:
        ended = await self.machines.end(request.path_params["machine"])
        return Response(status_code=204) if ended else _problem(404, "there is no such machine")

    def entered(self, headers: Any) -> LocalMachine:
        """The machine a request to its own services is for. Raises ConnectError."""
        machine = self.machines.alive.get(headers.get("e2b-sandbox-id", ""))
        if machine is None:
            raise ConnectError(Code.UNAVAILABLE, "The sandbox was not found")
        if not secrets.compare_digest(headers.get("x-access-token") or "", machine.token):
            raise ConnectError(Code.UNAUTHENTICATED, "The access token is wrong")
        return machine

    async def _write(self, request: Request) -> Response:
        machine = self.entered(request.headers)
        written: list[dict[str, str]] = []
        async with request.form() as form:
            for _, part in form.multi_items():
                if isinstance(part, UploadFile):
                    path = request.query_params.get("path") or part.filename or ""
                    await run_blocking(machine.write, path, await part.read())
                    written.append({"name": Path(path).name, "path": f"/home/user/{path}", "type": "file"})
        return JSONResponse(written)

    async def _read(self, request: Request) -> Response:
        path = self.entered(request.headers).place(request.query_params["path"])
        if not path.is_file():
            return _problem(404, "there is no such file")
        return Response(await run_blocking(path.read_bytes), media_type="application/octet-stream")

    async def _health(self, request: Request) -> Response:
        alive = request.headers.get("e2b-sandbox-id") in self.machines.alive
        return Response(status_code=204 if alive else 502)

    async def close(self) -> None:
        """End every machine."""
        for timer in list(self._timers):
            timer.cancel()
        for machine_id in list(self.machines.alive):
            await self.machines.end(machine_id)


class _Processes(Process):
    """The process service of all machines; the request's headers say which one is meant."""

    def __init__(self, endpoint: E2BEndpoint) -> None:
        self._endpoint = endpoint

    async def start(
        self, request: wire.StartRequest, ctx: RequestContext[wire.StartRequest, wire.StartResponse], /
    ) -> AsyncIterator[wire.StartResponse]:
        machine = self._endpoint.entered(ctx.request_headers)
        asked = request.process
        if asked is None or request.stdin:
            raise ConnectError(Code.UNIMPLEMENTED, "stdin is not offered here")
        environment = {**(machine.asked.get("envVars") or {}), **dict(asked.envs)}
        command = await self._endpoint.machines.start(machine, [asked.cmd, *asked.args], environment)
        yield _event(Oneof("start", wire.ProcessEvent.StartEvent(pid=command.process.pid)))
        async for name, piece in outputs(command):
            if name == "stdout":
                data = wire.ProcessEvent.DataEvent(output=Oneof("stdout", piece))
            else:
                data = wire.ProcessEvent.DataEvent(output=Oneof("stderr", piece))
            yield _event(Oneof("data", data))
        yield _event(Oneof("end", _end_of(command)))

    async def send_signal(
        self, request: wire.SendSignalRequest, ctx: RequestContext[wire.SendSignalRequest, wire.SendSignalResponse], /
    ) -> wire.SendSignalResponse:
        machine = self._endpoint.entered(ctx.request_headers)
        chosen = request.process.selector if request.process is not None else None
        command = machine.commands.get(chosen.value) if chosen is not None and chosen.field == "pid" else None
        if command is None:
            raise ConnectError(Code.NOT_FOUND, "there is no such process")
        await end_command(command)
        return wire.SendSignalResponse()


def _event(event: Any) -> wire.StartResponse:
    return wire.StartResponse(event=wire.ProcessEvent(event=event))


def _end_of(command: Command) -> wire.ProcessEvent.EndEvent:
    code = command.exit_code or 0
    return wire.ProcessEvent.EndEvent(exit_code=code, exited=True, status=f"exit status {code}")


def _listed(machine: LocalMachine) -> dict[str, Any]:
    return ListedSandbox(
        template_id=str(machine.asked["templateID"]),
        sandbox_id=machine.machine_id,
        client_id="local",
        started_at=machine.started_at,
        end_at=machine.ends_at,
        cpu_count=2,
        memory_mb=512,
        disk_size_mb=512,
        state=SandboxState.RUNNING,
        envd_version=_SERVICES_VERSION,
        metadata=dict(machine.metadata),
    ).to_dict()


def _problem(code: int, message: str) -> Response:
    return JSONResponse({"code": code, "message": message}, code)


@asynccontextmanager
async def e2b_endpoint(folder: Path) -> AsyncGenerator[E2BEndpoint]:
    """An endpoint on a free port for as long as the block lasts. `folder` must be one that every user can reach.

    Point the SDK at it: `api_url` and `sandbox_url` are both `url`, and the key is `api_key`.
    """
    runtime = await run_blocking(make_runtime, folder, ())
    endpoint = E2BEndpoint(LocalMachines(folder, runtime))
    server = uvicorn.Server(
        uvicorn.Config(endpoint.application(), host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        if serving.done():
            await serving
    endpoint.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield endpoint
    finally:
        await endpoint.close()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await serving
