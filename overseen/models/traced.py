"""The wrapper that shows every question to a model as a generation in the run's trace."""

from overseen.models.types import ModelAnswer, ModelPort, ModelRequest
from overseen.tracing import GenerationDetails, ObservationKind, Tracer
from overseen.tracing.attributes import AGENT, PURPOSE, STEP_ID


class TracedModel:
    """Observes the inner port. Replays are not seen here: nothing was asked."""

    def __init__(self, inner: ModelPort, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """See ModelPort."""
        attributes = {STEP_ID: request.step_id, AGENT: request.agent, PURPOSE: request.purpose}
        with self._tracer.observe(
            ObservationKind.GENERATION, request.purpose, run_id=request.run_id, attributes=attributes
        ) as observation:
            observation.content(given=[{"role": item.role.value, "content": item.text} for item in request.messages])
            answer = await self._inner.complete(request)
            observation.content(came=answer.text)
            observation.generation(
                GenerationDetails(
                    model=answer.model,
                    route=answer.route,
                    input_tokens=answer.input_tokens,
                    output_tokens=answer.output_tokens,
                    cached_tokens=answer.cached_tokens,
                    cost_usd=answer.cost_usd,
                    finish_reason=answer.finish_reason,
                    prompt_name=request.prompt.name if request.prompt else None,
                    prompt_version=request.prompt.version if request.prompt else None,
                )
            )
            return answer
