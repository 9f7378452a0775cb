"""The tracer: OpenTelemetry spans with attributes that OTLP backends and Langfuse both understand.

A run's trace lives longer than any process: a run is parked for days and resumed elsewhere. So the ids of trace and
root span follow from the run's id, the root is written at once when the run starts, and everything later names it as
its parent. The parent is kept in a variable of our own, because libraries that trace themselves move OpenTelemetry's.
"""

import asyncio
import contextlib
import json
import logging
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from overseen.domain.canonical import canonical_json, digest_bytes
from overseen.errors import OverseenError
from overseen.tracing import attributes as names
from overseen.tracing.masking import masked_json, without_secrets
from overseen.tracing.port import (
    AttributeValue,
    GenerationDetails,
    Observation,
    ObservationKind,
    RunTrace,
    TraceReference,
    trace_of_run,
)

_SCOPE = "overseen"
_FLUSH_SECONDS = 3.0
_log = logging.getLogger(__name__)

_chosen_ids: ContextVar[TraceReference | None] = ContextVar("overseen_chosen_ids", default=None)
_current: ContextVar[Context | None] = ContextVar("overseen_current_observation", default=None)


class ChosenIds(IdGenerator):
    """Random ids, except for the root of a run, whose ids follow from the run's id."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()

    def generate_span_id(self) -> int:
        """16 hexadecimal digits as a number."""
        chosen = _chosen_ids.get()
        return int(chosen.root_span_id, 16) if chosen else self._random.generate_span_id()

    def generate_trace_id(self) -> int:
        """32 hexadecimal digits as a number."""
        chosen = _chosen_ids.get()
        return int(chosen.trace_id, 16) if chosen else self._random.generate_trace_id()


class OpenTelemetryTracer:
    """Tracer on one TracerProvider, which must have been made with ChosenIds and is never the global one.

    `content` says whether inputs and outputs are exported (masked) or only their digests and sizes.
    """

    def __init__(self, provider: TracerProvider, *, content: bool = False) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(_SCOPE)
        self._content = content

    def begin_run(self, run: RunTrace) -> TraceReference:
        """See Tracer."""
        reference = trace_of_run(run.run_id)
        token = _chosen_ids.set(reference)
        try:
            span = self._tracer.start_span(
                run.playbook,
                context=Context(),
                kind=SpanKind.INTERNAL,
                attributes={
                    names.RUN_ID: run.run_id,
                    names.TASK_ID: run.task_id,
                    names.PLAYBOOK: run.playbook,
                    names.REGION: run.region,
                    names.LANGFUSE_TYPE: ObservationKind.CHAIN.value,
                    names.LANGFUSE_TRACE_NAME: run.playbook,
                    names.LANGFUSE_TRACE_TAGS: (run.playbook, run.region),
                    names.LANGFUSE_SESSION: run.task_id,
                },
            )
        finally:
            _chosen_ids.reset(token)
        span.end()
        return reference

    @contextmanager
    def observe(
        self,
        kind: ObservationKind,
        name: str,
        *,
        run_id: str,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Generator[Observation]:
        """See Tracer."""
        span = self._tracer.start_span(
            name,
            context=_parent(run_id),
            attributes={names.LANGFUSE_TYPE: kind.value, names.RUN_ID: run_id, **_clean(attributes or {})},
        )
        token = _current.set(set_span_in_context(span, Context()))
        observation = _SpanObservation(span, self._content)
        try:
            yield observation
        except BaseException as error:
            if not _is_no_error(error):
                observation.fail(error.code if isinstance(error, OverseenError) else type(error).__name__)
            raise
        finally:
            _current.reset(token)
            span.end()

    async def close(self) -> None:
        """See Tracer."""
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def shut_down() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop may be gone by now
                loop.call_soon_threadsafe(done.set)

        # A daemon: a thread of the pool would hold up the end of the process for as long as the server hangs.
        threading.Thread(target=shut_down, name="tracing-shutdown", daemon=True).start()
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await done.wait()
        except TimeoutError:
            _log.warning("The trace server did not take the last spans in time; the journal has everything.")


def _parent(run_id: str) -> Context:
    reference = trace_of_run(run_id)
    current = _current.get()
    if current is not None and get_current_span(current).get_span_context().trace_id == int(reference.trace_id, 16):
        return current
    root = SpanContext(
        trace_id=int(reference.trace_id, 16),
        span_id=int(reference.root_span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return set_span_in_context(NonRecordingSpan(root), Context())


def _is_no_error(error: BaseException) -> bool:
    """An interrupt of a graph is a wish for an answer, and a cancelled task was told to stop."""
    graphs = sys.modules.get("langgraph.errors")
    return isinstance(error, asyncio.CancelledError) or (graphs is not None and isinstance(error, graphs.GraphBubbleUp))


def _clean(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    return {name: without_secrets(value) if isinstance(value, str) else value for name, value in attributes.items()}


class _SpanObservation:
    def __init__(self, span: Span, content: bool) -> None:
        self._span = span
        self._content = content

    def set(self, attributes: Mapping[str, AttributeValue]) -> None:
        self._span.set_attributes(_clean(attributes))

    def content(self, *, given: Any = None, came: Any = None) -> None:
        if given is not None:
            self._one(given, (names.LANGFUSE_INPUT, names.INPUT_DIGEST, names.INPUT_BYTES))
        if came is not None:
            self._one(came, (names.LANGFUSE_OUTPUT, names.OUTPUT_DIGEST, names.OUTPUT_BYTES))

    def _one(self, value: Any, attribute_names: tuple[str, str, str]) -> None:
        whole, sha256, size = attribute_names
        raw = canonical_json(value)
        self._span.set_attributes({sha256: digest_bytes(raw), size: len(raw)})
        if self._content:
            self._span.set_attribute(whole, masked_json(value))

    def generation(self, details: GenerationDetails) -> None:
        cost = float(details.cost_usd)
        usage = {"input": details.input_tokens - details.cached_tokens, "output": details.output_tokens}
        if details.cached_tokens:
            usage["input_cached_tokens"] = details.cached_tokens
        self._span.set_attributes(
            {
                names.GEN_AI_OPERATION: "chat",
                names.GEN_AI_REQUEST_MODEL: details.model,
                names.GEN_AI_INPUT_TOKENS: details.input_tokens,
                names.GEN_AI_OUTPUT_TOKENS: details.output_tokens,
                names.GEN_AI_FINISH_REASONS: (details.finish_reason,),
                names.ROUTE: details.route,
                names.LANGFUSE_MODEL: details.model,
                names.LANGFUSE_USAGE: json.dumps(usage),
                names.LANGFUSE_COST: json.dumps({"total": cost}),
            }
        )
        if details.prompt_name and details.prompt_version:
            self._span.set_attributes(
                {
                    names.PROMPT_NAME: details.prompt_name,
                    names.PROMPT_VERSION: details.prompt_version,
                    names.LANGFUSE_PROMPT_NAME: details.prompt_name,
                    names.LANGFUSE_VERSION: details.prompt_version,
                }
            )

    def fail(self, code: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, code))
        self._span.set_attributes({names.ERROR_CODE: code, names.LANGFUSE_LEVEL: "ERROR", names.LANGFUSE_STATUS: code})
