"""A door to named paths of named HTTP servers, for one call.

The sandbox speaks HTTP over a unix socket and names the host it wants; this side checks host, method, path and query
against the allow-list, adds the credential and asks the server itself. No redirect is followed, no cookie kept, no
header passed on that could carry an identity, no answer passed back that holds the credential; every request is
recorded, refused or not. TLS is ours: nothing is intercepted.
"""

import asyncio
import logging
import re
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from yarl import URL

from overseen.errors import Defect, OverseenError
from overseen.tools.doors.door_server import DoorServer
from overseen.tools.doors.listening import private_socket

_log = logging.getLogger(__name__)

REFUSAL_HEADER = "Overseen-Door"
"""Set on answers of the door itself, with the reason; never on those of a server."""

_PASSED_ON = frozenset({"accept", "accept-language", "content-type", "if-match", "if-none-match", "idempotency-key"})
_PASSED_BACK = frozenset({"content-type", "etag", "last-modified", "retry-after"})
_AMBIGUOUS = re.compile(r"//|\\|;|%2e|%2f|%5c|%00|[^\x21-\x7e]|(^|/)\.{1,2}(/|$)", re.IGNORECASE)
"""What servers read differently from each other: dot segments, doubled or encoded separators, parameters, odd bytes."""
_PARAMETER = re.compile(r"([A-Za-z0-9_.\-\[\]]{1,64})(?:=[^&;#\s]*)?")
_PIECE = 1 << 16
_LONGEST_TARGET = 4096
_SHORTEST_SECRET = 6
"""Shorter values are found everywhere and cannot be looked for."""


@dataclass(frozen=True, kw_only=True)
class AllowedRequest:
    """One kind of request. `path` is a regular expression that the whole path must match; of the query only the
    parameters named in `query` may be there."""

    method: str
    path: str
    query: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Injection:
    """What is added to a request outside the sandbox; `secrets` are the values in it that no answer may hold."""

    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True)
class EgressTarget:
    """One server. `host` is the name the sandbox uses, `base_url` where it is (scheme, host and port only).

    `credential` gives what to add, anew for each request. `tls` is how the server is to be trusted and, with a client
    certificate in it, who asks; None for the machine's own authorities.
    """

    host: str
    base_url: str
    allow: Sequence[AllowedRequest]
    credential: Callable[[], Injection]
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, kw_only=True)
class EgressLimits:
    """How much one call may ask for, by request and in all. Requests are made one after the other."""

    requests: int = 50
    request_bytes: int = 1 << 20
    response_bytes: int = 4 << 20
    total_bytes: int = 32 << 20
    request_seconds: float = 20.0
    total_seconds: float = 60.0


