"""Servers that answer a little differently are read, or count as a route that failed; nothing else comes out."""

import json
from typing import Any

import pytest
from aiohttp import web

from overseen.models import AnswerCut, ModelRoute, RouteMisconfigured, RouteProfile, RouteUnavailable
from overseen.models.openai_route import OpenAIRoute
from overseen.models.patience import IdleLimits
from tests.contract.models.conftest import Blobs, Handler, answering, ask, completion, server
from tests.contract.models.streams import chunk, pieces, raw, sse, stream_of, usage_chunk

TEXT = '{"kind": "car", "amount": "642.50"}'
LIMITS = IdleLimits(first_token_seconds=5.0, idle_seconds=5.0)


def route_to(url: str, *, stream: bool = True) -> ModelRoute:
    profile = RouteProfile(name="tried", model="qwen", regions=frozenset({"local"}))
    return OpenAIRoute(profile, url, blobs=Blobs(), limits=LIMITS, stream=stream)


async def answer_of(handler: Handler, *, stream: bool, **asked: Any) -> Any:
    async with server(handler) as url:
        route = route_to(url, stream=stream)
        try:
            return await route.complete(ask(**asked))
        finally:
            await route.close()


def message(**parts: Any) -> dict[str, Any]:
    body = completion(TEXT)
    body["choices"][0]["message"] = {"role": "assistant", **parts}
    return body


def with_choice(**parts: Any) -> dict[str, Any]:
    body = completion(TEXT)
    body["choices"][0] |= parts
    return body


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def streamed(*messages: Any, done: bool = True) -> Handler:
    return raw(sse(messages, done=done))


WORDS = [chunk({"content": piece}) for piece in pieces(TEXT)]
PING = "event: ping\nid: 3\nretry: 10\n\n"
OTHER = {"index": 1, "delta": {"content": "x"}}
STOP = chunk(finish_reason="stop")

