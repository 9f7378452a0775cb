"""What a trace server receives: an OTLP collector, and the same as Langfuse through its SDK."""

import asyncio
import base64
import socket
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from overseen.errors import Unavailable
from overseen.settings import Settings
from overseen.testing import CollectedSpan, OtlpCollector
from overseen.tracing import GenerationDetails, ObservationKind, RunTrace, trace_of_run
from overseen.tracing import attributes as names
from overseen.tracing.provider import build_tracer
from overseen.tracing.tracer import OpenTelemetryTracer

RUN = RunTrace(run_id="run_1", task_id="task_1", playbook="claims_intake", region="local")
DETAILS = GenerationDetails(
    model="qwen",
    route="local",
    input_tokens=50,
    output_tokens=9,
    cached_tokens=40,
    cost_usd=Decimal("0.001"),
    finish_reason="stop",
    prompt_name="extractor/read",
    prompt_version="0123456789ab",
)


@pytest.fixture
async def collector() -> AsyncIterator[OtlpCollector]:
    async with OtlpCollector() as running:
        yield running


BuildTracer = Callable[..., OpenTelemetryTracer]


def tracer_to(url: str, sink: str, **tracing: Any) -> OpenTelemetryTracer:
    given: dict[str, Any] = {"home": Path("home"), "tracing": tracing}
    if sink == "otlp":
        given["tracing"] = {"otlp_endpoint": url, **tracing}
    else:
        # The SDK keeps one client a public key for good, so every test has a key of its own.
        given["langfuse"] = {"public_key": f"pk-lf-{uuid4()}", "secret_key": "sk-lf-secret", "host": url}
    return build_tracer(Settings.model_validate(given))


@pytest.fixture(params=["otlp", "langfuse"])
def tracer_for(request: pytest.FixtureRequest) -> BuildTracer:
    return lambda url, **tracing: tracer_to(url, request.param, **tracing)


def named(spans: list[CollectedSpan], name: str) -> CollectedSpan:
    return next(span for span in spans if span.name == name)


def work(tracer: OpenTelemetryTracer, step: str) -> None:
    with (
        tracer.observe(ObservationKind.AGENT, step, run_id="run_1"),
        tracer.observe(ObservationKind.GENERATION, f"{step} thinks", run_id="run_1") as observation,
    ):
        observation.content(given={"letter": "Jane Miller"}, came={"name": "Jane Miller"})
        observation.generation(DETAILS)


async def test_a_run_is_one_tree_across_processes(collector: OtlpCollector, tracer_for: BuildTracer) -> None:
    first, second = tracer_for(collector.url), tracer_for(collector.url)
    reference = first.begin_run(RUN)
    work(first, "extractor")
    await first.close()
    work(second, "policy_lookup")
    await second.close()
    spans = await collector.until(5)
    assert {span.trace_id for span in spans} == {reference.trace_id}
    roots = [span for span in spans if not span.parent_id]
    assert [(root.name, root.span_id) for root in roots] == [("claims_intake", reference.root_span_id)]
    assert {span.name for span in collector.children_of(roots[0])} == {"extractor", "policy_lookup"}
    assert [span.name for span in collector.children_of(named(spans, "extractor"))] == ["extractor thinks"]


async def test_an_interrupted_graph_stays_one_tree_and_is_no_error(
    collector: OtlpCollector, tracer_for: BuildTracer
) -> None:
    tracer = tracer_for(collector.url)

    class State(TypedDict):
        answer: str

    async def think(_: State) -> State:
        with tracer.observe(ObservationKind.GENERATION, "think", run_id="run_1"):
            await asyncio.sleep(0)
        return {"answer": ""}

    async def gate(_: State) -> State:
        with tracer.observe(ObservationKind.SPAN, "gate", run_id="run_1"):
            return {"answer": interrupt("May I?")}

    builder = StateGraph(State)
    builder.add_node("think", think)
    builder.add_node("gate", gate)
    builder.add_edge(START, "think")
    builder.add_edge("think", "gate")
    builder.add_edge("gate", END)
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "run_1"}}

    tracer.begin_run(RUN)
    with tracer.observe(ObservationKind.CHAIN, "first", run_id="run_1"):
        await graph.ainvoke({"answer": ""}, config)
    with tracer.observe(ObservationKind.CHAIN, "second", run_id="run_1"):
        assert (await graph.ainvoke(Command(resume="yes"), config))["answer"] == "yes"
    await tracer.close()

    spans = await collector.until(6)
    assert len({span.trace_id for span in spans}) == 1
    gates = [span for span in spans if span.name == "gate"]
    assert [span.status for span in gates] == [0, 0]
    assert [span.parent_id for span in gates] == [named(spans, "first").span_id, named(spans, "second").span_id]
    assert named(spans, "think").parent_id == named(spans, "first").span_id


async def test_a_generation_names_its_prompt_version_usage_and_cost(
    collector: OtlpCollector, tracer_for: BuildTracer
) -> None:
    tracer = tracer_for(collector.url)
    work(tracer, "extractor")
    await tracer.close()
    found = named(await collector.until(2), "extractor thinks").attributes
    assert (found[names.LANGFUSE_TYPE], found[names.LANGFUSE_MODEL]) == ("generation", "qwen")
    assert (found[names.LANGFUSE_PROMPT_NAME], found[names.LANGFUSE_VERSION]) == ("extractor/read", "0123456789ab")
    assert (found[names.PROMPT_NAME], found[names.PROMPT_VERSION]) == ("extractor/read", "0123456789ab")
    assert found[names.LANGFUSE_USAGE] == '{"input": 10, "output": 9, "input_cached_tokens": 40}'
    assert found[names.LANGFUSE_COST] == '{"total": 0.001}'
    assert found[names.GEN_AI_INPUT_TOKENS] == 50


