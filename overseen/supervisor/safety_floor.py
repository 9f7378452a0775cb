"""The safety floor: the part of the boundary that no decision table and no playbook can lower.

A blocking or abstaining check, a failed look-up, an uncertain fact, a fact that is only a model's word, money or a
recipient from an untrusted source: at least assist. Signs of orders in a document, or of a secret in outgoing text:
human-only. A playbook may name what it tolerates for one outcome; where money is paid that is only the source of an
argument, up to a sum.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from overseen.domain.call_rules import ArgumentRole, Tolerance
from overseen.domain.facts import Fact, Source, Trust, confidence_or_one
from overseen.domain.findings import Finding, Verdict
from overseen.domain.outcomes import BoundaryLevel, Ruling
from overseen.domain.proposals import ProposedCall
from overseen.errors import InvalidInput
from overseen.supervisor.payments import sum_paid
from overseen.supervisor.playbook import Playbook
from overseen.supervisor.ruling import facts_of_the_sum

LOWEST_THRESHOLD = 0.5
"""Whatever a playbook says, a fact that is more likely wrong than right is not sure."""

_SIGNS_OF_ATTACK = {
    "instructions_in_document": ("F6", "A document tells the system what to do."),
    "secrets_in_output": ("F7", "A text that was to be sent holds a secret."),
}
_FAILED_LOOK_UPS = frozenset({"tool_worked", "tool_allowed", "document_readable", "documents_read"})
"""Checks whose every finding but pass means that something was not looked up or not read."""
_SHOWN_WHERE_IT_STANDS = frozenset({"text", "date", "money"})
"""A value of these types has a place where it stands; a yes, a number of things or a kind has not."""
_TRUSTED = frozenset({Trust.RECORD, Trust.RULE, Trust.PERSON})
_BY_PAPERS = frozenset({Trust.REQUESTER, Trust.DOCUMENT})
_COMES_FROM = {
    Trust.DOCUMENT: "comes from a document",
    Trust.REQUESTER: "was stated by the requester",
    Trust.MODEL: "is a model's own word",
}

_NOTHING_PAID = Fact(
    name="nothing_paid",
    value=Decimal(0),
    source=Source(kind="rule", name="the outcome pays nothing"),
    trust=Trust.RULE,
    confidence=1.0,
    step_id="",
    fact_id="",
)


@dataclass(frozen=True, kw_only=True)
class _Worry:
    """One thing that the floor is for. `tolerable` says what it rests on when the playbook lets it pass."""

    rule: str
    level: BoundaryLevel
    reason: str
    tolerable: Tolerance | None = None


@dataclass(frozen=True, kw_only=True)
class SafetyFloor:
    """The lowest level that is allowed, with a sentence and a rule id a reason, and what was let pass."""

    level: BoundaryLevel
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    tolerated: tuple[str, ...]


def safety_floor(
    playbook: Playbook,
    ruling: Ruling,
    facts: Mapping[str, Fact],
    findings: Sequence[Finding],
    calls: Sequence[ProposedCall],
) -> SafetyFloor:
    """How little the machine may do by itself with `calls`, whatever the playbook's tables say."""
    worries = [
        *_attacks(findings),
        *_checks(playbook, ruling, findings, calls),
        *_facts(playbook, ruling, facts, calls),
        *_arguments(playbook, ruling, facts, calls),
    ]
    standing = [worry for worry in worries if worry.tolerable is None]
    passed = [f"{worry.reason} {worry.tolerable.why}" for worry in worries if worry.tolerable is not None]
    level = BoundaryLevel.AUTOMATE
    if standing:
        only_people = any(worry.level is BoundaryLevel.HUMAN_ONLY for worry in standing)
        level = BoundaryLevel.HUMAN_ONLY if only_people else BoundaryLevel.ASSIST
    return SafetyFloor(
        level=level,
        reasons=tuple(dict.fromkeys(worry.reason for worry in standing)),
        rules=tuple(dict.fromkeys(worry.rule for worry in standing)),
        tolerated=tuple(dict.fromkeys(passed)),
    )


