"""The explanation: a model puts the decision into words, and code refuses words the facts do not carry."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from overseen.domain.facts import Fact
from overseen.domain.outcomes import Outcome, Ruling
from overseen.supervisor.context import money
from overseen.supervisor.statements import (
    NUMBER,
    amount_sentence,
    invented_numbers,
    known_lines,
    numbers_in,
    ruling_lines,
    sentence,
    spoken,
    unknown_identifiers,
)
from overseen.supervisor.wordings import LINK

_LENGTH = 300
_PAID = re.compile(r"\b(will be paid|we (will )?pay|settled|approved|reimbursed)\b", re.IGNORECASE)
_PROMISE = re.compile(
    r"\b(will|shall|has been|have been|was|were|already)\b[^.]{0,30}\b(paid|transferred|sent|credited|reimbursed"
    r"|approved|accepted)\b|\b(within|in) \w+ (working )?days\b|\bin your account\b"
    r"|\b(ausgezahlt|überwiesen|genehmigt|remboursée?s?|versée?s?|approuvée?s?|pagad[oa]s?|abonad[oa]s?|aprobad[oa]s?"
    r"|pagat[oaie]|rimborsat[oaie]|approvat[oaie]|uitbetaald|goedgekeurd|wypłacon\w+)\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(denied|denies|reject\w*|declin\w*|refus\w*|not (be )?(paid|covered)|(does|did|do) not cover|lapsed|outside the"
    r")\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"\b(no|not|never|none|nothing|without|neither|cannot)\b|n['’]t\b", re.IGNORECASE)
_PROCEDURE = re.compile(r"\b(reviewers?|informed|notified|this review|the system)\b", re.IGNORECASE)
_OPENING = {
    Outcome.ASK: "This cannot be decided yet.",
    Outcome.REFER: "A person has to look at this.",
    Outcome.DENY: "By the rules nothing can be paid.",
}


def explanation_schema() -> dict[str, Any]:
    """JSON schema of the answer: one short paragraph."""
    return {
        "type": "object",
        "properties": {"explanation": {"type": "string", "minLength": 20, "maxLength": _LENGTH}},
        "required": ["explanation"],
        "additionalProperties": False,
    }


def explanation_input(facts: Mapping[str, Fact], ruling: Ruling) -> str:
    """What the model is shown, in one line: the decision, then what the decision does not say already.

    Said twice it would be explained twice. How the decision is gone about is not the model's business.
    """
    decision = " ".join(ruling_lines(ruling, None))
    told = [f"{fact.name}: {spoken(fact)}." for fact in facts.values() if spoken(fact) not in decision]
    return " ".join([decision, *told])


def explanation_text(data: Any) -> str:
    """The paragraph of an answer; empty when there is none."""
    return " ".join(str(data.get("explanation") or "").split()) if isinstance(data, Mapping) else ""


def cited_facts(text: str, facts: Mapping[str, Fact], ruling: Ruling) -> tuple[str, ...]:
    """Names of the facts the text speaks of: those whose value stands in it."""
    said = numbers_in(text)
    terms = {abs(amount).normalize() for _, amount in ruling.sum_terms}
    return tuple(
        name
        for name, fact in facts.items()
        if ((amount := money(fact.value)) is not None and amount.normalize() in said & terms)
        or (len(spoken(fact)) > 1 and re.search(rf"(?<!\w){re.escape(spoken(fact))}(?!\w)", text, re.IGNORECASE))
    )


def check_explanation(data: Any, facts: Mapping[str, Fact], ruling: Ruling) -> tuple[str, ...]:
    """What is wrong with the explanation, one sentence a problem; empty when it holds.

    It holds when it is of whole sentences, every number, policy number, account and address in it stands in a fact or
    the ruling, a settlement's amount is named with all terms of its sum or none, and nothing contradicts the ruling.
    """
    text = explanation_text(data)
    if not text:
        return ("The explanation holds no sentences.",)
    known = known_lines(facts, ruling, None)
    problems = [] if text.endswith((".", "!", "?")) else ["The last sentence breaks off."]
    problems += [f"The number {number} is in no fact." for number in invented_numbers(text, known)]
    problems += [f"{item} is in no fact." for item in unknown_identifiers(text, known)]
    if ruling.amount is not None and invented_numbers(f"{ruling.amount:.2f}", [text]):
        problems.append(f"It does not name the amount {ruling.amount:.2f}.")
    said = numbers_in(text)
    left_out = [label for label, amount in ruling.sum_terms if abs(amount).normalize() not in said]
    if left_out and len(left_out) < len(ruling.sum_terms):
        # "The estimate of 14,880 less the excess of 250 is 11,750": each number is right, and the sum is not.
        problems.append(f"Its sum leaves out the {' and the '.join(left_out)}.")
    problems += [f"It names the address {found.group()!r}." for found in LINK.finditer(_without_sources(text, facts))][
        :1
    ]
    problems += [f"It says {found.group()!r}; what is done is said by the record." for found in _PROMISE.finditer(text)]
    problems += mislabelled_terms(text, ruling)
    if contradiction := _contradiction(text, ruling):
        problems.append(contradiction)
    return tuple(problems)


def mislabelled_terms(text: str, ruling: Ruling) -> list[str]:
    """Sums called by another term's name: 492.80 as the estimate, when the estimate was 742.80."""
    values: dict[str, set[Decimal]] = {}
    for label, amount in ruling.sum_terms:
        values.setdefault(label.lower(), set()).add(abs(amount).normalize())
    problems: list[str] = []
    begin = 0
    for number in NUMBER.finditer(text):
        said = {abs(value) for value in numbers_in(number.group())}
        before, after = text[begin : number.start()].lower(), text[number.end() :].lower()
        begin = number.end()
        labels = [(before.rfind(label), label) for label in values if label in before]
        follows = [label for label in values if re.match(rf"\s*(?:\w{{3}}\s+)?{re.escape(label)}\b", after)]
        label = follows[0] if follows else max(labels)[1] if labels else None
        known = {abs(amount).normalize() for _, amount in ruling.sum_terms} | (
            {ruling.amount.normalize()} if ruling.amount is not None else set()
        )
        if label is not None and said & known and not said <= values[label]:
            problems.append(f"It calls {number.group(1)} the {label}, which it is not.")
    return problems


def _without_sources(text: str, facts: Mapping[str, Fact]) -> str:
    for fact in facts.values():
        text = text.replace(fact.source.name, " ")
    return text


def rules_explanation(ruling: Ruling) -> str:
    """The explanation made from the rules alone, used when the model's does not hold. Always true, a little stiff."""
    opening = _OPENING.get(ruling.outcome)
    lines = [opening] if opening else []
    lines += [sentence(reason) for reason in ruling.reasons]
    if ruling.amount is not None:
        lines.append(amount_sentence(ruling))
    return " ".join(lines)


def _contradiction(text: str, ruling: Ruling) -> str:
    """A paragraph that says the opposite of the ruling is worse than none."""
    if ruling.amount is None and _PAID.search(text):
        return "It says that money is paid, but the ruling pays nothing."
    if ruling.outcome is not Outcome.DENY and _DENIED.search(text):
        return "It says that the claim is denied, but the ruling does not."
    if ruling.amount is not None and (found := _NEGATION.search(text)):
        # What is settled is settled for what is there. "The excess is not applicable" was once said of one that was.
        return f"It says {found.group()!r}, but nothing is lacking in a settlement."
    if found := _PROCEDURE.search(text):
        return f"It talks of the procedure ({found.group()!r}), of which the facts say nothing."
    return ""
