"""What all tests share: real PostgreSQL and OpenBao, and guards against blocking calls and real models."""

import os
from collections.abc import Iterator

import hypothesis
import pytest
from blockbuster import BlockBuster, blockbuster_ctx

pytest_plugins = ["tests.stack_fixtures"]

# A check of a change tries the same inputs each time, so that it says something of the change; elsewhere new ones.
hypothesis.settings.register_profile("same-inputs", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("same-inputs")

# A test says what it needs; what happens to be set on the machine must not decide what it talks to.
_FOREIGN = ("DATABASE_URL", "VAULT_ADDR", "VAULT_TOKEN", "LANGFUSE_", "E2B_API_KEY", "OVERSEEN_", "_API_KEY")


@pytest.fixture(autouse=True, scope="session")
def _plain_environment() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name.endswith(_FOREIGN):
            patch.delenv(name)
    patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _no_blocking_calls(request: pytest.FixtureRequest) -> Iterator[BlockBuster | None]:
    """Unit tests fail on a blocking call inside the event loop."""
    if "unit" not in request.path.parts:
        yield None
        return
    with blockbuster_ctx(scanned_modules=["overseen"]) as guard:
        yield guard


@pytest.fixture(autouse=True)
def _no_model_calls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the marker `llm` a call of a real model is a failure, not a bill."""
    if request.node.get_closest_marker("llm") is not None:
        return

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("A real model was called; mark the test `llm` or use overseen.testing.ScriptedModel.")

    # Importing litellm takes seconds, so it is only patched where a test's modules imported it already.
    import sys

    litellm = sys.modules.get("litellm")
    if litellm is not None:
        monkeypatch.setattr(litellm, "completion", refuse)
        monkeypatch.setattr(litellm, "acompletion", refuse)