def is_sure(fact: Fact, threshold: float) -> bool:
    """Whether the confidence reaches the threshold; one that is no number from 0 to 1 does not."""
    return max(threshold, LOWEST_THRESHOLD) <= confidence_or_one(fact) <= 1.0


def unsure_reason(title: str, fact: Fact) -> str:
    """Why a person is asked: which fact is uncertain, and how uncertain."""
    confidence = confidence_or_one(fact)
    shown = f"{math.floor(confidence * 100) / 100:.2f}" if 0.0 <= confidence <= 1.0 else "not measured"
    return f"“{title}” is not certain enough ({shown})."


def check_reason(check: str, verdict: Verdict, subject: str = "") -> str:
    """What a check said, without content: its message may quote a document, and reasons stand in the journal."""
    named = check.replace("_", " ")
    if check in _FAILED_LOOK_UPS:
        tool = subject.partition(":")[2].replace("_", " ")
        return f"A look-up failed: {tool}." if check.startswith("tool_") else "Not every document could be read."
    said = {
        Verdict.BLOCK: "refused something",
        Verdict.FLAG: "flagged something",
        Verdict.ABSTAIN: "could not look",
    }
    return f"The check “{named}” {said.get(verdict, 'passed')}."


def _attacks(findings: Sequence[Finding]) -> Iterator[_Worry]:
    for finding in findings:
        if finding.check in _SIGNS_OF_ATTACK and finding.verdict in (Verdict.FLAG, Verdict.BLOCK):
            rule, reason = _SIGNS_OF_ATTACK[finding.check]
            yield _Worry(rule=rule, level=BoundaryLevel.HUMAN_ONLY, reason=reason)


def _checks(
    playbook: Playbook, ruling: Ruling, findings: Sequence[Finding], calls: Sequence[ProposedCall]
) -> Iterator[_Worry]:
    tolerances = _where_nothing_is_paid(playbook, ruling, calls)
    for finding in findings:
        failed = finding.check in _FAILED_LOOK_UPS
        if finding.verdict is Verdict.PASS or (finding.verdict is Verdict.FLAG and not failed):
            continue
        by = None
        if finding.check not in _SIGNS_OF_ATTACK:
            by = next((tolerance for tolerance in tolerances if finding.check in tolerance.checks), None)
        reason = check_reason(finding.check, finding.verdict, finding.subject)
        yield _Worry(rule="F2" if failed else "F1", level=BoundaryLevel.ASSIST, reason=reason, tolerable=by)


def _facts(
    playbook: Playbook, ruling: Ruling, facts: Mapping[str, Fact], calls: Sequence[ProposedCall]
) -> Iterator[_Worry]:
    tolerances = _where_nothing_is_paid(playbook, ruling, calls)
    titles = {definition.name: definition.title for definition in playbook.facts}
    for name in playbook.decision_facts:
        fact = facts.get(name)
        if fact is None or fact.value is None:
            continue
        by = next((tolerance for tolerance in tolerances if name in tolerance.unsure), None)
        title = titles.get(name, name)
        if not is_sure(fact, playbook.confidence_threshold):
            reason = unsure_reason(title, fact)
            yield _Worry(rule="F3", level=BoundaryLevel.ASSIST, reason=reason, tolerable=by)
        if _is_a_models_word(playbook, fact):
            reason = f"“{title}” rests on a model's word alone."
            yield _Worry(rule="F4", level=BoundaryLevel.ASSIST, reason=reason, tolerable=by)


