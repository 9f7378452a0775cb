"""Questions about a run: answered from its facts, its ruling and its journal, and from nothing else."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from overseen.domain.facts import Fact
from overseen.domain.outcomes import BoundaryVerdict, Ruling
from overseen.supervisor.statements import (
    fact_line,
    invented_numbers,
    known_lines,
    ruling_lines,
    spoken,
    unknown_identifiers,
)

_ANSWER_LENGTH = 420
_JOURNAL_LINES = 30
_ABOUT_WAITING = re.compile(r"\b(wait|waiting|stuck|why|long|hold|parked|approv|review)", re.IGNORECASE)
_ABOUT_MONEY = re.compile(r"\b(amount|pay|paid|payment|much|money|sum|excess|total|cost)", re.IGNORECASE)
_ABOUT_HISTORY = re.compile(r"\b(when|happen|happened|done|tool|credential|lease|step|history|who)", re.IGNORECASE)


def answer_schema(facts: Mapping[str, Fact]) -> dict[str, Any]:
    """JSON schema of an answer: a short text and the names of the facts it rests on."""
    return {
        "type": "object",
        "properties": {
            "answer": {"type": "string", "minLength": 3, "maxLength": _ANSWER_LENGTH},
            "facts": {"type": "array", "items": {"type": "string", "enum": sorted(facts) or ["none"]}, "maxItems": 6},
        },
        "required": ["answer", "facts"],
        "additionalProperties": False,
    }


def answer_context(
    facts: Mapping[str, Fact],
    ruling: Ruling | None,
    boundary: BoundaryVerdict | None,
    journal_lines: Sequence[str],
) -> str:
    """What the model is shown: the decision so far, every fact with its source, the last lines of the journal."""
    decision = "\n".join(ruling_lines(ruling, boundary)) if ruling else "No decision has been made yet."
    known = "\n".join(fact_line(fact) for fact in facts.values()) or "None yet."
    return f"Decision:\n{decision}\n\nFacts:\n{known}\n\nJournal:\n" + "\n".join(journal_lines[-_JOURNAL_LINES:])


def check_answer(
    data: Any,
    facts: Mapping[str, Fact],
    ruling: Ruling | None,
    boundary: BoundaryVerdict | None,
    journal_lines: Sequence[str],
) -> tuple[str, ...]:
    """What is wrong with an answer, one sentence a problem: it may cite only known facts and say only known numbers."""
    text = answer_text(data)
    if not text:
        return ("The answer is empty.",)
    known = [*known_lines(facts, ruling, boundary), *journal_lines]
    problems = [f"It cites {name}, which is no fact." for name in answer_facts(data) if name not in facts]
    problems += [f"The number {number} is in no fact." for number in invented_numbers(text, known)]
    problems += [f"{item} is in no fact." for item in unknown_identifiers(text, known)]
    return tuple(problems)


def answer_text(data: Any) -> str:
    """The text of an answer, or nothing."""
    return " ".join(str(data.get("answer") or "").split()) if isinstance(data, Mapping) else ""


def answer_facts(data: Any) -> tuple[str, ...]:
    """Names of the facts an answer cites, each once, in order."""
    names = data.get("facts") if isinstance(data, Mapping) else None
    return tuple(dict.fromkeys(str(name) for name in names)) if isinstance(names, list) else ()


def journal_answer(
    question: str,
    facts: Mapping[str, Fact],
    ruling: Ruling | None,
    boundary: BoundaryVerdict | None,
    journal_lines: Sequence[str],
) -> str:
    """An answer without a model: what is on record about the things the question names."""
    asked = _facts_named(question, facts)
    lines = [f"{fact.name.replace('_', ' ').capitalize()}: {spoken(fact)} (from {fact.source.name})." for fact in asked]
    if ruling is not None and (_ABOUT_WAITING.search(question) or _ABOUT_MONEY.search(question) or not lines):
        lines = [*ruling_lines(ruling, boundary), *lines]
    elif ruling is None and not lines:
        lines.append("No decision has been made yet.")
    if journal_lines and (_ABOUT_HISTORY.search(question) or ruling is None):
        lines += ["The last that happened:", *journal_lines[-3:]]
    return " ".join(lines)


def _facts_named(question: str, facts: Mapping[str, Fact]) -> list[Fact]:
    """Facts whose name, or whose source (letter, estimate, photo), the question speaks of."""
    words = {word for word in re.findall(r"[a-z]+", question.lower()) if len(word) > 3}
    named: list[Fact] = []
    for fact in facts.values():
        vocabulary = set(re.findall(r"[a-z]+", f"{fact.name} {fact.source.name} {fact.source.kind}".lower()))
        if fact.value is not None and words & {word for word in vocabulary if len(word) > 3}:
            named.append(fact)
    return named
