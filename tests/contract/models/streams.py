"""Servers that stream: chunks as OpenAI's format has them, as slowly as a test wants."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import web

from tests.contract.models.conftest import Handler

USAGE = {
    "prompt_tokens": 50,
    "completion_tokens": 9,
    "total_tokens": 59,
    "prompt_tokens_details": {"cached_tokens": 40},
}


def chunk(delta: Any = None, *, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta if delta is not None else {}, "finish_reason": finish_reason}
    for name in ("logprobs",):
        if name in more:
            choice[name] = more.pop(name)
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "qwen", "choices": [choice], **more}


def usage_chunk(usage: Any = USAGE) -> dict[str, Any]:
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "qwen", "choices": [], "usage": usage}


def pieces(text: str, size: int = 5) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def stream_of(text: str, *, usage: Any = USAGE) -> list[Any]:
    """The messages of a well-behaved stream."""
    words = [chunk({"content": piece}) for piece in pieces(text)]
    return [chunk({"role": "assistant", "content": None}), *words, chunk(finish_reason="stop"), usage_chunk(usage)]


def sse(messages: Iterable[Any], *, done: bool = True) -> str:
    """Messages as the body of an event stream; strings go in as they are."""
    said = [item if isinstance(item, str) else f"data: {json.dumps(item)}\n\n" for item in messages]
    return "".join(said) + ("data: [DONE]\n\n" if done else "")


def raw(body: str | bytes, content_type: str = "text/event-stream", status: int = 200) -> Handler:
    """Answers with exactly these bytes."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        content = body.encode() if isinstance(body, str) else body
        return web.Response(body=content, status=status, headers={"Content-Type": content_type})

    return handle


class Trickling:
    """Sends messages one by one with a rest before each. `asked` and `cut` count requests and those we left early."""

    def __init__(self, messages: Sequence[Any], *, rest: float, first_rest: float | None = None) -> None:
        self._messages = messages
        self._rest = rest
        self._first_rest = rest if first_rest is None else first_rest
        self.asked = 0
        self.cut = 0
        self.busy = 0
        self.most_at_once = 0
        self.last_rest = 0.0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.asked += 1
        self.busy += 1
        self.most_at_once = max(self.most_at_once, self.busy)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await response.prepare(request)
            await asyncio.sleep(self._first_rest)
            for message in self._messages:
                await response.write(sse([message], done=False).encode())
                await asyncio.sleep(self._rest)
            await asyncio.sleep(self.last_rest)
            await response.write(b"data: [DONE]\n\n")
        except (ConnectionError, asyncio.CancelledError):
            self.cut += 1
            raise
        finally:
            self.busy -= 1
        return response
