"""A model that says what a test tells it to."""

import inspect
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from overseen.models.types import (
    ModelAnswer,
    ModelRequest,
    RouteProfile,
    TokenListener,
    TokenProbability,
    nobody_listens,
)

Scripted = ModelAnswer | BaseException | str | Mapping[str, Any] | Sequence[Any]
"""One answer: text as it is, JSON data, a whole ModelAnswer, or an exception to raise."""

ScriptedFunction = Callable[[ModelRequest], Scripted | Awaitable[Scripted]]
"""Makes the answer from the request, as often as it is asked."""


class UnexpectedModelCall(AssertionError):
    """The code under test asked the model something that the script does not foresee."""


class LeftoverAnswers(AssertionError):
    """The code under test ended without asking for everything the script holds."""


class ScriptedModel:
    """A ModelRoute (and a ModelPort) that answers by purpose.

    ::

        model = ScriptedModel({
            "plan": [{"steps": [...]}],                 # asked once
            "extract_facts": [{...}, RouteUnavailable("down")],   # in this order
            "policy_lookup/choose": [...],              # only for this agent; goes before "choose"
            "explain": lambda request: {...},           # as often as wanted
        })
        ...
        model.assert_exhausted()

    Data becomes JSON text. With `request.logprobs` every token has `probability`. `requests` keeps what was asked.
    """

    def __init__(
        self,
        answers: Mapping[str, list[Scripted] | ScriptedFunction],
        *,
        name: str = "scripted",
        regions: frozenset[str] = frozenset({"local", "eu", "uk", "us"}),
        vision: bool = False,
        probability: float = 0.99,
        profile: RouteProfile | None = None,
    ) -> None:
        self._profile = profile or RouteProfile(
            name=name, model="scripted", regions=regions, vision=vision, concurrency=64
        )
        self._functions = {purpose: answer for purpose, answer in answers.items() if callable(answer)}
        self._queues = {purpose: list(answer) for purpose, answer in answers.items() if not callable(answer)}
        self._probability = probability
        self._unexpected: list[str] = []
        self.requests: list[ModelRequest] = []

    @property
    def profile(self) -> RouteProfile:
        """See ModelRoute."""
        return self._profile

    async def complete(self, request: ModelRequest, listener: TokenListener = nobody_listens) -> ModelAnswer:
        """The next answer for the request's purpose. UnexpectedModelCall when there is none."""
        self.requests.append(request)
        scripted = await self._next(request)
        if isinstance(scripted, BaseException):
            raise scripted
        listener(1)
        if isinstance(scripted, ModelAnswer):
            return scripted
        text = scripted if isinstance(scripted, str) else json.dumps(scripted, ensure_ascii=False)
        return ModelAnswer(
            text=text,
            data=_parsed(text) if request.schema is not None else None,
            route=self._profile.name,
            model=self._profile.model,
            input_tokens=sum(len(message.text) for message in request.messages) // 4,
            output_tokens=len(text) // 4 + 1,
            tokens=self._tokens(text) if request.logprobs else (),
        )

    async def close(self) -> None:
        """See ModelRoute."""

    def assert_exhausted(self) -> None:
        """Raises when answers are left over, or a call came that the script does not foresee."""
        if self._unexpected:
            raise UnexpectedModelCall(f"The model was asked for {', '.join(self._unexpected)}.")
        left = {purpose: len(queue) for purpose, queue in self._queues.items() if queue}
        if left:
            raise LeftoverAnswers(f"Answers were never asked for: {left}.")

    async def _next(self, request: ModelRequest) -> Scripted:
        for key in (f"{request.agent}/{request.purpose}", request.purpose):
            if function := self._functions.get(key):
                made = function(request)
                return await made if inspect.isawaitable(made) else made
            if queue := self._queues.get(key):
                return queue.pop(0)
        self._unexpected.append(f"{request.agent}/{request.purpose}")
        raise UnexpectedModelCall(
            f"No answer is left for {request.agent}/{request.purpose} "
            f"(step {request.step_id}, ordinal {request.ordinal})."
        )

    def _tokens(self, text: str) -> tuple[TokenProbability, ...]:
        logprob = math.log(self._probability)
        return tuple(TokenProbability(token=text[at : at + 4], logprob=logprob) for at in range(0, len(text), 4))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