@dataclass(frozen=True, kw_only=True)
class EgressRecord:
    """One request as it is recorded: no query, no headers, no bodies. `status` is the server's, None if there was no
    answer of it. `count` is above one only for requests that were not even read (malformed, after the last allowed)."""

    host: str
    method: str
    path: str
    allowed: bool
    reason: str
    status: int | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    seconds: float = 0.0
    count: int = 1


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
        self._turn = asyncio.Lock()
        self._requests = 0
        self._bytes = 0
        self._seconds = 0.0
        self._unread = {"malformed": 0, "too_many_requests": 0, "not_served": 0}
        self._not_recorded: OverseenError | None = None
        self._serving: set[asyncio.Task[object]] = set()
        self._writing: set[asyncio.Future[None]] = set()

    @property
    def exhausted(self) -> bool:
        """Whether nothing more is answered: the number of requests is used up, or one could not be recorded."""
        return self._requests > self._limits.requests or self._not_recorded is not None

    def malformed(self) -> None:
        """Something came that is no HTTP request; it counts as one."""
        self._requests += 1
        self._unread["malformed"] += 1

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request from the sandbox."""
        if self.exhausted:
            self._unread["too_many_requests"] += 1
            return _refusal(429, "too_many_requests")
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        self._unread["not_served"] += 1
        async with self._turn:
            self._unread["not_served"] -= 1
            row, response = await self._serve(request)
            await self._write(row)
            return response if self._not_recorded is None else _refusal(503, "not_recorded")

    async def finish(self) -> None:
        """End what is under way, and record what was only counted. Raises the error that kept a request unrecorded."""
        for task in list(self._serving):
            task.cancel()
        if self._serving:
            await asyncio.wait(list(self._serving))
        for reason, count in self._unread.items():
            if count:
                row = EgressRecord(host="", method="", path="", allowed=False, reason=reason, count=count)
                await self._write(row)
        if self._writing:
            await asyncio.wait(list(self._writing))
        if self._not_recorded is not None:
            raise self._not_recorded

    async def _write(self, row: EgressRecord) -> None:
        """Record, also when the call is over meanwhile."""
        writing = asyncio.ensure_future(self._record_or_note(row))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        await asyncio.shield(writing)

    async def _record_or_note(self, row: EgressRecord) -> None:
        try:
            await self._record(row)
        except OverseenError as error:
            self._not_recorded = error
        except Exception as error:  # noqa: BLE001 - raised by finish()
            self._not_recorded = Defect(f"A request could not be recorded ({type(error).__name__}).")
            self._not_recorded.__cause__ = error

    async def _serve(self, request: web.BaseRequest) -> tuple[EgressRecord, web.Response]:
        host = request.headers.get("Host", "").lower()
        path, _, query = request.raw_path.partition("?")
        row = EgressRecord(
            host=_printable(host, 100),
            method=_printable(request.method, 16),
            path=_printable(path, 256),
            allowed=False,
            reason="answered",
        )
        began = time.monotonic()
        try:
            target = self._check(host, request, path, query)
            body = await self._read_body(request)
            row = replace(row, allowed=True, request_bytes=len(body))
            status, headers, content = await self._forward(target, request, body)
        except _Refused as refused:
            seconds = self._spent(began)
            return replace(row, reason=refused.reason, seconds=seconds), _refusal(refused.status, refused.reason)
        except Exception as error:  # noqa: BLE001 - a defect of ours is an answer and a record too
            # The type alone: a message could quote what was sent.
            _log.error("a door failed: %s", type(error).__name__)
            return replace(row, reason="door_failed", seconds=self._spent(began)), _refusal(500, "door_failed")
        except asyncio.CancelledError:
            # The call is over while the server still works on this: it may have done what it was asked.
            await self._write(replace(row, reason="cut_off", seconds=self._spent(began)))
            raise
        row = replace(row, status=status, response_bytes=len(content), seconds=self._spent(began))
        return row, web.Response(status=status, body=content, headers=headers)

    def _spent(self, began: float) -> float:
        seconds = time.monotonic() - began
        self._seconds += seconds
        return round(seconds, 4)

    def _check(self, host: str, request: web.BaseRequest, path: str, query: str) -> EgressTarget:
        self._requests += 1
        if self._requests > self._limits.requests:
            raise _Refused(429, "too_many_requests")
        if self._bytes >= self._limits.total_bytes:
            raise _Refused(429, "too_many_bytes")
        if self._seconds >= self._limits.total_seconds:
            raise _Refused(429, "too_much_time")
        target = self._targets.get(host)
        if target is None:
            raise _Refused(403, "host_not_allowed")
        if len(request.raw_path) > _LONGEST_TARGET or not path.startswith("/") or _AMBIGUOUS.search(path):
            raise _Refused(403, "ambiguous_path")
        for allowed in target.allow:
            if (
                allowed.method == request.method
                and re.fullmatch(allowed.path, path)
                and _query_allowed(query, allowed.query)
            ):
                return target
        raise _Refused(403, "request_not_allowed")

    def _count(self, piece: bytes) -> None:
        self._bytes += len(piece)
        if self._bytes > self._limits.total_bytes:
            raise _Refused(429, "too_many_bytes")

    async def _read_body(self, request: web.BaseRequest) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.request_seconds):
                async for piece in request.content.iter_chunked(_PIECE):
                    body += piece
                    if len(body) > self._limits.request_bytes:
                        raise _Refused(413, "request_too_large")
                    self._count(piece)
        except TimeoutError:
            raise _Refused(408, "too_slow") from None
        except (web.PayloadAccessError, web.RequestPayloadError, ClientError, ValueError, ConnectionError):
            raise _Refused(400, "malformed_body") from None
        return bytes(body)

    async def _forward(
        self, target: EgressTarget, request: web.BaseRequest, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        injection = target.credential()
        headers = {name: value for name, value in request.headers.items() if name.lower() in _PASSED_ON}
        headers |= injection.headers
        # Sent as it was checked: nothing may decode or normalise the path in between.
        url = URL(target.base_url.rstrip("/") + request.raw_path, encoded=True)
        left = min(self._limits.request_seconds, self._limits.total_seconds - self._seconds)
        try:
            async with self._client.request(
                request.method,
                url,
                headers=headers,
                data=body or None,
                allow_redirects=False,
                ssl=target.tls or True,
                timeout=ClientTimeout(total=left),
            ) as answer:
                content = bytearray()
                async for piece in answer.content.iter_chunked(_PIECE):
                    content += piece
                    if len(content) > self._limits.response_bytes:
                        raise _Refused(502, "response_too_large")
                    self._count(piece)
                back = {name: value for name, value in answer.headers.items() if name.lower() in _PASSED_BACK}
        except TimeoutError:
            raise _Refused(504, "too_slow") from None
        except (ClientError, ValueError):
            raise _Refused(502, "server_unreachable") from None
        _refuse_echo(injection.secrets, bytes(content), back)
        return answer.status, back, bytes(content)


def _query_allowed(query: str, names: Sequence[str]) -> bool:
    """Whether every parameter has a name that is allowed, spelt plainly."""
    if not query:
        return True
    found = [_PARAMETER.fullmatch(piece) for piece in query.split("&")]
    return all(match is not None and match[1] in names for match in found)


def _refuse_echo(secrets: Sequence[str], content: bytes, headers: Mapping[str, str]) -> None:
    """Some servers repeat what they were sent; the sandbox must not learn its credential that way."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET and (
            secret.encode() in content or any(secret in value for value in headers.values())
        ):
            raise _Refused(502, "credential_in_answer")


