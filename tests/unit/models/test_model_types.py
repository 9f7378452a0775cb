import subprocess
import sys
from decimal import Decimal

import pytest

from overseen.models import Message, MessageRole, ModelRequest, RouteProfile, Usage


def ask(**changes: object) -> ModelRequest:
    return ModelRequest(
        **{  # type: ignore[arg-type]
            "run_id": "run_1",
            "step_id": "step_1",
            "agent": "a",
            "purpose": "p",
            "messages": (Message(role=MessageRole.USER, text="Hello."),),
            "max_tokens": 5,
            "region": "local",
            **changes,
        }
    )


def test_the_same_request_has_the_same_id() -> None:
    assert ask().model_call_id == ask().model_call_id


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "run_2"},
        {"step_id": "step_2"},
        {"purpose": "q"},
        {"ordinal": 1},
        {"max_tokens": 6},
        {"schema": {"type": "object"}},
        {"messages": ()},
    ],
)
def test_any_other_request_has_another_id(change: dict[str, object]) -> None:
    assert ask(**change).model_call_id != ask().model_call_id


def test_prices_are_per_million_tokens() -> None:
    profile = RouteProfile(
        name="r",
        model="m",
        regions=frozenset(),
        input_usd_per_million=Decimal("3"),
        output_usd_per_million=Decimal("15"),
    )
    assert profile.price(1000, 100) == Decimal("0.0045")


def test_usages_add_up() -> None:
    one = Usage(input_tokens=1, output_tokens=2, cached_tokens=1, cost_usd=Decimal("0.1"), seconds=0.5)
    assert one + one == Usage(input_tokens=2, output_tokens=4, cached_tokens=2, cost_usd=Decimal("0.2"), seconds=1.0)


def test_importing_models_prompts_and_tracing_loads_nothing_heavy() -> None:
    heavy = {"litellm", "openai", "langfuse", "prompty", "httpx"}
    code = (
        "import sys, overseen.models, overseen.models.routes, overseen.models.gateway, overseen.prompts, "
        f"overseen.tracing, overseen.tracing.provider; print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
