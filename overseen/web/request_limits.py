"""What a request may be, looked at before its body is read: lengths, kinds, and how long it may take."""

import asyncio
import re
import time
from urllib.parse import unquote_to_bytes

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from overseen.api.uploads import MAX_BODY_BYTES, Malformed, TooLarge, takes_files
from overseen.domain.strict_json import NotStrictJson, parse_strict
from overseen.errors import InvalidInput, Unavailable
from overseen.settings import WebLimitSettings
from overseen.web.errors import RequestRefused, answer

_MAX_PATH_BYTES = 2048
_MAX_QUERY_BYTES = 8192
_MAX_HEADER_BYTES = 32_768
_MAX_HEADERS = 100
_MAX_SIGN_IN_BYTES = 16_384

_JSON, _FORM, _FILES = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
_UTF_8 = frozenset({"", "utf-8", "utf8", "us-ascii"})
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]*)", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class AddressTooLong(InvalidInput):
    """The path or query is longer than any of ours."""

    code = "address_too_long"


class HeadersTooLarge(InvalidInput):
    """More or longer headers than any browser sends."""

    code = "headers_too_large"


class WrongType(InvalidInput):
    """A body of a kind that this address does not take."""

    code = "wrong_type"


class TooSlow(Unavailable):
    """A body that comes too slowly, or does not come."""

    code = "too_slow"


class RequestLimits:
    """Refuses what is too long, of the wrong kind or too slow, and closes the connection of every body left unread.

    Bytes are counted while they are read, so that a body without a length is no way round.
    """

    def __init__(self, app: ASGIApp, limits: WebLimitSettings) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            if scope["type"] != "websocket":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        most, seconds = self._bounds(scope, headers)
        body = _BoundedBody(receive, has_body(headers), most, (self._limits.idle_seconds, seconds))
        try:
            _check_head(scope)
            if has_body(headers):
                _check_kind(scope, headers)
                body.check_length(_declared_length(headers))
        except InvalidInput as error:
            await answer(Request(scope), error)(scope, body.receive, body.closing(send))
            return
        await self._app(scope, body.receive, body.closing(send))

    def _bounds(self, scope: Scope, headers: Headers) -> tuple[int, float]:
        """How many bytes the body may have, and within how many seconds it must be here."""
        if scope["path"].startswith("/sign-in"):
            return _MAX_SIGN_IN_BYTES, self._limits.body_seconds
        if takes_files(scope["method"], scope["path"]) and _media_type(headers) == _FILES:
            return MAX_BODY_BYTES, self._limits.upload_seconds
        return self._limits.body_bytes, self._limits.body_seconds


class StrictBodies:
    """Refuses JSON and forms with what nothing behind can store or two readers would read differently.

    Stands behind who may come in: only what a signed-in caller sends is taken into memory, and only up to the limit.
    Forms with files are read by `overseen.web.uploads`, which checks the same.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        kind = _media_type(Headers(scope=scope)) if scope["type"] == "http" else ""
        if kind not in (_JSON, _FORM):
            await self._app(scope, receive, send)
            return
        try:
            body = await _whole(receive)
            if body is None:
                return
            if body:
                _check_content(kind, body)
        except (RequestRefused, InvalidInput) as error:
            await answer(Request(scope), error)(scope, receive, send)
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, again, send)


class _BoundedBody:
    """A request's body, counted and timed while it is read."""

    def __init__(self, receive: Receive, unread: bool, most: int, seconds: tuple[float, float]) -> None:
        self._receive = receive
        self._unread = unread
        self._most = most
        self._idle_seconds, total = seconds
        self._until = time.monotonic() + total
        self._taken = 0

    async def receive(self) -> Message:
        """The next piece. Raises RequestRefused when it is one too many or does not come."""
        if not self._unread:
            return await self._receive()
        patience = min(self._idle_seconds, self._until - time.monotonic())
        try:
            async with asyncio.timeout(max(0.0, patience)):
                message = await self._receive()
        except TimeoutError as error:
            raise RequestRefused(
                TooSlow("The request came too slowly.", not_done="Nothing was stored.", next_step="Send it again.")
            ) from error
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            try:
                self.check_length(self._taken)
            except TooLarge as error:
                raise RequestRefused(error) from error
            self._unread = message.get("more_body", False)
        else:
            self._unread = False
        return message

    def check_length(self, length: int) -> None:
        """Raises TooLarge."""
        if length > self._most:
            raise TooLarge(self._most)

    def closing(self, send: Send) -> Send:
        """`send` that ends the connection where the body was not read to its end: the rest is never taken."""

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and self._unread:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        return send_and_close


def has_body(headers: Headers) -> bool:
    """Whether anything follows the headers."""
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip() != "0"


def _declared_length(headers: Headers) -> int:
    declared = headers.get("content-length", "0").strip()
    if not (declared.isascii() and declared.isdecimal() and len(declared) <= 18):
        raise Malformed("The length of the body is not a number.", not_done="Nothing was done.")
    return int(declared)


def _check_head(scope: Scope) -> None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if len(headers) > _MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > _MAX_HEADER_BYTES:
        raise HeadersTooLarge("The headers are too large.", not_done="Nothing was done.", next_step="Send fewer.")
    query: bytes = scope["query_string"]
    if len(query) > _MAX_QUERY_BYTES or len(scope["path"].encode(errors="replace")) > _MAX_PATH_BYTES:
        raise AddressTooLong("The address is too long.", not_done="Nothing was done.", next_step="Check the address.")
    if "\0" in scope["path"] or b"\0" in unquote_to_bytes(query) or any(_CONTROL.search(value) for _, value in headers):
        raise Malformed("The request holds a NUL or control character.", not_done="Nothing was done.")
    try:
        scope["path"].encode()
    except UnicodeEncodeError as error:
        raise Malformed("The address is not UTF-8.", not_done="Nothing was done.") from error


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_kind(scope: Scope, headers: Headers) -> None:
    """Raises WrongType. Nothing is unpacked here, and text is UTF-8."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    charset = _CHARSET.search(headers.get("content-type", ""))
    allowed = _allowed_kinds(scope)
    if encoding not in ("", "identity") or (charset and charset.group(1).lower() not in _UTF_8):
        raise WrongType("The body is packed or not UTF-8.", not_done="Nothing was done.", next_step="Send it as it is.")
    if _media_type(headers) not in allowed:
        raise WrongType(
            "The body is of a kind that is not taken here.",
            not_done="Nothing was done.",
            next_step=f"Send {' or '.join(sorted(allowed))}.",
        )


def _allowed_kinds(scope: Scope) -> frozenset[str]:
    if takes_files(scope["method"], scope["path"]):
        return frozenset({_FORM, _FILES})
    return frozenset({_JSON}) if scope["path"].startswith("/api/") else frozenset({_FORM})


async def _whole(receive: Receive) -> bytes | None:
    """The body; None when the caller went away before its end."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def _check_content(kind: str, body: bytes) -> None:
    try:
        if kind == _JSON:
            parse_strict(body)
        elif b"\0" in unquote_to_bytes(body):
            raise NotStrictJson("holds a NUL character")
    except NotStrictJson as error:
        raise Malformed(
            f"The body {error.problem}.", not_done="Nothing was done.", next_step="Mend it and send it again."
        ) from error
