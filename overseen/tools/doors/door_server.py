"""The HTTP server of a door, hardened against its only client: it may be hostile."""

import asyncio
from typing import Any, Protocol

from aiohttp import web

_MOST_CONNECTIONS = 16
"""At once from one sandbox; each holds a descriptor of this process."""


class Answering(Protocol):
    """What stands behind the server."""

    @property
    def exhausted(self) -> bool:
        """Whether nothing more is answered."""
        ...

    def malformed(self) -> None:
        """Something came that is no HTTP request."""
        ...

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        ...


class DoorServer(web.Server):
    """Takes a few connections at once, and none any more when what is behind it is exhausted."""

    def __init__(self, answering: Answering) -> None:
        super().__init__(answering.answer, request_factory=self._request, access_log=None)  # pyright: ignore[reportArgumentType] - aiohttp takes any factory of requests
        self._answering = answering

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        """Closes at once what is too much."""
        super().connection_made(handler, transport)
        if len(self.connections) > _MOST_CONNECTIONS or self._answering.exhausted:
            transport.abort()

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        # How aiohttp says that it could not parse what came: it answers by itself and does not ask us.
        if message.method == "UNKNOWN" and not message.headers:
            self._answering.malformed()
        return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())