READ: dict[str, tuple[bool, Handler]] = {
    "whole: content in parts": (False, answering(message(content=[{"type": "text", "text": TEXT}]))),
    "whole: content in parts of text": (False, answering(message(content=[TEXT[:9], {"text": {"value": TEXT[9:]}}]))),
    "whole: thoughts beside the text": (
        False,
        answering(message(content=[{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": TEXT}])),
    ),
    "whole: no finish reason": (False, answering(with_choice(finish_reason=None))),
    "whole: logprobs null": (False, answering(with_choice(logprobs=None))),
    "whole: logprobs without content": (False, answering(with_choice(logprobs={"content": None}))),
    "whole: one logprob null": (
        False,
        answering(with_choice(logprobs={"content": [{"token": TEXT, "logprob": None, "bytes": None}]})),
    ),
    "whole: logprobs of another shape": (False, answering(with_choice(logprobs={"content": [7, "x", None, {}]}))),
    "whole: usage as text": (False, answering(completion(TEXT) | {"usage": "59 tokens"})),
    "whole: usage with texts": (
        False,
        answering(completion(TEXT) | {"usage": {"prompt_tokens": "50", "completion_tokens": "nine"}}),
    ),
    "whole: usage null": (False, answering(completion(TEXT) | {"usage": None})),
    "whole: usage missing": (False, answering(without(completion(TEXT), "usage"))),
    "whole: usage beyond reason": (False, answering(completion(TEXT) | {"usage": {"prompt_tokens": 10**30}})),
    "whole: details null": (
        False,
        answering(completion(TEXT) | {"usage": {"prompt_tokens": 50, "prompt_tokens_details": None}}),
    ),
    "whole: model is no name": (False, answering(completion(TEXT) | {"model": ["qwen"]})),
    "whole: JSON called text": (False, raw(json.dumps(completion(TEXT)), "text/plain")),
    "whole: JSON over many lines": (False, raw(json.dumps(completion(TEXT), indent=2), "application/json")),
    "whole: with a byte order mark": (False, raw(b"\xef\xbb\xbf" + json.dumps(completion(TEXT)).encode())),
    "whole, though a stream was asked for": (True, answering(completion(TEXT))),
    "stream, though none was asked for": (False, streamed(*stream_of(TEXT))),
    "stream": (True, streamed(*stream_of(TEXT))),
    "stream: called JSON": (True, raw(sse(stream_of(TEXT)), "application/json")),
    "stream: comments and other fields": (
        True,
        streamed(
            ": keep-alive\n\n", *stream_of(TEXT)[:3], "event: ping\nid: 3\nretry: 10\n\n", ":\n\n", *stream_of(TEXT)[3:]
        ),
    ),
    "stream: without spaces, with carriage returns": (
        True,
        raw(sse(stream_of(TEXT)).replace("data: ", "data:").replace("\n", "\r\n")),
    ),
    "stream: no DONE": (True, streamed(*stream_of(TEXT), done=False)),
    "stream: no DONE and no empty line at the end": (True, raw(sse(stream_of(TEXT), done=False).rstrip("\n"))),
    "stream: no finish reason": (True, streamed(*WORDS)),
    "stream: no usage": (True, streamed(*WORDS, STOP)),
    "stream: usage in every chunk": (
        True,
        streamed(*[item | {"usage": {"prompt_tokens": 50, "completion_tokens": 9}} for item in WORDS], STOP),
    ),
    "stream: empty choices in between": (
        True,
        streamed(WORDS[0], usage_chunk(None), chunk() | {"choices": None}, *WORDS[1:], STOP, usage_chunk()),
    ),
    "stream: progress of reading first": (
        True,
        streamed(chunk({"role": "assistant"}, prompt_progress={"total": 9, "processed": 4}), *stream_of(TEXT)),
    ),
    "stream: content in parts": (True, streamed(chunk({"content": [{"type": "text", "text": TEXT}]}), STOP)),
    "stream: thoughts first": (True, streamed(chunk({"reasoning_content": "Hm."}), *stream_of(TEXT))),
    "stream: delta null": (True, streamed(chunk() | {"choices": [{"index": 0, "delta": None}]}, *stream_of(TEXT))),
    "stream: a whole message last": (
        True,
        streamed(*WORDS, chunk() | {"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]}),
    ),
    "stream: other choices beside ours": (
        True,
        streamed(
            *[item | {"choices": [{"index": 1, "delta": {"content": "x"}}, *item["choices"]]} for item in WORDS], STOP
        ),
    ),
}


@pytest.mark.parametrize("name", READ)
async def test_what_can_be_understood_is_read(name: str) -> None:
    stream, handler = READ[name]
    answer = await answer_of(handler, stream=stream, logprobs=True)
    assert answer.text == TEXT
    assert answer.finish_reason == "stop"
    assert answer.model == "qwen"
    # Nothing is free: what a server does not tell is estimated.
    assert answer.input_tokens > 0
    assert answer.output_tokens > 0


ERROR = {"error": {"message": "no: Jane Miller wrote", "type": "overloaded_error"}}
FAILED: dict[str, tuple[bool, Handler, type[Exception]]] = {
    "whole: an error with 200": (False, answering(ERROR), RouteUnavailable),
    "whole: an error that is text": (False, answering({"error": "Jane Miller is busy"}), RouteUnavailable),
    "whole: an error object": (False, answering({"object": "error", "message": "Jane", "code": 503}), RouteUnavailable),
    "whole: a refused key with 200": (False, answering({"error": {"code": 401}}), RouteMisconfigured),
    "whole: choices empty": (False, answering(completion(TEXT) | {"choices": []}), RouteUnavailable),
    "whole: choices null": (False, answering(completion(TEXT) | {"choices": None}), RouteUnavailable),
    "whole: choices are text": (False, answering(completion(TEXT) | {"choices": "none"}), RouteUnavailable),
    "whole: a choice is null": (False, answering(completion(TEXT) | {"choices": [None]}), RouteUnavailable),
    "whole: message null": (False, answering(with_choice(message=None)), RouteUnavailable),
    "whole: content null": (False, answering(message(content=None)), RouteUnavailable),
    "whole: content is a number": (False, answering(message(content=7)), RouteUnavailable),
    "whole: a part is a number": (False, answering(message(content=[{"type": "text", "text": 7}])), RouteUnavailable),
    "whole: a refusal": (False, answering(message(content=None, refusal="Jane: no.")), AnswerCut),
    "whole: a tool call": (
        False,
        answering(message(content=None, tool_calls=[{"id": "1", "function": {"name": "x", "arguments": "{}"}}])),
        RouteUnavailable,
    ),
    "whole: cut without saying so": (
        False,
        answering(with_choice(finish_reason=None) | {"usage": {"prompt_tokens": 50, "completion_tokens": 100}}),
        AnswerCut,
    ),
    "whole: cut, in other words": (False, answering(with_choice(finish_reason="max_tokens")), AnswerCut),
    "whole: the server broke off": (False, answering(with_choice(finish_reason="abort")), RouteUnavailable),
    "whole: a list": (False, answering([completion(TEXT)]), RouteUnavailable),
    "whole: text": (False, raw('"hello"', "application/json"), RouteUnavailable),
    "whole: null": (False, raw("null", "application/json"), RouteUnavailable),
    "whole: nothing": (False, raw("", "application/json"), RouteUnavailable),
    "whole: half of JSON": (False, raw(json.dumps(completion(TEXT))[:60], "application/json"), RouteUnavailable),
    "whole: endless brackets": (False, raw("[" * 100_000, "application/json"), RouteUnavailable),
    "whole: a number too long to read": (False, raw('{"choices": ' + "9" * 5000 + "}"), RouteUnavailable),
    "whole: no text at all": (False, raw(bytes(range(256)) * 4, "application/octet-stream"), RouteUnavailable),
    "whole: a web page": (False, raw("<!doctype html><h1>Jane</h1>", "text/html"), RouteUnavailable),
    "stream: a web page": (True, raw("\n\n <html>Jane</html>", "text/html"), RouteUnavailable),
    "stream: an error first": (True, streamed(ERROR), RouteUnavailable),
    "stream: an error in the middle": (True, streamed(*WORDS[:3], ERROR), RouteUnavailable),
    "stream: it ends in the middle": (True, streamed(*WORDS[:3], done=False), RouteUnavailable),
    "stream: nothing": (True, streamed(done=False), RouteUnavailable),
    "stream: nothing but the end": (True, streamed(), RouteUnavailable),
    "stream: comments only": (True, streamed(": hello\n\n", done=False), RouteUnavailable),
    "stream: half an event": (True, streamed(*WORDS[:3], 'data: {"choices": [{"de\n\n'), RouteUnavailable),
    "stream: numbers for chunks": (True, streamed("data: 7\n\n"), RouteUnavailable),
    "stream: content is a number": (True, streamed(chunk({"content": 7})), RouteUnavailable),
    "stream: a tool call": (
        True,
        streamed(chunk({"tool_calls": [{"index": 0}]}), chunk(finish_reason="tool_calls")),
        RouteUnavailable,
    ),
    "stream: a refusal": (True, streamed(chunk({"refusal": "No, "}), chunk({"refusal": "Jane."}), STOP), AnswerCut),
    "stream: its limit": (True, streamed(*WORDS, chunk(finish_reason="length")), AnswerCut),
    "stream: elsewhere": (True, raw("", status=307), RouteUnavailable),
}


@pytest.mark.parametrize("name", FAILED)
async def test_what_cannot_be_understood_is_a_route_that_failed(name: str) -> None:
    stream, handler, expected = FAILED[name]
    with pytest.raises(expected) as caught:
        await answer_of(handler, stream=stream, logprobs=True)
    assert "Jane" not in str(caught.value)
    assert "tried" in str(caught.value)


async def test_usage_as_text_is_read_where_it_is_a_number() -> None:
    told = {"prompt_tokens": "50", "completion_tokens": 9.0, "prompt_tokens_details": {"cached_tokens": "40"}}
    answer = await answer_of(answering(completion(TEXT) | {"usage": told}), stream=False)
    assert (answer.input_tokens, answer.output_tokens, answer.cached_tokens) == (50, 9, 40)


async def test_probabilities_come_with_the_stream() -> None:
    told = [
        chunk({"content": piece}, logprobs={"content": [{"token": piece, "bytes": None, "logprob": -0.25}]})
        for piece in pieces(TEXT)
    ]
    answer = await answer_of(streamed(*told, STOP, usage_chunk()), stream=True, logprobs=True)
    assert "".join(token.token for token in answer.tokens) == TEXT
    assert {token.logprob for token in answer.tokens} == {-0.25}
    assert answer.cached_tokens == 40


async def test_an_answer_that_is_half_measured_is_not_measured() -> None:
    told = [{"token": "a", "logprob": -0.1}, {"token": "b", "logprob": None}]
    answer = await answer_of(answering(with_choice(logprobs={"content": told})), stream=False, logprobs=True)
    assert answer.tokens == ()


@pytest.mark.parametrize("ends", [["\\ud83d", "\\ude00"], ["\\ud83d\\ude00"]])
async def test_half_an_emoji_in_each_of_two_chunks_is_one(ends: list[str]) -> None:
    said = "".join(f'data: {{"choices": [{{"delta": {{"content": "{end}"}}}}]}}\n\n' for end in ends)
    answer = await answer_of(raw(said + "data: [DONE]\n\n"), stream=True)
    assert answer.text == "\N{GRINNING FACE}"


async def test_half_an_emoji_alone_breaks_nothing() -> None:
    said = 'data: {"choices": [{"delta": {"content": "a\\ud83d"}}], "model": "q\\ud83d"}\n\ndata: [DONE]\n\n'
    answer = await answer_of(raw(said), stream=True)
    assert answer.text == "a\N{REPLACEMENT CHARACTER}"
    answer.model.encode()


async def test_what_was_used_on_a_broken_answer_is_told() -> None:
    with pytest.raises(RouteUnavailable) as caught:
        await answer_of(streamed(*WORDS[:3], done=False), stream=True)
    assert caught.value.usage is not None
    assert caught.value.usage.output_tokens >= 3


async def test_a_server_that_never_stops_sending_is_left() -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        try:
            while True:
                await response.write(b"{" + b" " * (1 << 20))
        except ConnectionError:
            return response

    with pytest.raises(RouteUnavailable):
        await answer_of(flood, stream=True)
