"""Whatever a server sends, the reader gives an answer or one of our errors."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overseen.models import Message, MessageRole, ModelError, ModelRequest, RouteMisconfigured, RouteProfile
from overseen.models.answer_reader import AnswerReader
from overseen.models.errors import RouteUnavailable
from overseen.models.patience import IdleLimits, Patience
from overseen.models.sse import DONE, json_messages
from overseen.models.types import ModelAnswer

PROFILE = RouteProfile(name="tried", model="qwen", regions=frozenset({"local"}))
REQUEST = ModelRequest(
    run_id="run_1",
    step_id="step_1",
    agent="extractor",
    purpose="extract",
    messages=(Message(role=MessageRole.USER, text="A letter."),),
    max_tokens=100,
    region="local",
)
ALLOWED = (RouteUnavailable, RouteMisconfigured, ModelError)

NAMES = st.sampled_from(
    [
        *("choices", "delta", "message", "content", "text", "type", "value", "index", "finish_reason", "logprobs"),
        *("token", "bytes", "logprob", "usage", "prompt_tokens", "completion_tokens", "prompt_tokens_details"),
        *("cached_tokens", "error", "code", "status", "object", "model", "refusal", "tool_calls"),
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**300, max_value=10**320),
    st.floats(),
    st.text(alphabet=st.characters(), max_size=8),
    st.sampled_from(["stop", "length", "error", "text", "\ud83d", "\x00", "assistant", "9" * 400, "-inf", "nan"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=5)),
    max_leaves=12,
)
TOKENS = st.lists(st.one_of(VALUES, st.fixed_dictionaries({"token": SCALARS, "logprob": SCALARS, "bytes": VALUES})))
CHOICES = st.lists(
    st.one_of(
        VALUES,
        st.fixed_dictionaries(
            {},
            optional={
                "delta": st.one_of(VALUES, st.fixed_dictionaries({"content": VALUES})),
                "message": st.one_of(VALUES, st.fixed_dictionaries({"content": VALUES})),
                "finish_reason": VALUES,
                "logprobs": st.one_of(VALUES, st.fixed_dictionaries({"content": TOKENS})),
            },
        ),
    ),
    max_size=2,
)
CHUNKS = st.one_of(
    VALUES,
    st.fixed_dictionaries({"choices": CHOICES}, optional={"usage": VALUES, "model": VALUES, "error": VALUES}),
)


def check(answer: ModelAnswer) -> None:
    """What comes out can be stored: text that encodes, counts that fit, numbers that are numbers."""
    for text in (answer.text, answer.model, answer.finish_reason, *(token.token for token in answer.tokens)):
        text.encode()
    assert answer.text
    assert len(answer.model) <= 120
    assert 0 <= answer.input_tokens < 2**31
    assert 0 <= answer.output_tokens < 2**31
    assert all(token.logprob <= 0 for token in answer.tokens)


@settings(max_examples=300, deadline=None)
@given(chunks=st.lists(CHUNKS, max_size=4), ends=st.booleans())
def test_whatever_a_server_sends_is_an_answer_or_one_of_our_errors(chunks: list[Any], ends: bool) -> None:
    reader = AnswerReader(PROFILE, REQUEST)
    try:
        for chunk in chunks:
            reader.take(chunk)
        if ends:
            reader.end_of_stream()
        check(reader.answer(1.0))
    except ALLOWED:
        return


LINES = st.one_of(
    st.binary(max_size=40),
    CHUNKS.map(lambda value: b"data: " + json.dumps(value).encode()),
    st.sampled_from([b"", b"data: [DONE]", b"data:", b": hello", b"event: error", b"{", b"[", b"<p>", b"\xff\xfe"]),
)


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(LINES, max_size=8), end=st.sampled_from([b"\n", b"\r\n", b"\n\n"]), size=st.integers(1, 50))
def test_whatever_bytes_come_are_messages_or_one_of_our_errors(lines: list[bytes], end: bytes, size: int) -> None:
    content = end.join(lines)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(content), size):
            yield content[at : at + size]

    async def read() -> None:
        reader = AnswerReader(PROFILE, REQUEST)
        patience = Patience(IdleLimits())
        try:
            async for message in json_messages(pieces(), patience, "tried"):
                if message is DONE:
                    reader.end_of_stream()
                    break
                reader.take(message)
            check(reader.answer(1.0))
        except ALLOWED:
            return

    asyncio.run(read())


def test_a_message_may_hold_characters_that_other_splitters_take_for_ends_of_lines() -> None:
    async def read() -> list[Any]:
        async def pieces() -> AsyncIterator[bytes]:
            yield 'data: {"a": "x\u2028y\x85z"}\n\n'.encode()

        return [item async for item in json_messages(pieces(), Patience(IdleLimits()), "tried")]

    assert asyncio.run(read()) == [{"a": "x\u2028y\x85z"}]


@pytest.mark.parametrize("count", [True, -1, "1" * 400, float("nan"), 10**12, "1.5", [1]])
def test_a_count_that_makes_no_sense_is_estimated(count: Any) -> None:
    reader = AnswerReader(PROFILE, REQUEST)
    reader.take({"choices": [{"message": {"content": "abcdefgh"}}], "usage": {"completion_tokens": count}})
    reader.end_of_stream()
    assert reader.answer(1.0).output_tokens == 2


@pytest.mark.parametrize("count", [10**400, -1, float("nan"), True, "9" * 5000, [], {}])
def test_a_count_of_tokens_that_cannot_be_is_estimated_instead(count: Any) -> None:
    reader = AnswerReader(PROFILE, REQUEST)
    reader.take({"choices": [{"message": {"content": '{"kind": "car"}'}, "finish_reason": "stop"}]})
    reader.take({"choices": [], "usage": {"prompt_tokens": count, "completion_tokens": count}})
    reader.end_of_stream()
    check(reader.answer(1.0))


@pytest.mark.parametrize("content", [{"type": []}, [{"type": {}}], [{"type": 1, "text": "x"}]])
def test_a_part_of_no_known_kind_is_no_crash(content: Any) -> None:
    reader = AnswerReader(PROFILE, REQUEST)
    with contextlib.suppress(*ALLOWED):
        reader.take({"choices": [{"delta": {"content": content}, "finish_reason": "stop"}]})
        reader.end_of_stream()
        check(reader.answer(1.0))
