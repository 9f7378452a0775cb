"""What the rooms need of tracing: begin a run's trace, and observe one thing that happens in it."""

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

AttributeValue = str | int | float | bool


class ObservationKind(StrEnum):
    """What is observed, in the words of Langfuse."""

    AGENT = "agent"
    GENERATION = "generation"
    TOOL = "tool"
    GUARDRAIL = "guardrail"
    RETRIEVER = "retriever"
    EVALUATOR = "evaluator"
    CHAIN = "chain"
    SPAN = "span"
    EVENT = "event"


@dataclass(frozen=True, kw_only=True)
class TraceReference:
    """Where a run's trace is: 32 and 16 hexadecimal digits, kept in the run's row."""

    trace_id: str
    root_span_id: str


def trace_of_run(run_id: str) -> TraceReference:
    """The trace of a run. It follows from the run's id, so every process, before and after a crash, means the same."""
    material = hashlib.sha256(run_id.encode()).hexdigest()
    return TraceReference(trace_id=material[:32], root_span_id=material[32:48])


@dataclass(frozen=True, kw_only=True)
class RunTrace:
    """What the root of a run's trace says: ids and names of our own making, never content."""

    run_id: str
    task_id: str
    playbook: str
    region: str


@dataclass(frozen=True, kw_only=True)
class GenerationDetails:
    """What a model call adds to its observation. The prompt's version is the digest of its file."""

    model: str
    route: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    finish_reason: str = ""
    prompt_name: str | None = None
    prompt_version: str | None = None


class Observation(Protocol):
    """Something that is happening. It ends when the block that opened it ends."""

    def set(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Add attributes: ids, digests, names of our own making, numbers."""
        ...

    def content(self, *, given: Any = None, came: Any = None) -> None:
        """What went in and what came out, as JSON values: exported as digest and size unless settings allow content."""
        ...

    def generation(self, details: GenerationDetails) -> None:
        """Model, usage, cost and prompt of a model call."""
        ...

    def fail(self, code: str) -> None:
        """Mark as failed. An exception that leaves the block does the same by itself."""
        ...


class Tracer(Protocol):
    """Nothing here ever waits for a server or raises because of one."""

    def begin_run(self, run: RunTrace) -> TraceReference:
        """Write the root of the run's trace. Called once, when the run is first started; again does no harm."""
        ...

    def observe(
        self,
        kind: ObservationKind,
        name: str,
        *,
        run_id: str,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> AbstractContextManager[Observation]:
        """Observe a block: a child of the observation of the same run it stands in, else of the run's root."""
        ...

    async def close(self) -> None:
        """Send what is left, for at most a few seconds, and stop."""
        ...
