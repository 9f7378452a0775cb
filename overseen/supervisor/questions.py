"""Questions in the chat. What is on record is said by code (`standing`); a model may word single facts, checked here.

A statement of a model is about one fact and has to show it: the fact's value and its name, no other number, nothing
that only the record may say. What does not hold is replaced by the record's own line of the same fact.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from overseen.domain.facts import Fact, Trust
from overseen.supervisor.context import money
from overseen.supervisor.statements import numbers_in, spoken, without_numbers
from overseen.supervisor.wordings import LINK, NEGATION, STATUS, TOPICS, is_quotable

_MOST_STATEMENTS = 3
_STATEMENT_LENGTH = 200
_MOST_LINES = 4
_NO_FACT = "none"
_OWN_WORDS = frozenset({Trust.RECORD, Trust.RULE, Trust.PERSON})
_WORD = re.compile(r"[^\W\d_]+")
_NAME = re.compile(r"[^\W\d_][\w'’-]*")
_STEM = 5
_SHORTEST_LABEL = 4
_SYMBOLS = {"£": "GBP", "€": "EUR", "$": "USD"}
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_PLAIN_STARTS = {
    *("a", "an", "the", "this", "that", "these", "those", "it", "its", "your", "you", "their", "his", "her", "our"),
    *("we", "in", "on", "at", "by", "for", "from", "of", "to", "as", "according", "and", "there", "here", "is", "was"),
}


@dataclass(frozen=True, kw_only=True)
class FactWords:
    """How a playbook speaks of its facts: their titles by name, which of them are sums, and the sums' currency."""

    titles: Mapping[str, str]
    sums: frozenset[str]
    currency: str

    def title(self, name: str) -> str:
        """The title of a fact; its name where the playbook has none."""
        return self.titles.get(name) or name.replace("_", " ").capitalize()


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One sentence of a model and the name of the fact it is about."""

    fact: str
    text: str


def answer_schema(facts: Mapping[str, Fact]) -> dict[str, Any]:
    """JSON schema of an answer: what the question is about, and at most three sentences, each about one fact."""
    statement = {
        "type": "object",
        "properties": {
            "fact": {"type": "string", "enum": sorted(facts) or [_NO_FACT]},
            "text": {"type": "string", "minLength": 3, "maxLength": _STATEMENT_LENGTH},
        },
        "required": ["fact", "text"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "about": {"type": "array", "items": {"type": "string", "enum": [*TOPICS, "facts"]}, "maxItems": 3},
            "statements": {"type": "array", "items": statement, "maxItems": _MOST_STATEMENTS},
        },
        "required": ["about", "statements"],
        "additionalProperties": False,
    }


def answer_context(facts: Mapping[str, Fact], words: FactWords) -> str:
    """What the model is shown: each fact with its title, value and source."""
    lines = [f"{name} ({words.title(name)}): {spoken(fact)} ({source_name(fact)})" for name, fact in facts.items()]
    return "\n".join(lines) or "No facts yet."


def quotable_facts(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Facts with a value that may stand in an answer: no words of others about decisions or payments, no addresses."""
    return {name: fact for name, fact in facts.items() if fact.value is not None and _is_quotable(fact)}


def _is_quotable(fact: Fact) -> bool:
    value = spoken(fact)
    return not LINK.search(value) if fact.trust in _OWN_WORDS else is_quotable(value)


def model_topics(data: Any) -> frozenset[str]:
    """What the model takes the question to be about."""
    about = data.get("about") if isinstance(data, Mapping) else None
    return frozenset(str(topic) for topic in about) & frozenset(TOPICS) if isinstance(about, list) else frozenset()


def model_statements(data: Any) -> list[Statement]:
    """The sentences of an answer, white space made plain; nothing where the answer has another shape."""
    listed = data.get("statements") if isinstance(data, Mapping) else None
    return [
        Statement(fact=str(item.get("fact", "")), text=" ".join(str(item.get("text") or "").split()))
        for item in (listed if isinstance(listed, list) else ())
        if isinstance(item, Mapping)
    ][:_MOST_STATEMENTS]


def statement_problem(statement: Statement, facts: Mapping[str, Fact], words: FactWords) -> str:
    """Why the sentence is not used, as one sentence; empty when it holds."""
    fact, text = facts.get(statement.fact), statement.text
    if fact is None:
        return f"It is about {statement.fact}, which is no fact of this run."
    if isinstance(fact.value, bool):
        return "A yes or no is worded by the record."
    if not text.endswith((".", "!", "?")):
        return "The sentence breaks off."
    if not _shows_value(text, fact):
        return f"It does not say the value of {fact.name}."
    rest = _without(text, [spoken(fact), fact.source.name])
    if LINK.search(rest):
        return "It names an address."
    if found := STATUS.search(rest) or NEGATION.search(rest):
        return f"It says {found.group()!r}, which only the record may say."
    return (
        _number_problem(rest, fact)
        or _currency_problem(text, words.currency)
        or _label_problem(rest, fact, words)
        or _name_problem(rest, fact, words)
    )


