"""Answers questions about a run: code says what is on record, a model picks and words facts, `questions` checks it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overseen.domain.facts import Fact
from overseen.errors import OverseenError
from overseen.models.errors import AnswerCut
from overseen.models.types import ModelAnswer, ModelPort, ModelRequest
from overseen.prompts import PromptLibrary, UntrustedText
from overseen.supervisor.questions import (
    FactWords,
    Statement,
    answer_context,
    answer_schema,
    facts_asked_for,
    model_statements,
    model_topics,
    quotable_facts,
    record_line,
    statement_problem,
)
from overseen.supervisor.standing import StandingRecord, joined, standing_sentences
from overseen.supervisor.wordings import topics_of

_MOST_TOKENS = 260
_QUESTION_LENGTH = 500
_CUT = frozenset({"length", "max_tokens", "content_filter"})
_HISTORY_LINES = 8


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What an answer may draw from: where the run stands, its told facts by name, its told history (oldest first)."""

    standing: StandingRecord
    facts: Mapping[str, Fact]
    words: FactWords
    history: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is said to the requester. `author` is model or journal; `problems` say why a model's words were not used."""

    text: str
    cited_facts: tuple[str, ...]
    author: str
    problems: tuple[str, ...] = ()


class Answerer:
    """Answers from the record with one model call, which words single facts; without it from the record alone."""

    def __init__(self, models: ModelPort, prompts: PromptLibrary) -> None:
        self._models = models
        self._prompts = prompts

    async def answer(self, question: str, record: RunRecord, *, run_id: str, region: str, ordinal: int = 0) -> Answer:
        """The answer; `ordinal` counts the questions of the run, so that each has its own record."""
        facts = quotable_facts(record.facts)
        topics, picked, problems = topics_of(question), list[Statement](), list[str]()
        try:
            reply = await self._ask(question, facts, record.words, (run_id, region, ordinal))
            topics |= model_topics(reply.data)
            picked = [item for item in model_statements(reply.data) if item.fact in facts]
        except OverseenError as error:
            # A question must never hang on a model: what is on record can be said without one.
            problems.append(error.message)
        told: dict[str, str] = {}
        for statement in picked:
            problem = statement_problem(statement, facts, record.words)
            problems += [problem] if problem else []
            line = record_line(facts[statement.fact], record.words) if problem else statement.text
            told.setdefault(statement.fact, line)
        worded_by_model = bool(told) and len(problems) < len(picked)
        if not told:
            named = facts_asked_for(question, record.facts, record.words)
            told = {name: record_line(record.facts[name], record.words) for name in named}
        return Answer(
            text=_answer_text(record, topics, list(told.values())),
            cited_facts=tuple(told),
            author="model" if worded_by_model else "journal",
            problems=tuple(problems),
        )

    async def _ask(
        self, question: str, facts: Mapping[str, Fact], words: FactWords, asked_by: tuple[str, str, int]
    ) -> ModelAnswer:
        run_id, region, ordinal = asked_by
        prompt = self._prompts.get("supervisor/answer")
        messages = prompt.messages(
            {},
            [
                UntrustedText(label="facts", text=answer_context(facts, words)),
                UntrustedText(label="question", text=question[:_QUESTION_LENGTH]),
            ],
        )
        reply = await self._models.complete(
            ModelRequest(
                run_id=run_id,
                step_id="answer",
                agent="supervisor",
                purpose="answer",
                ordinal=ordinal,
                messages=messages,
                schema=answer_schema(facts),
                max_tokens=_MOST_TOKENS,
                region=region,
                prompt=prompt.reference,
            )
        )
        if reply.finish_reason in _CUT:
            raise AnswerCut("The model's answer was cut off.", not_done="None of its words were used.")
        return reply


def _answer_text(record: RunRecord, topics: frozenset[str], facts_told: Sequence[str]) -> str:
    """The record's sentences first, where the question is about them or nothing else is there to say."""
    lines = standing_sentences(record.standing, topics) if topics or not facts_told else []
    history = list(record.history[-_HISTORY_LINES:]) if "history" in topics else []
    return joined([*lines, *history, *facts_told])
