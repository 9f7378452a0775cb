"""What every ModelRoute adapter must do, against a server that speaks OpenAI's format."""

import asyncio
import math
import socket
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from overseen.models import (
    AnswerCut,
    ImageInput,
    Message,
    MessageRole,
    ModelRoute,
    RequestRejected,
    RouteMisconfigured,
    RouteProfile,
    RouteUnavailable,
    value_confidence,
)
from overseen.models.litellm_route import LitellmRoute
from overseen.models.openai_route import OpenAIRoute
from overseen.models.patience import IdleLimits
from tests.contract.models.conftest import Blobs, answering, ask, completion, server

TEXT = '{"kind": "car", "amount": "642.50"}'
BuildRoute = Callable[..., ModelRoute]


@pytest.fixture(params=["openai", "litellm"])
def route_to(request: pytest.FixtureRequest) -> BuildRoute:
    def build(url: str, *, first: float = 10.0, idle: float = 10.0, stream: bool = False) -> ModelRoute:
        regions = frozenset({"local"})
        limits = IdleLimits(first_token_seconds=first, idle_seconds=idle)
        if request.param == "openai":
            profile = RouteProfile(name="tried", model="qwen", regions=regions, vision=True)
            return OpenAIRoute(profile, url, blobs=Blobs(), api_key="key-1", limits=limits, stream=stream)
        profile = RouteProfile(name="tried", model="openai/qwen", regions=regions, vision=True)
        return LitellmRoute(profile, blobs=Blobs(), api_key="key-1", base_url=url, limits=limits, stream=stream)

    return build


def tokens(*pairs: tuple[str, float]) -> dict[str, Any]:
    return {
        "content": [
            {"token": token, "bytes": list(token.encode()), "logprob": logprob, "top_logprobs": []}
            for token, logprob in pairs
        ]
    }


async def test_text_and_usage_come_back(route_to: BuildRoute) -> None:
    async with server(answering(completion(TEXT))) as url:
        route = route_to(url)
        answer = await route.complete(ask())
        await route.close()
    assert (answer.text, answer.route, answer.finish_reason) == (TEXT, "tried", "stop")
    assert (answer.input_tokens, answer.output_tokens, answer.cached_tokens) == (50, 9, 40)
    assert answer.seconds > 0


async def test_the_schema_the_limit_and_the_key_are_sent(route_to: BuildRoute) -> None:
    seen: list[dict[str, Any]] = []
    keys: list[str | None] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers.get("Authorization"))
        return await answering(completion(TEXT), seen=seen)(request)

    async with server(handle) as url:
        route = route_to(url)
        await route.complete(ask(purpose="read/letter 1"))
        await route.close()
    assert seen[0]["response_format"]["json_schema"]["schema"] == ask().schema
    assert seen[0]["response_format"]["json_schema"]["name"] == "read_letter_1"
    assert (seen[0]["max_tokens"], seen[0]["temperature"]) == (100, 0)
    assert [message["role"] for message in seen[0]["messages"]] == ["system", "user"]
    assert keys == ["Bearer key-1"]


async def test_token_probabilities_come_back_when_asked_for(route_to: BuildRoute) -> None:
    spelled = tokens(
        ("```json\n", -0.5), ('{"kind": "', 0.0), ("car", -0.2), ('", "amount": "', 0.0), ('642.50"}', -0.1)
    )
    async with server(answering(completion(TEXT, logprobs=spelled))) as url:
        route = route_to(url)
        answer = await route.complete(ask(logprobs=True))
        await route.close()
    assert value_confidence(answer, "kind") == pytest.approx(math.exp(-0.2))
    assert value_confidence(answer, "amount") == pytest.approx(math.exp(-0.1))


async def test_an_answer_cut_off_at_its_limit_is_a_failure(route_to: BuildRoute) -> None:
    async with server(answering(completion('{"kind": "car", "am', finish_reason="length"))) as url:
        route = route_to(url)
        with pytest.raises(AnswerCut) as caught:
            await route.complete(ask())
        await route.close()
    assert caught.value.usage.output_tokens == 9


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (500, RouteUnavailable),
        (503, RouteUnavailable),
        (429, RouteUnavailable),
        (401, RouteMisconfigured),
        (404, RouteMisconfigured),
        (400, RequestRejected),
    ],
)
async def test_bad_statuses_say_who_can_act(route_to: BuildRoute, status: int, expected: type[Exception]) -> None:
    body = {"error": {"message": "no: Jane Miller wrote", "type": "some_error", "code": status}}
    async with server(answering(body, status=status)) as url:
        route = route_to(url)
        with pytest.raises(expected) as caught:
            await route.complete(ask())
        await route.close()
    assert "Jane" not in str(caught.value)
    assert "tried" in str(caught.value)


async def test_a_server_that_hangs_is_unavailable_after_the_timeout(route_to: BuildRoute) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with server(hang) as url:
        route = route_to(url, first=0.5)
        with pytest.raises(RouteUnavailable):
            await route.complete(ask())
        await route.close()


async def test_a_server_that_is_not_there_is_unavailable(route_to: BuildRoute) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        route = route_to(f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        with pytest.raises(RouteUnavailable):
            await route.complete(ask())
        await route.close()


async def test_images_are_sent_from_the_blob_store(route_to: BuildRoute) -> None:
    seen: list[dict[str, Any]] = []
    image = Message(role=MessageRole.USER, text="Look.", images=(ImageInput(blob="abc", media_type="image/png"),))
    async with server(answering(completion(TEXT), seen=seen)) as url:
        route = route_to(url)
        await route.complete(ask(messages=(image,)))
        await route.close()
    parts = seen[0]["messages"][0]["content"]
    assert parts[0]["text"] == "Look."
    assert parts[1]["image_url"]["url"] == "data:image/png;base64,Ynl0ZXMgb2YgYWJj"


async def test_a_body_without_an_answer_is_no_answer(route_to: BuildRoute) -> None:
    async with server(answering({**completion(""), "choices": []})) as url:
        route = route_to(url)
        with pytest.raises((RequestRejected, RouteUnavailable)):
            await route.complete(ask())
        await route.close()
