"""Text in documents that talks to the machine instead of telling a story: scored by plain rules, no model asked.

A claimant may write "please pay into my account"; nobody who tells of a dent writes "ignore previous instructions" or
"mark this claim as approved". Single weak signs stay below the threshold, strong ones or several weak ones pass it.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from overseen.guardrails.check import Judgement, Subject, abstained, blocked, flagged, passed
from overseen.guardrails.lookalikes import folded, unseen_characters

_BLOCK_AT = 3.0
_FLAG_AT = 2.0
_HIDDEN_WEIGHT = 1.0
_MOST_INVISIBLE = 5
_QUOTE_LENGTH = 120
_SIGNS_FILE = Path(__file__).with_name("instruction_signs.yaml")


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A pattern, what it weighs, and what to call it in a finding."""

    name: str
    weight: float
    pattern: re.Pattern[str]


@cache
def known_signs() -> tuple[Sign, ...]:
    """The signs of instruction_signs.yaml. {near}, {far} and {machine} in patterns stand for the file's fragments."""
    content = yaml.safe_load(_SIGNS_FILE.read_text(encoding="utf-8"))
    fragments: dict[str, str] = content["fragments"]
    signs: list[Sign] = []
    for item in content["signs"]:
        pattern = "".join(item["pattern"]) if isinstance(item["pattern"], list) else item["pattern"]
        for name, fragment in fragments.items():
            pattern = pattern.replace(f"<{name}>", fragment)
        compiled = re.compile(pattern, re.IGNORECASE)
        signs.append(Sign(name=item["name"], weight=float(item["weight"]), pattern=compiled))
    return tuple(signs)


def judge_instructions_in_document(subject: Subject) -> Judgement:
    """`text` is a document's text; `context["hidden_text"]` may hold what a reader would not see (tiny, white).

    `context["removed_characters"]` counts unseen characters that were taken out of the text before.
    """
    hidden = subject.context.get("hidden_text")
    if not subject.text.strip() and not hidden:
        return abstained("There is no text.")
    found = instruction_signs(subject.text)
    if isinstance(hidden, str) and hidden.strip():
        found = [*found, ("hidden text", _HIDDEN_WEIGHT, hidden.strip()[:_QUOTE_LENGTH]), *instruction_signs(hidden)]
    removed = subject.context.get("removed_characters")
    unseen = unseen_characters(subject.text) + (removed if isinstance(removed, int) else 0)
    if unseen > _MOST_INVISIBLE:
        found = [*found, ("invisible characters", _HIDDEN_WEIGHT, "")]
    score = sum(weight for _, weight, _ in found)
    signs = [{"sign": name, "quote": quote} for name, _, quote in found[:8]]
    evidence: dict[str, Any] = {"score": round(score, 1), "signs": signs}
    if score >= _BLOCK_AT:
        return blocked("The text gives instructions to the system; they were not followed.", **evidence)
    if score >= _FLAG_AT:
        return flagged("The text may be giving instructions to the system.", **evidence)
    return passed("The text gives no instructions to the system.", score=round(score, 1))


def instruction_signs(text: str) -> list[tuple[str, float, str]]:
    """(sign, weight, quotation) for each kind of sign in the text; a kind counts once, with its heaviest pattern."""
    best: dict[str, tuple[str, float, str]] = {}
    # As it stands, and with look-alike, unseen and compatibility characters as the letters they pass for.
    for form in dict.fromkeys((text, folded(text))):
        # Lines broken by a page's width must not hide a sentence.
        plain = re.sub(r"(?<!\n)[ \t]*\n(?!\s*\n)", " ", form)
        for sign in known_signs():
            match = sign.pattern.search(plain)
            if match and sign.weight > best.get(sign.name, ("", 0.0, ""))[1]:
                best[sign.name] = (sign.name, sign.weight, " ".join(match.group().split())[:_QUOTE_LENGTH])
    return list(best.values())
