"""Where features of one floor meet: small pieces that let each keep to its own Protocol."""

from collections.abc import Generator
from contextlib import contextmanager

from overseen.domain.calls import CallResult, ToolCall
from overseen.errors import OverseenError
from overseen.secrets.errors import Stopped
from overseen.secrets.stops import Stops
from overseen.tools.gateway.ports import CallSpan
from overseen.tracing import Observation, ObservationKind, Tracer


class GatewayStops:
    """Kill switches as the tool gateway asks about them."""

    def __init__(self, stops: Stops) -> None:
        self._stops = stops

    async def stopped(self, call: ToolCall) -> str | None:
        """See `overseen.tools.gateway.ports.StopSwitch`."""
        try:
            await self._stops.check(call)
        except Stopped as error:
            return error.message
        return None


class _ToolSpan:
    def __init__(self, observation: Observation) -> None:
        self._observation = observation

    def finished(self, result: CallResult) -> None:
        self._observation.content(came=result.value)
        self._observation.set({"overseen.call.replayed": result.replayed})

    def failed(self, error: OverseenError) -> None:
        self._observation.fail(error.code)


class GatewayTracer:
    """Draws tool calls into the trace of their run."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def tool_call(self, call: ToolCall) -> Generator[CallSpan]:
        """See `overseen.tools.gateway.ports.CallTracer`."""
        named = {"overseen.call.id": call.call_id, "overseen.step.id": call.step_id, "overseen.agent": call.agent}
        with self._tracer.observe(ObservationKind.TOOL, call.tool, run_id=call.run_id, attributes=named) as observation:
            observation.content(given=call.arguments)
            yield _ToolSpan(observation)
