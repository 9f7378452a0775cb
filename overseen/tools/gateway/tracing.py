"""Every call is a span in the trace of its run, whatever comes of it."""

from overseen.domain.calls import CallResult, ToolCall
from overseen.errors import OverseenError
from overseen.tools.gateway.ports import CallTracer
from overseen.tools.types import ToolPort


class TracedCalls:
    """Draws a span around each call."""

    def __init__(self, inner: ToolPort, *, tracer: CallTracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def call(self, call: ToolCall) -> CallResult:
        """See ToolPort."""
        with self._tracer.tool_call(call) as span:
            try:
                result = await self._inner.call(call)
            except OverseenError as error:
                span.failed(error)
                raise
            span.finished(result)
            return result