def _arguments(
    playbook: Playbook, ruling: Ruling, facts: Mapping[str, Fact], calls: Sequence[ProposedCall]
) -> Iterator[_Worry]:
    for call in calls:
        for name in _to_guard(playbook, call):
            sources = _sources(call, name, ruling, facts)
            worst = _least_trusted(sources)
            if worst in _TRUSTED:
                continue
            reason = f"The {name.replace('_', ' ')} {_COMES_FROM[worst]}."
            by = _argument_tolerance(playbook, ruling, calls, f"{call.tool}.{name}")
            if by is not None and not all(_vouched(playbook, fact) for fact in sources if fact.trust not in _TRUSTED):
                by = None
            yield _Worry(rule="F5", level=BoundaryLevel.ASSIST, reason=reason, tolerable=by if sources else None)


def _to_guard(playbook: Playbook, call: ProposedCall) -> Sequence[str]:
    """The money and the recipients of a call; of a tool that the playbook does not describe, every argument."""
    rules = playbook.calls.get(call.tool)
    if rules is None:
        return tuple(call.arguments)
    roles = (ArgumentRole.MONEY, ArgumentRole.RECIPIENT)
    return tuple(name for role in roles for name in rules.names(role) if name in call.arguments)


def _sources(call: ProposedCall, name: str, ruling: Ruling, facts: Mapping[str, Fact]) -> list[Fact]:
    """The facts an argument comes from: the one it names, or those of the sum; none for an invention."""
    named = call.argument_facts.get(name)
    if named is not None:
        return [facts[named]] if named in facts else []
    if call.arguments[name] == format(ruling.amount or Decimal(0), ".2f"):
        return facts_of_the_sum(facts) if ruling.amount is not None else [_NOTHING_PAID]
    return []


def _least_trusted(sources: Sequence[Fact]) -> Trust:
    trusts = {fact.trust for fact in sources}
    for trust in (Trust.MODEL, Trust.DOCUMENT, Trust.REQUESTER):
        if trust in trusts:
            return trust
    return Trust.RULE if trusts else Trust.MODEL


def _vouched(playbook: Playbook, fact: Fact) -> bool:
    """Whether a value of the requester or a document is shown where it stands, and sure."""
    shown = not _is_a_models_word(playbook, fact)
    return fact.trust in _BY_PAPERS and shown and is_sure(fact, playbook.confidence_threshold)


def _is_a_models_word(playbook: Playbook, fact: Fact) -> bool:
    """Whether nothing but a model says so: no record, rule or person, and no place in a source to look it up."""
    if fact.trust is Trust.MODEL or fact.source.kind == "model":
        return True
    if fact.trust in _TRUSTED:
        return False
    source = fact.source
    if source.span is not None or source.boxes:
        return False
    types = {definition.name: definition.type for definition in playbook.facts}
    # The call that read a document is in its source too; it proves the document, not the value.
    return types.get(fact.name, "text") in _SHOWN_WHERE_IT_STANDS or not (source.blob or source.text_blob)


def _where_nothing_is_paid(playbook: Playbook, ruling: Ruling, calls: Sequence[ProposedCall]) -> list[Tolerance]:
    """Tolerances for checks and unsure facts; none where any call pays or is of a tool nobody described."""
    if ruling.amount is not None or any(_may_pay(playbook, call) for call in calls):
        return []
    return [tolerance for tolerance in playbook.tolerates if tolerance.outcome is ruling.outcome]


def _may_pay(playbook: Playbook, call: ProposedCall) -> bool:
    rules = playbook.calls.get(call.tool)
    return rules is None or rules.pays


def _argument_tolerance(
    playbook: Playbook, ruling: Ruling, calls: Sequence[ProposedCall], argument: str
) -> Tolerance | None:
    try:
        paid = sum_paid(playbook.calls, calls) or Decimal(0)
    except InvalidInput:
        return None
    paid = max(paid, ruling.amount or Decimal(0))
    if ruling.currency != playbook.boundary.currency:
        return None
    for tolerance in playbook.tolerates:
        named = tolerance.outcome is ruling.outcome and argument in tolerance.arguments
        most = min(tolerance.up_to or Decimal(0), playbook.boundary.automate_up_to)
        if named and paid <= most:
            return tolerance
    return None
