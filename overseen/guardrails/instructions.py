"""Text in documents that talks to the machine instead of telling a story: scored by plain rules, no model asked.

A claimant may write "please pay into my account"; nobody who tells of a dent writes "ignore previous instructions" or
"mark this claim as approved". Single weak signs stay below the threshold, strong ones or several weak ones pass it.
"""

import re
from dataclasses import dataclass
from typing import Any

from overseen.guardrails.check import Judgement, Subject, blocked, flagged, passed

_BLOCK_AT = 3.0
_FLAG_AT = 2.0
_AI = (
    r"(?:(?:ai|a\.i\.|llm|language|automated|automatic)[\s-]*(?:assistant|system|agent|model|reviewer|processor|handler|processing|tool)s?"
    r"|chat\s?gpt|gpt-?\d?|assistant|copilot|chatbot|\bllm\b|claims?[\s-]+(?:bot|agent|engine|software|system)|(?:processing|decision) (?:system|engine|agent)"
    r"|k[iü]-(?:system|assistent)|sprachmodell|automatische[sn]? system|syst[eè]me automatique|sistema autom[aá]tico)"
)


@dataclass(frozen=True)
class _Sign:
    """A pattern, what it weighs, and what to call it in a finding."""

    name: str
    weight: float
    pattern: re.Pattern[str]


def _sign(name: str, weight: float, pattern: str) -> _Sign:
    return _Sign(name, weight, re.compile(pattern, re.IGNORECASE | re.DOTALL))


_SIGNS = (
    _sign(
        "override",
        3.0,
        r"\b(?:ignore|disregard|forget|override|bypass|skip)\b[^.!?\n]{0,40}\b(?:previous|prior|above|earlier|all|any|other|your|the|system|safety)\b"
        r"[^.!?\n]{0,40}\b(?:instruction|prompt|rule|guideline|polic(?:y|ies) check|check|direction|command|guardrail|limit|constraint)s?\b",
    ),
    _sign(
        "override",
        3.0,
        r"\b(?:ignoriere|vergiss|missachte|ignorez|oubliez|ignora|olvida|zignoruj)\w*\b[^.!?\n]{0,60}\b(?:anweisung|regel|instruktion|instruction|consigne|istruzion|instruccion|instrukcj)\w*",
    ),
    _sign(
        "addresses the machine",
        2.0,
        rf"\b(?:attention|note|notice|message|instruction|to|dear|hey|hello)s?\b[^.!?\n]{{0,30}}\b{_AI}\b",
    ),
    _sign(
        "addresses the machine",
        2.0,
        r"\byou are (?:now |an? )?(?:ai|assistant|language model|in (?:developer|admin|debug) mode|the approv)",
    ),
    _sign("addresses the machine", 2.0, rf"\bif you are an? {_AI}|\bas an? {_AI}\b"),
    _sign(
        "system words",
        2.0,
        r"<\|[a-z_]+\|>|\[/?(?:INST|SYSTEM)\]|^\s*#{2,}\s*(?:system|instruction|assistant)\b|\bsystem\s+(?:prompt|override|message|instruction|notice)\b",
    ),
    _sign("system words", 2.0, r"(?:^|\n)\s*(?:system|assistant|developer)\s*:\s*\S"),
    _sign(
        "system words",
        1.5,
        r"\b(?:developer|admin(?:istrator)?|debug|maintenance|god|sudo|root) mode\b|\bpriority override\b|\boverride code\b",
    ),
    _sign(
        "orders a decision",
        1.5,
        r"\b(?:mark|classify|label|set|flag|treat|record|register|change)\b[^.!?\n]{0,40}\b(?:as|to)\s+(?:pre-?)?(?:approved|valid|settled|covered|verified|low risk|automat\w+)\b",
    ),
    _sign(
        "orders a decision",
        1.5,
        r"\b(?:approve|settle|release|authori[sz]e|process|execute|pay out|transfer)\b[^.!?\n]{0,50}\b(?:immediately|at once|without (?:any )?(?:further )?(?:review|check|approval|question|human|delay|verification)s?|automatically|in full)\b",
    ),
    _sign(
        "orders a payment",
        1.5,
        r"\b(?:pay|transfer|send|remit|wire|disburse)\b[^.!?\n]{0,40}(?:[£€$]\s?|\b(?:gbp|eur|usd)\s?)?\d{1,3}(?:[,.]?\d{3})+\b[^.!?\n]{0,60}\b(?:at once|immediately|now|today|without|to (?:account|iban|the following|this))\b",
    ),
    _sign(
        "forbids review",
        2.0,
        r"\b(?:do not|don't|never|no need to|without)\b[^.!?\n]{0,30}\b(?:ask|involv\w*|inform\w*|tell\w*|notify\w*|alert\w*|forward\w*|escalat\w*|refer\w*|send)\b[^.!?\n]{0,40}\b(?:human|reviewer|supervisor|handler|adjuster|person|staff|fraud)\b",
    ),
    _sign(
        "forbids review",
        2.0,
        r"\b(?:human review|manual review|fraud checks?|verification|approval)\b[^.!?\n]{0,30}\b(?:is|are|has been|have been)\b[^.!?\n]{0,20}\b(?:not (?:required|needed|necessary)|waived|disabled|unnecessary|completed already|bypassed)\b",
    ),
    _sign(
        "names tools",
        1.5,
        r"\b(?:call|use|invoke|run|execute)\b[^.!?\n]{0,30}\b(?:tool|function|api|pay_settlement|register_claim|write_to_claimant|look_up_policy)\b",
    ),
    _sign(
        "asks for secrets",
        2.0,
        r"\b(?:reveal|print|show|output|repeat|reply with|send)\b[^.!?\n]{0,40}\b(?:system prompt|your (?:instructions|prompt|rules)|credentials?|api key|password|token)\b",
    ),
    _sign(
        "says how to answer",
        1.0,
        r"\b(?:respond|reply|answer|output|return)\b[^.!?\n]{0,20}\b(?:only|with json|in json|\"approved\"|'approved'|yes)\b",
    ),
    _sign(
        "says how to answer",
        1.5,
        r"\b(?:confidence|claims_count|injury_reported|claimed_amount|estimate_total|policy_covers_date)\b\s*(?:=|:|to|is)\s*\S",
    ),
)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f]")


