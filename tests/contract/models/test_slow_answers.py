"""Slow is not dead: an answer that comes is never cut, silence is, and what is cut is ended on the server too."""

import asyncio
from collections.abc import Callable

import pytest

from overseen.models import ModelRoute, RouteProfile, RouteUnavailable
from overseen.models.litellm_route import LitellmRoute
from overseen.models.openai_route import OpenAIRoute
from overseen.models.patience import IdleLimits
from tests.contract.models.conftest import Blobs, ask, server
from tests.contract.models.streams import Trickling, chunk, stream_of
from tests.waiting import until

TEXT = '{"kind": "car", "amount": "642.50"}'
BuildRoute = Callable[..., ModelRoute]


@pytest.fixture(params=["openai", "litellm"])
def route_to(request: pytest.FixtureRequest) -> BuildRoute:
    def build(url: str, *, first: float, idle: float) -> ModelRoute:
        limits, regions = IdleLimits(first_token_seconds=first, idle_seconds=idle), frozenset({"local"})
        if request.param == "openai":
            profile = RouteProfile(name="tried", model="qwen", regions=regions)
            return OpenAIRoute(profile, url, blobs=Blobs(), limits=limits)
        profile = RouteProfile(name="tried", model="openai/qwen", regions=regions)
        return LitellmRoute(profile, blobs=Blobs(), api_key="key-1", base_url=url, limits=limits)

    return build


async def warmed(route_to: BuildRoute) -> None:
    """litellm takes seconds to import; that must not be measured here."""
    slow = Trickling(stream_of(TEXT), rest=0)
    async with server(slow) as url:
        route = route_to(url, first=60, idle=60)
        await route.complete(ask())
        await route.close()


async def test_an_answer_that_comes_slowly_is_waited_for(route_to: BuildRoute) -> None:
    await warmed(route_to)
    heard: list[int] = []
    slow = Trickling(stream_of(TEXT), rest=0.2)
    async with server(slow) as url:
        route = route_to(url, first=1.0, idle=1.0)
        answer = await route.complete(ask(), heard.append)
        await route.close()
    # More than twice as long as any limit, in one try.
    assert answer.seconds > 2.0
    assert answer.text == TEXT
    assert (slow.asked, slow.cut) == (1, 0)
    assert (answer.input_tokens, answer.output_tokens, answer.cached_tokens) == (50, 9, 40)
    assert heard == sorted(heard)
    assert heard[-1] == 7


async def test_a_server_may_take_long_to_begin(route_to: BuildRoute) -> None:
    await warmed(route_to)
    slow = Trickling(stream_of(TEXT), rest=0, first_rest=1.5)
    async with server(slow) as url:
        route = route_to(url, first=10, idle=0.5)
        assert (await route.complete(ask())).text == TEXT
        await route.close()


async def test_silence_in_the_middle_of_an_answer_is_cut_and_ended_on_the_server(route_to: BuildRoute) -> None:
    await warmed(route_to)
    hanging = Trickling([chunk({"content": "a"}), chunk({"content": "b"})], rest=0)
    hanging.last_rest = 60
    async with server(hanging) as url:
        route = route_to(url, first=10, idle=0.5)
        with pytest.raises(RouteUnavailable, match="fell silent") as caught:
            await route.complete(ask())
        await until(lambda: hanging.busy == 0)
        await route.close()
    assert caught.value.usage is not None
    assert caught.value.usage.output_tokens == 2


async def test_a_server_that_never_begins_is_cut(route_to: BuildRoute) -> None:
    await warmed(route_to)
    hanging = Trickling([], rest=0, first_rest=60)
    async with server(hanging) as url:
        route = route_to(url, first=0.5, idle=10)
        with pytest.raises(RouteUnavailable, match="did not begin"):
            await route.complete(ask())
        await until(lambda: hanging.busy == 0)
        await route.close()


async def test_a_call_that_is_given_up_ends_on_the_server(route_to: BuildRoute) -> None:
    await warmed(route_to)
    slow = Trickling(stream_of(TEXT), rest=0.2)
    async with server(slow) as url:
        route = route_to(url, first=10, idle=10)
        call = asyncio.create_task(route.complete(ask()))
        await until(lambda: slow.busy == 1)
        await asyncio.sleep(0.3)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: slow.busy == 0)
        await route.close()
    assert slow.cut == 1
