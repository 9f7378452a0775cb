"""A server that speaks OpenAI's format and does what the test says, and a gateway on a real store."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from overseen.journal import Journal
from overseen.models import Message, MessageRole, ModelRequest, PromptReference
from overseen.models.budget import FixedBudget, ModelBudget
from overseen.models.gateway import ModelGateway, build_model_gateway
from overseen.models.types import ModelRoute
from overseen.store import Database, PostgresBlobStore
from overseen.testing import FakeClock
from overseen.tracing.tracer import ChosenIds, OpenTelemetryTracer

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"kind": {"enum": ["car", "home"]}, "amount": {"type": "string"}},
    "required": ["kind", "amount"],
    "additionalProperties": False,
}


@pytest.fixture(autouse=True)
def _no_model_calls() -> None:
    """Routes are tried here against servers of the tests' own on this machine, so litellm is left as it is."""


def ask(**changes: Any) -> ModelRequest:
    return ModelRequest(
        **{
            "run_id": "run_1",
            "step_id": "step_1",
            "agent": "extractor",
            "purpose": "extract",
            "messages": (
                Message(role=MessageRole.SYSTEM, text="Read."),
                Message(role=MessageRole.USER, text="A letter."),
            ),
            "max_tokens": 100,
            "region": "local",
            "schema": SCHEMA,
            "prompt": PromptReference(name="extractor/extract", version="0123456789ab"),
            **changes,
        }
    )


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    """The base URL of a server that handles every chat completion with `handler`."""
    application = web.Application(client_max_size=32 * 1024 * 1024)
    application.router.add_post("/v1/chat/completions", handler)
    # A client that leaves is felt at once, as a model server feels it.
    runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()


def completion(text: str, *, finish_reason: str = "stop", logprobs: Any = None) -> dict[str, Any]:
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "qwen",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": text},
                "logprobs": logprobs,
            }
        ],
        "usage": {
            "prompt_tokens": 50,
            "completion_tokens": 9,
            "total_tokens": 59,
            "prompt_tokens_details": {"cached_tokens": 40},
        },
    }


def answering(body: Any, *, status: int = 200, seen: list[dict[str, Any]] | None = None) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        if seen is not None:
            seen.append(json.loads(await request.read()))
        return web.json_response(body, status=status)

    return handle


class Blobs:
    """Images that a test hands out."""

    async def get(self, sha256: str) -> bytes:
        return f"bytes of {sha256}".encode()


@pytest.fixture
def blobs(database: Database) -> PostgresBlobStore:
    return PostgresBlobStore(database, b"k" * 32)


@pytest.fixture
def journal(database: Database) -> Journal:
    return Journal(database)


BuildGateway = Callable[..., ModelGateway]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def gateway_for(database: Database, journal: Journal, blobs: PostgresBlobStore, clock: FakeClock) -> BuildGateway:
    from opentelemetry.sdk.trace import TracerProvider

    def build(*routes: ModelRoute, tokens: int = 100_000, cost_usd: str = "10") -> ModelGateway:
        return build_model_gateway(
            routes,
            database=database,
            journal=journal,
            blobs=blobs,
            tracer=OpenTelemetryTracer(TracerProvider(id_generator=ChosenIds(), shutdown_on_exit=False)),
            budgets=FixedBudget(ModelBudget(tokens=tokens, cost_usd=Decimal(cost_usd))),
            clock=clock,
        )

    return build