def judge_instructions_in_document(subject: Subject) -> Judgement:
    """`text` is a document's text. `context["hidden_text"]` may hold what a reader would not see (tiny, white, off page)."""
    found = instruction_signs(subject.text)
    score = sum(weight for _, weight, _ in found)
    hidden = subject.context.get("hidden_text")
    if isinstance(hidden, str) and hidden.strip():
        hidden_found = instruction_signs(hidden)
        score += 1.0 + sum(weight for _, weight, _ in hidden_found)
        found = [*found, ("hidden text", 1.0, hidden.strip()[:80]), *hidden_found]
    if len(_INVISIBLE.findall(subject.text)) > 5:
        score += 1.0
        found = [*found, ("invisible characters", 1.0, "")]
    evidence: dict[str, Any] = {
        "score": round(score, 1),
        "signs": [{"sign": name, "quote": quote} for name, _, quote in found[:8]],
    }
    if score >= _BLOCK_AT:
        return blocked("The text gives instructions to the system; they were not followed.", **evidence)
    if score >= _FLAG_AT:
        return flagged("The text may be giving instructions to the system.", **evidence)
    return passed("The text gives no instructions to the system.", score=round(score, 1))


def instruction_signs(text: str) -> list[tuple[str, float, str]]:
    """(sign, weight, quotation) for each kind of sign in the text; a kind counts once, with its heaviest pattern."""
    plain = _INVISIBLE.sub("", text)
    best: dict[str, tuple[str, float, str]] = {}
    for sign in _SIGNS:
        match = sign.pattern.search(plain)
        if match and sign.weight > best.get(sign.name, ("", 0.0, ""))[1]:
            best[sign.name] = (sign.name, sign.weight, " ".join(match.group().split())[:120])
    return list(best.values())
