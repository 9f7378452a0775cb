"""Answers questions about a run with a model. What holds is decided by `questions`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overseen.domain.facts import Fact
from overseen.domain.outcomes import BoundaryVerdict, Ruling
from overseen.errors import OverseenError
from overseen.models.types import ModelPort, ModelRequest
from overseen.prompts import PromptLibrary, UntrustedText
from overseen.supervisor.questions import (
    answer_context,
    answer_facts,
    answer_schema,
    answer_text,
    check_answer,
    journal_answer,
)

_MOST_TOKENS = 220
_QUESTION_LENGTH = 500


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is said to the requester. `author` is model or journal; `problems` say why a model's words were not used."""

    text: str
    cited_facts: tuple[str, ...]
    author: str
    problems: tuple[str, ...] = ()


class Answerer:
    """Answers from facts, ruling and journal lines with one model call; falls back to what is on record."""

    def __init__(self, models: ModelPort, prompts: PromptLibrary) -> None:
        self._models = models
        self._prompts = prompts

    async def answer(
        self,
        question: str,
        *,
        facts: Mapping[str, Fact],
        ruling: Ruling | None,
        boundary: BoundaryVerdict | None,
        journal_lines: Sequence[str],
        run_id: str,
        region: str,
        ordinal: int = 0,
    ) -> Answer:
        """The answer; `ordinal` counts the questions of the run, so that each has its own record."""
        told = {name: fact for name, fact in facts.items() if fact.value is not None}
        prompt = self._prompts.get("supervisor/answer")
        messages = prompt.messages(
            {},
            [
                UntrustedText(label="record", text=answer_context(told, ruling, boundary, journal_lines)),
                UntrustedText(label="question", text=question[:_QUESTION_LENGTH]),
            ],
        )
        try:
            reply = await self._models.complete(
                ModelRequest(
                    run_id=run_id,
                    step_id="answer",
                    agent="supervisor",
                    purpose="answer",
                    ordinal=ordinal,
                    messages=messages,
                    schema=answer_schema(told),
                    max_tokens=_MOST_TOKENS,
                    region=region,
                    prompt=prompt.reference,
                )
            )
            problems = check_answer(reply.data, told, ruling, boundary, journal_lines)
        except OverseenError as error:
            # A question must never hang on a model: what is on record can be said without one.
            reply, problems = None, (error.message,)
        if reply is None or problems:
            text = journal_answer(question, told, ruling, boundary, journal_lines)
            return Answer(text=text, cited_facts=(), author="journal", problems=tuple(problems))
        return Answer(text=answer_text(reply.data), cited_facts=answer_facts(reply.data), author="model")
