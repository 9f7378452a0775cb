"""Server-sent events as model servers send them: the data of each event, or a body that is no stream at all."""

import json
from collections.abc import AsyncIterator
from typing import Any

from overseen.models.patience import Patience
from overseen.models.route_errors import unavailable

DONE = "[DONE]"
_MAX_BYTES = 32 * 1024 * 1024
"""No answer is longer; a server that sends more is not believed."""


async def json_messages(pieces: AsyncIterator[bytes], patience: Patience, route: str) -> AsyncIterator[Any]:
    """Each JSON value of the body: one when it is a whole answer, one an event when it is a stream.

    Yields DONE when the stream says so. Comments (servers send them to keep connections open) are no sign of life.
    Raises RouteUnavailable for what is neither, TimeoutError when `patience` ends.
    """
    lines = _lines(pieces, patience, route)
    data: list[str] = []
    async for line in lines:
        if line.lstrip()[:1] in ("{", "["):
            whole = [line]
            whole.extend([rest async for rest in lines])
            yield _parsed("\n".join(whole), route)
            yield DONE
            return
        if line.lstrip().startswith("<"):
            raise unavailable(route, "sent a web page in place of an answer")
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            yield _event(data, route)
            data = []
    if data:
        yield _event(data, route)


def _event(data: list[str], route: str) -> Any:
    text = "\n".join(data).strip()
    return DONE if text == DONE else _parsed(text, route)


async def _lines(pieces: AsyncIterator[bytes], patience: Patience, route: str) -> AsyncIterator[str]:
    """Lines of the body. Split by hand: a text may hold characters that other splitters take for ends of lines."""
    pending, size, first = b"", 0, True
    while True:
        async with patience.limit():
            piece = await anext(pieces, None)
        if piece is None:
            break
        size += len(piece)
        if size > _MAX_BYTES:
            raise unavailable(route, "sent more than any answer can hold")
        pending += piece
        *whole, pending = pending.split(b"\n")
        for line in whole:
            yield _text(line, first=first)
            first = False
    if pending:
        yield _text(pending, first=first)


def _text(line: bytes, *, first: bool) -> str:
    text = line.removesuffix(b"\r").decode(errors="replace")
    return text.removeprefix("\ufeff") if first else text


def _parsed(text: str, route: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise unavailable(route, "sent something that is not JSON") from error
