"""The wrapper that lets no answer through that is not of the schema asked for."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from overseen.domain.control_tokens import without_control_tokens
from overseen.domain.strict_json import NotStrictJson, parse_strict, without_broken_characters
from overseen.errors import OverseenError
from overseen.models.errors import SchemaViolation
from overseen.models.types import Message, MessageRole, ModelAnswer, ModelPort, ModelRequest

_SHOWN_CHARACTERS = 4000
"""How much of a wrong answer goes back to the model with the re-ask."""


class FailureRecorder(Protocol):
    """Where tries that gave nothing are written down."""

    async def record_failure(
        self, request: ModelRequest, error: OverseenError, *, attempt: int, will_retry: bool
    ) -> None:
        """Write down one failed try."""
        ...


class SchemaCheckedModel:
    """Parses the answer and checks it against the schema.

    After a wrong one the model is asked once more and told what is wrong; the second raises SchemaViolation.
    """

    def __init__(self, inner: ModelPort, failures: FailureRecorder) -> None:
        self._inner = inner
        self._failures = failures

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """See ModelPort."""
        answer = await self._inner.complete(request)
        if request.schema is None:
            return answer
        try:
            return _checked(answer, request.schema)
        except SchemaViolation as violation:
            await self._failures.record_failure(request, violation, attempt=1, will_retry=True)
            again = await self._inner.complete(_asking_again(request, violation))
        return _checked(again, request.schema)


def _checked(answer: ModelAnswer, schema: Mapping[str, Any]) -> ModelAnswer:
    try:
        data = parse_strict(answer.text)
    except NotStrictJson as error:
        raise _violation(answer, error.problem) from error
    if problem := schema_problem(data, schema):
        raise _violation(answer, problem)
    return dataclasses.replace(answer, data=data)


def schema_problem(data: Any, schema: Mapping[str, Any]) -> str | None:
    """What is wrong with `data`, in words that quote nothing of it; None when it satisfies the schema."""
    error = best_match(Draft202012Validator(dict(schema)).iter_errors(data))
    if error is None:
        return None
    where = "/".join(str(part) for part in error.absolute_path) or "the whole answer"
    return f"breaks the rule `{error.validator}` at {where}"


def _violation(answer: ModelAnswer, problem: str) -> SchemaViolation:
    return SchemaViolation(
        f"The answer of route {answer.route} {problem}.",
        answer_text=answer.text,
        not_done="Nothing of it was used.",
        next_step="A person has to do this step.",
        usage=answer.usage,
        route=answer.route,
    )


def _asking_again(request: ModelRequest, violation: SchemaViolation) -> ModelRequest:
    """The same request, then the wrong answer as the model's own words, then what is wrong with it."""
    shown = without_broken_characters(violation.answer_text[:_SHOWN_CHARACTERS])
    wrong = Message(role=MessageRole.ASSISTANT, text=without_control_tokens(shown))
    correction = Message(
        role=MessageRole.USER,
        text=f"{without_control_tokens(violation.message)} Answer again: only JSON, exactly as the schema says.",
    )
    return dataclasses.replace(request, messages=(*request.messages, wrong, correction))
