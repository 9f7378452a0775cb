"""A door to named paths of named HTTP servers, for one call.

The sandbox speaks HTTP over a unix socket and names the host it wants; this side checks host, method and path against
the allow-list, adds the credential and asks the server itself. No redirect is followed, no other header is passed on
that could carry an identity, and every request is recorded, refused or not. TLS is ours: nothing is intercepted.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from yarl import URL

from overseen.tools.doors.listening import private_socket

_PASSED_ON = frozenset({"accept", "accept-language", "content-type", "if-match", "if-none-match", "idempotency-key"})
_PASSED_BACK = frozenset({"content-type", "etag", "last-modified", "retry-after"})
_AMBIGUOUS = re.compile(r"//|\\|;|%2e|%2f|%5c|%00|[^\x21-\x7e]|(^|/)\.{1,2}(/|$)", re.IGNORECASE)
"""What servers read differently from each other: dot segments, doubled or encoded separators, parameters, odd bytes."""
_PIECE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class AllowedRequest:
    """One kind of request. `path` is a regular expression that the whole path must match; the query is free if
    `query`."""

    method: str
    path: str
    query: bool = False


@dataclass(frozen=True, kw_only=True)
class EgressTarget:
    """One server. `host` is the name the sandbox uses, `base_url` where it is (scheme, host and port only).

    `credential` returns the headers to add, anew for each request; they never reach the sandbox.
    """

    host: str
    base_url: str
    allow: Sequence[AllowedRequest]
    credential: Callable[[], Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class EgressLimits:
    """How much one call may ask for."""

    requests: int = 50
    request_bytes: int = 1 << 20
    response_bytes: int = 4 << 20
    request_seconds: float = 20.0


@dataclass(frozen=True, kw_only=True)
class EgressRecord:
    """One request as it is recorded: no query, no headers, no bodies. `status` is the server's, None if it was not
    asked."""

    host: str
    method: str
    path: str
    allowed: bool
    reason: str
    status: int | None = None
    request_bytes: int = 0
    response_bytes: int = 0


Recorder = Callable[[EgressRecord], Awaitable[None]]


class _Refused(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class _Egress:
    """Answers the requests of one call."""

    def __init__(
        self, client: ClientSession, targets: Sequence[EgressTarget], limits: EgressLimits, record: Recorder
    ) -> None:
        self._client = client
        self._targets = {target.host.lower(): target for target in targets}
        self._limits = limits
        self._record = record
        self._left = limits.requests

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request from the sandbox."""
        host = request.headers.get("Host", "").lower()
        path, _, query = request.raw_path.partition("?")
        row = EgressRecord(
            host=host[:255], method=request.method[:16], path=path[:1024], allowed=False, reason="answered"
        )
        try:
            target = self._check(host, request.method, path, query)
            body = await self._read_body(request)
            row = replace(row, allowed=True, request_bytes=len(body))
            status, headers, content = await self._forward(target, request, body)
        except _Refused as refused:
            await self._record(replace(row, reason=refused.reason))
            return _error(refused.status, refused.reason)
        await self._record(replace(row, status=status, response_bytes=len(content)))
        return web.Response(status=status, body=content, headers=headers)

    def _check(self, host: str, method: str, path: str, query: str) -> EgressTarget:
        self._left -= 1
        if self._left < 0:
            raise _Refused(429, "too_many_requests")
        target = self._targets.get(host)
        if target is None:
            raise _Refused(403, "host_not_allowed")
        if not path.startswith("/") or _AMBIGUOUS.search(path):
            raise _Refused(403, "ambiguous_path")
        for allowed in target.allow:
            if allowed.method == method and re.fullmatch(allowed.path, path) and (allowed.query or not query):
                return target
        raise _Refused(403, "request_not_allowed")

    async def _read_body(self, request: web.BaseRequest) -> bytes:
        body = bytearray()
        async for piece in request.content.iter_chunked(_PIECE):
            body += piece
            if len(body) > self._limits.request_bytes:
                raise _Refused(413, "request_too_large")
        return bytes(body)

    async def _forward(
        self, target: EgressTarget, request: web.BaseRequest, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in request.headers.items() if name.lower() in _PASSED_ON}
        headers |= target.credential()
        # Sent as it was checked: nothing may decode or normalise the path in between.
        url = URL(target.base_url.rstrip("/") + request.raw_path, encoded=True)
        try:
            async with self._client.request(
                request.method, url, headers=headers, data=body or None, allow_redirects=False
            ) as answer:
                content = bytearray()
                async for piece in answer.content.iter_chunked(_PIECE):
                    content += piece
                    if len(content) > self._limits.response_bytes:
                        raise _Refused(502, "response_too_large")
                back = {name: value for name, value in answer.headers.items() if name.lower() in _PASSED_BACK}
                return answer.status, back, bytes(content)
        except TimeoutError:
            raise _Refused(504, "too_slow") from None
        except ClientError:
            raise _Refused(502, "server_unreachable") from None


def _error(status: int, reason: str) -> web.Response:
    return web.json_response({"error": reason}, status=status)


@asynccontextmanager
async def open_egress_door(
    folder: Path, targets: Sequence[EgressTarget], record: Recorder, limits: EgressLimits | None = None
) -> AsyncGenerator[Path]:
    """A unix socket below `folder` that leads to `targets` and nowhere else; closed at the end of the block."""
    limits = limits or EgressLimits()
    timeout = ClientTimeout(total=limits.request_seconds)
    # No environment: a proxy or .netrc of this machine has no business in a tool's request.
    async with ClientSession(timeout=timeout, trust_env=False) as client:
        egress = _Egress(client, targets, limits, record)
        runner = web.ServerRunner(web.Server(egress.answer, access_log=None))
        await runner.setup()
        async with private_socket(folder) as listening:
            try:
                await web.SockSite(runner, listening.socket).start()
                yield listening.path
            finally:
                await asyncio.shield(runner.cleanup())