async def test_content_stays_in_the_house_by_default(collector: OtlpCollector, tracer_for: BuildTracer) -> None:
    tracer = tracer_for(collector.url)
    work(tracer, "extractor")
    await tracer.close()
    found = named(await collector.until(2), "extractor thinks").attributes
    assert names.LANGFUSE_INPUT not in found
    assert (len(found[names.INPUT_DIGEST]), found[names.OUTPUT_BYTES]) == (64, 22)
    assert not any(b"Jane" in body for body in collector.raw)


async def test_content_that_settings_allow_is_masked(collector: OtlpCollector, tracer_for: BuildTracer) -> None:
    tracer = tracer_for(collector.url, content=True)
    with tracer.observe(ObservationKind.TOOL, "read", run_id="run_1") as observation:
        observation.content(given="Jane writes from jane@example.org", came={"token": "hvs.CAESIJlWh3k2mN0pQrStUvWx"})
    await tracer.close()
    found = (await collector.until(1))[0].attributes
    assert found[names.LANGFUSE_INPUT] == '"Jane writes from [personal]"'
    assert not any(b"hvs.CAESIJ" in body for body in collector.raw)


async def test_secrets_in_attributes_are_blacked_out(collector: OtlpCollector, tracer_for: BuildTracer) -> None:
    tracer = tracer_for(collector.url)
    with tracer.observe(
        ObservationKind.TOOL, "read", run_id="run_1", attributes={"note": "hvs.CAESIJlWh3k2mN0pQrStUvWx"}
    ):
        pass
    await tracer.close()
    assert (await collector.until(1))[0].attributes["note"] == "[secret]"


async def test_an_error_shows_its_code_and_not_its_words(collector: OtlpCollector, tracer_for: BuildTracer) -> None:
    tracer = tracer_for(collector.url)
    with pytest.raises(Unavailable), tracer.observe(ObservationKind.TOOL, "read", run_id="run_1"):
        raise Unavailable("Jane's server is down.")
    await tracer.close()
    span = (await collector.until(1))[0]
    assert (span.status, span.attributes[names.ERROR_CODE]) == (2, "unavailable")
    assert not any(b"Jane" in body for body in collector.raw)


async def test_two_runs_at_once_do_not_mix(collector: OtlpCollector, tracer_for: BuildTracer) -> None:
    tracer = tracer_for(collector.url)

    async def one(run_id: str) -> None:
        with tracer.observe(ObservationKind.AGENT, run_id, run_id=run_id):
            await asyncio.sleep(0.01)
            with tracer.observe(ObservationKind.TOOL, f"{run_id} tool", run_id=run_id):
                await asyncio.sleep(0.01)

    await asyncio.gather(one("run_1"), one("run_2"))
    await tracer.close()
    spans = await collector.until(4)
    for run_id in ("run_1", "run_2"):
        agent = named(spans, run_id)
        assert agent.trace_id == trace_of_run(run_id).trace_id
        assert [child.name for child in collector.children_of(agent)] == [f"{run_id} tool"]


async def test_langfuse_is_sent_its_keys(collector: OtlpCollector) -> None:
    tracer = tracer_to(collector.url, "langfuse")
    work(tracer, "extractor")
    await tracer.close()
    await collector.until(2)
    scheme, credentials = collector.headers[0]["Authorization"].split(" ")
    assert scheme == "Basic"
    assert base64.b64decode(credentials).endswith(b":sk-lf-secret")


async def test_traces_of_a_region_that_may_not_leave_are_not_sent(
    collector: OtlpCollector, tracer_for: BuildTracer
) -> None:
    tracer = tracer_for(collector.url, regions=("eu",))
    work(tracer, "extractor")
    await tracer.close()
    assert collector.spans == []


def test_our_names_are_those_of_the_sdk() -> None:
    from langfuse import LangfuseOtelSpanAttributes as Sdk

    ours = {value for name, value in vars(names).items() if name.startswith("LANGFUSE_")}
    theirs = {value for name, value in vars(Sdk).items() if name.isupper()}
    assert ours <= theirs


def _spend(tracer: OpenTelemetryTracer, count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        work(tracer, "extractor")
    return time.perf_counter() - started


async def test_a_server_that_is_down_or_hangs_costs_the_caller_nothing(
    collector: OtlpCollector, tracer_for: BuildTracer
) -> None:
    with socket.socket() as deaf:
        # Listens and never answers: connections hang in its backlog.
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(1)
        hanging = tracer_for(f"http://127.0.0.1:{deaf.getsockname()[1]}")
        well = tracer_for(collector.url)
        ratios = [_spend(hanging, 400) / _spend(well, 400) for _ in range(4)]
        started = time.perf_counter()
        await hanging.close()
        closing = time.perf_counter() - started
        await well.close()
    assert min(ratios) < 3
    assert closing < 10
