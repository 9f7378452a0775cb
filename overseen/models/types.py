"""What the model gateway takes and gives, and its two ports: ModelPort (the gateway), ModelRoute (a way to a model)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol

from overseen.domain.canonical import digest
from overseen.domain.identifiers import derived_id
from overseen.domain.messages import ImageInput, Message, MessageRole, PromptReference

__all__ = [
    "ImageInput",
    "Message",
    "MessageRole",
    "ModelAnswer",
    "ModelPort",
    "ModelRequest",
    "ModelRoute",
    "PromptReference",
    "RouteProfile",
    "TokenListener",
    "TokenProbability",
    "Usage",
    "nobody_listens",
]

_MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One question to a model.

    `purpose` names what the answer is for (plan, extract_facts, explain). `ordinal` counts the requests of a step with
    the same purpose from 0, so that the same request made again after a crash has the same id. `schema` is a JSON
    schema the answer must satisfy; None asks for plain text. `max_tokens` bounds the answer; reaching it is a failure.
    `logprobs` asks for the probability of every token, where the route can tell it. `asked_at` is when it was first
    asked: a try that follows keeps its place in the queue.
    """

    run_id: str
    step_id: str
    agent: str
    purpose: str
    messages: tuple[Message, ...]
    max_tokens: int
    region: str
    schema: Mapping[str, Any] | None = None
    ordinal: int = 0
    temperature: float = 0.0
    prompt: PromptReference | None = None
    logprobs: bool = False
    asked_at: datetime | None = field(default=None, compare=False)

    @cached_property
    def digest(self) -> str:
        """Digest of what is asked: messages, schema, limits and prompt version; not of who asks."""
        return digest(
            {
                "messages": self.messages,
                "schema": self.schema,
                "max_tokens": self.max_tokens,
                "temperature": self.temperature,
                "prompt": self.prompt,
                "logprobs": self.logprobs,
            }
        )

    @cached_property
    def model_call_id(self) -> str:
        """The key of the call: the same run, step, purpose, place and content always give the same id."""
        return derived_id("model", self.run_id, self.step_id, self.purpose, self.ordinal, self.digest)

    @property
    def needs_vision(self) -> bool:
        """Whether any message carries an image."""
        return any(message.images for message in self.messages)


@dataclass(frozen=True, kw_only=True)
class TokenProbability:
    """One token of an answer and the natural logarithm of its probability (0 is certain)."""

    token: str
    logprob: float


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one or more requests used. `seconds` is the time spent in routes, without waiting for a turn."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    seconds: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            seconds=self.seconds + other.seconds,
        )


@dataclass(frozen=True, kw_only=True)
class ModelAnswer:
    """What a model answered.

    `data` is the parsed JSON when the request had a schema, else None. `tokens` is empty when the route tells no
    probabilities. `finish_reason` is stop or what the route says. `replayed` is True when the answer was recorded
    before and no model was asked. `cached_tokens` are the input tokens the route already knew.
    """

    text: str
    data: Any = None
    route: str
    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    seconds: float = 0.0
    tokens: tuple[TokenProbability, ...] = ()
    finish_reason: str = "stop"
    model_call_id: str = ""
    replayed: bool = False

    @property
    def usage(self) -> Usage:
        """The answer's part in budgets and totals."""
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cached_tokens=self.cached_tokens,
            cost_usd=self.cost_usd,
            seconds=self.seconds,
        )


@dataclass(frozen=True, kw_only=True)
class RouteProfile:
    """What a route is: its model, where it runs, what it can, what it costs, how many requests it takes at once."""

    name: str
    model: str
    regions: frozenset[str]
    vision: bool = False
    concurrency: int = 1
    context_tokens: int = 8192
    input_usd_per_million: Decimal = Decimal(0)
    output_usd_per_million: Decimal = Decimal(0)

    def price(self, input_tokens: int, output_tokens: int) -> Decimal:
        """US dollars for so many tokens by the prices in the settings."""
        return (input_tokens * self.input_usd_per_million + output_tokens * self.output_usd_per_million) / _MILLION


TokenListener = Callable[[int], None]
"""Told how many tokens of an answer came so far, 0 while the server still reads the question. Must not block."""


def nobody_listens(tokens: int) -> None:
    """The listener of calls whose progress nobody watches."""


class ModelPort(Protocol):
    """Anything that answers a request. The gateway and each of its wrappers are ModelPorts."""

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """The answer. Raises the errors of overseen.models.errors, and Unavailable when the store is down."""
        ...


class ModelRoute(Protocol):
    """A way to one model. Adapters try once, never repair an answer, and never retry."""

    @property
    def profile(self) -> RouteProfile:
        """What the route is; `profile.name` and `profile.regions` decide who may use it."""
        ...

    async def complete(self, request: ModelRequest, listener: TokenListener = nobody_listens) -> ModelAnswer:
        """One try. `listener` is told again and again, as the answer comes, how many tokens there are.

        A slow answer is waited for as long as it comes. Raises RouteUnavailable when the server is down, busy, falls
        silent or cannot be understood; RouteMisconfigured when it refuses our key; RequestRejected when it says no to
        this request; AnswerCut when the answer reached `max_tokens`. `data` stays None: the gateway parses and checks.
        When the call is cancelled the server is made to stop, too.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
