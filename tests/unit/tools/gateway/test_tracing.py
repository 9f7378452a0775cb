"""The tracing wrapper."""

import pytest

from overseen.tools.errors import ToolRefused
from overseen.tools.gateway.tracing import TracedCalls
from tests.tool_doubles import AnsweringPort, Spans, call


async def test_a_call_that_came_back_ends_its_span() -> None:
    spans = Spans()
    await TracedCalls(AnsweringPort(), tracer=spans).call(call())
    assert spans.ended == [("finished", "note")]


async def test_a_refused_call_ends_its_span_with_the_error() -> None:
    spans = Spans()
    inner = AnsweringPort(error=ToolRefused("No.", rule="policy"))
    with pytest.raises(ToolRefused):
        await TracedCalls(inner, tracer=spans).call(call())
    assert spans.ended == [("failed", "tool_refused")]