def record_line(fact: Fact, words: FactWords) -> str:
    """The record's own line about a fact: `Total of the estimate: 742.80 GBP (estimate.pdf).`"""
    title, amount = words.title(fact.name), money(fact.value) if fact.name in words.sums else None
    if not _is_quotable(fact):
        return f"{title}: to be read in {source_name(fact)}."
    value = spoken(fact) if amount is None else f"{amount:,.2f}"
    return f"{title}: {value.rstrip('.')} ({source_name(fact)})."


def source_name(fact: Fact) -> str:
    """What the source is called; a file whose very name makes a claim is called a file."""
    name = fact.source.name
    stem = name.rpartition(".")[0] or name
    return name if fact.trust in _OWN_WORDS or is_quotable(stem.replace("_", " ")) else "a file that was handed in"


def facts_asked_for(question: str, facts: Mapping[str, Fact], words: FactWords) -> list[str]:
    """Names of the facts whose name, title or source (letter, estimate, photo) the question speaks of; at most four."""
    asked = _stems(question)
    named = [
        name
        for name, fact in facts.items()
        if asked & _stems(f"{name.replace('_', ' ')} {words.title(name)} {fact.source.name} {fact.source.kind}")
    ]
    return named[:_MOST_LINES]


def _shows_value(text: str, fact: Fact) -> bool:
    amount = money(fact.value)
    if amount is not None:
        return amount.normalize() in numbers_in(text)
    value = spoken(fact)
    if (day := _date(value)) is not None and value not in text:
        named = {word for word in _stemless(text) if word in _MONTHS and word != "may"} | (
            {"may"} if re.search(r"\bMay\b", text) else set()
        )
        return named == {_MONTHS[day.month - 1]} and {day.day, day.year} <= {int(number) for number in numbers_in(text)}
    return value.casefold() in text.casefold()


def _number_problem(rest: str, fact: Fact) -> str:
    allowed = numbers_in(spoken(fact))
    if (amount := money(fact.value)) is not None:
        allowed |= {amount.normalize()}
    if (day := _date(spoken(fact))) is not None:
        allowed |= numbers_in(f"{day.day} {day.month} {day.year}")
    # Digits that are no free-standing number (CAR-9999-ZZ, 7th) would be somebody else's identifier.
    left = re.search(r"\S*\d\S*", without_numbers(rest, allowed))
    return f"{left.group()} is not the value of {fact.name}." if left else ""


def _currency_problem(text: str, currency: str) -> str:
    other = [symbol for symbol, code in _SYMBOLS.items() if symbol in text and code != currency]
    return f"It writes {other[0]} for sums in {currency}." if other else ""


def _label_problem(rest: str, fact: Fact, words: FactWords) -> str:
    """A value under another fact's name is a lie although both are on record."""
    own, said = _stems(f"{fact.name.replace('_', ' ')} {words.title(fact.name)}"), _stems(rest)
    if not own & said:
        return f"It does not say that this is {words.title(fact.name)!r}."
    for name in words.titles:
        others = _stems(f"{name.replace('_', ' ')} {words.title(name)}") - own
        if name != fact.name and others & said:
            return f"It speaks of {words.title(name)!r} with the value of {fact.name}."
    return ""


def _name_problem(rest: str, fact: Fact, words: FactWords) -> str:
    known = f"{words.title(fact.name)} {fact.name} {spoken(fact)} {fact.source.name} {words.currency}"
    allowed = {word.casefold() for word in _NAME.findall(known.replace("_", " "))}
    if _date(spoken(fact)) is not None:
        allowed |= set(_MONTHS)
    for match in _NAME.finditer(rest):
        word = re.sub(r"['’]s$", "", match.group())
        starts = rest[: match.start()].rstrip()[-1:] in ("", ".", "!", "?")
        if (
            any(letter.isupper() for letter in word)
            and word.casefold() not in allowed
            and not (starts and word.casefold() in _PLAIN_STARTS)
        ):
            return f"{word} is in no fact it speaks of."
    return ""


def _without(text: str, taken: Sequence[str]) -> str:
    for item in taken:
        text = re.sub(re.escape(item), " ", text, flags=re.IGNORECASE) if item else text
    return text


def _date(value: str) -> date | None:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _stemless(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}


def _stems(text: str) -> set[str]:
    """First letters of the words that name something: estimate and estimated are one, of and the are none."""
    return {word[:_STEM] for word in _stemless(text) if len(word) >= _SHORTEST_LABEL}