def _printable(text: str, most: int) -> str:
    """What a stranger sent, as it may stand in a journal: ASCII without control characters, cut off."""
    return "".join(sign if "\x21" <= sign <= "\x7e" else f"\\x{ord(sign):02x}" for sign in text[:most])[:most]


def _refusal(status: int, reason: str) -> web.Response:
    response = web.json_response({"error": reason}, status=status, headers={REFUSAL_HEADER: reason})
    if reason in ("too_many_requests", "not_recorded"):
        response.force_close()
    return response


@asynccontextmanager
async def open_egress_door(
    folder: Path, targets: Sequence[EgressTarget], record: Recorder, limits: EgressLimits | None = None
) -> AsyncGenerator[Path]:
    """A unix socket below `folder` that leads to `targets` and nowhere else; closed at the end of the block.

    Leaving the block raises what `record` raised (an OverseenError), for then a request is not in the records.
    """
    # No environment: a proxy or .netrc of this machine has no business in a tool's request.
    async with ClientSession(connector=TCPConnector(limit=4), cookie_jar=DummyCookieJar(), trust_env=False) as client:
        egress = _Egress(client, targets, limits or EgressLimits(), record)
        runner = web.ServerRunner(DoorServer(egress), shutdown_timeout=1.0)
        await runner.setup()
        async with private_socket(folder) as listening:
            try:
                await web.SockSite(runner, listening.socket).start()
                yield listening.path
            finally:
                await asyncio.shield(asyncio.ensure_future(_close(egress, runner)))


async def _close(egress: _Egress, runner: web.ServerRunner) -> None:
    try:
        await egress.finish()
    finally:
        await runner.cleanup()
