from pathlib import Path
from typing import Any

import pytest

from overseen.errors import Misconfigured
from overseen.models.openai_route import is_loopback
from overseen.models.routes import build_routes, provider_of
from overseen.settings import Settings


class NoBlobs:
    async def get(self, sha256: str) -> bytes:
        raise KeyError(sha256)


def built(*routes: dict[str, Any], environment: dict[str, str] | None = None) -> list[str]:
    settings = Settings.model_validate({"home": Path("home"), "routes": routes})
    return [route.profile.name for route in build_routes(settings, NoBlobs(), environment or {})]


SELF_HOSTED = {"name": "own", "model": "qwen", "base_url": "http://127.0.0.1:1/v1"}
MANAGED = {"name": "managed", "kind": "litellm", "model": "anthropic/claude-sonnet-4-5", "regions": ["us"]}


def test_routes_keep_the_order_of_the_settings() -> None:
    assert built(MANAGED, SELF_HOSTED, environment={"ANTHROPIC_API_KEY": "k"}) == ["managed", "own"]


def test_a_managed_route_without_its_key_is_left_out() -> None:
    assert built(MANAGED, SELF_HOSTED, environment={"OPENAI_API_KEY": "k"}) == ["own"]


def test_a_key_in_the_settings_is_enough() -> None:
    assert built({**MANAGED, "api_key": "k"}) == ["managed"]


def test_a_provider_with_other_credentials_is_left_to_litellm() -> None:
    assert built({**MANAGED, "model": "bedrock/anthropic.claude"}) == ["managed"]


@pytest.mark.parametrize(
    "wrong",
    [
        {**SELF_HOSTED, "base_url": None},
        {**SELF_HOSTED, "kind": "telepathy"},
        {"name": "managed", "kind": "litellm", "model": "openai/gpt", "api_key": "k"},
    ],
)
def test_a_wrong_route_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=wrong["name"]):
        built(wrong)


@pytest.mark.parametrize(
    ("model", "provider"),
    [("anthropic/claude", "anthropic"), ("claude-sonnet", "anthropic"), ("gpt-5", "openai"), ("azure/x/y", "azure")],
)
def test_the_provider_is_read_from_the_model(model: str, provider: str) -> None:
    assert provider_of(model) == provider


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:8/v1", True),
        ("http://localhost/v1", True),
        ("http://[::1]:8/v1", True),
        ("https://api.x.org", False),
    ],
)
def test_servers_on_this_machine_are_known(url: str, own: bool) -> None:
    assert is_loopback(url) is own
