"""The explanation: a model puts the decision into words, and code refuses words the facts do not carry."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from overseen.domain.facts import Fact
from overseen.domain.outcomes import BoundaryVerdict, Outcome, Ruling
from overseen.supervisor.statements import (
    fact_line,
    invented_numbers,
    known_lines,
    ruling_lines,
    unknown_identifiers,
)

_SENTENCE_LENGTH = 220
_SENTENCES = 3
_PAID = re.compile(r"\b(will be paid|we (will )?pay|settled|approved|reimbursed)\b", re.IGNORECASE)
_DENIED = re.compile(
    r"\b(denied|denies|reject\w*|declin\w*|refus\w*|not (be )?(paid|covered)|(does|did|do) not cover|lapsed|outside the"
    r")\b",
    re.IGNORECASE,
)


def explanation_schema(facts: Mapping[str, Fact]) -> dict[str, Any]:
    """JSON schema: one to three sentences, each with the names of the facts it rests on."""
    sentence = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 10, "maxLength": _SENTENCE_LENGTH},
            "facts": {
                "type": "array",
                "items": {"type": "string", "enum": sorted(facts)},
                "minItems": 1,
                "maxItems": 4,
            },
        },
        "required": ["text", "facts"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"sentences": {"type": "array", "items": sentence, "minItems": 1, "maxItems": _SENTENCES}},
        "required": ["sentences"],
        "additionalProperties": False,
    }


def explanation_input(facts: Mapping[str, Fact], ruling: Ruling, boundary: BoundaryVerdict) -> str:
    """What the model is shown: the decision, then every fact, one a line."""
    decision = "\n".join(ruling_lines(ruling, boundary))
    return f"Decision:\n{decision}\n\nFacts:\n" + "\n".join(fact_line(fact) for fact in facts.values())


def explanation_text(data: Any) -> str:
    """The sentences of an answer as one paragraph; empty when there are none."""
    return " ".join(" ".join(str(item["text"]).split()) for item in _sentences(data))


def explanation_facts(data: Any) -> tuple[str, ...]:
    """Names of the facts cited, each once, in order."""
    return tuple(dict.fromkeys(str(name) for item in _sentences(data) for name in item["facts"]))


def check_explanation(
    data: Any, facts: Mapping[str, Fact], ruling: Ruling, boundary: BoundaryVerdict
) -> tuple[str, ...]:
    """What is wrong with the explanation, one sentence a problem; empty when it holds.

    It holds when it has sentences, cites only known facts, and every number, policy number, account and address in it
    stands in a fact, the ruling or the boundary, and a settlement's amount is named.
    """
    text = explanation_text(data)
    if not text:
        return ("The explanation holds no sentences.",)
    known = known_lines(facts, ruling, boundary)
    problems = [f"It cites {name}, which is no fact." for name in explanation_facts(data) if name not in facts]
    problems += [f"The number {number} is in no fact." for number in invented_numbers(text, known)]
    problems += [f"{item} is in no fact." for item in unknown_identifiers(text, known)]
    if ruling.amount is not None and invented_numbers(f"{ruling.amount:.2f}", [text]):
        problems.append(f"It does not name the amount {ruling.amount:.2f}.")
    if contradiction := _contradiction(text, ruling):
        problems.append(contradiction)
    return tuple(problems)


def rules_explanation(facts: Mapping[str, Fact], ruling: Ruling, boundary: BoundaryVerdict) -> str:
    """The explanation made from the rules alone, used when the model's does not hold. Always true, a little stiff."""
    lines = ruling_lines(ruling, boundary)
    sources = dict.fromkeys(fact.source.name for fact in facts.values() if fact.value is not None)
    return " ".join(lines) + (f" Read from: {', '.join(sources)}." if sources else "")


def _contradiction(text: str, ruling: Ruling) -> str:
    """A paragraph that says the opposite of the ruling is worse than none."""
    if ruling.amount is None and _PAID.search(text):
        return "It says that money is paid, but the ruling pays nothing."
    if ruling.outcome is not Outcome.DENY and _DENIED.search(text):
        return "It says that the claim is denied, but the ruling does not."
    return ""


def _sentences(data: Any) -> Sequence[Mapping[str, Any]]:
    items = data.get("sentences") if isinstance(data, Mapping) else None
    if not isinstance(items, list):
        return ()
    return [
        item for item in items if isinstance(item, Mapping) and item.get("text") and isinstance(item.get("facts"), list)
    ]
