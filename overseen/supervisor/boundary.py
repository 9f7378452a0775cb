"""The boundary: how far the machine may go by itself with one ruling."""

from collections.abc import Mapping, Sequence
from typing import Any

from overseen.domain.facts import Fact, confidence_or_one
from overseen.domain.findings import Finding, Verdict
from overseen.domain.outcomes import BoundaryLevel, BoundaryVerdict, Ruling
from overseen.domain.proposals import ProposedCall
from overseen.supervisor.context import evaluate_rules
from overseen.supervisor.playbook import Playbook
from overseen.supervisor.ruling import rule_values
from overseen.supervisor.safety_floor import check_reason, is_sure, safety_floor, unsure_reason

_STRICTNESS = {BoundaryLevel.AUTOMATE: 0, BoundaryLevel.ASSIST: 1, BoundaryLevel.HUMAN_ONLY: 2}


def decide_boundary(
    playbook: Playbook,
    ruling: Ruling,
    facts: Mapping[str, Fact],
    findings: Sequence[Finding],
    calls: Sequence[ProposedCall],
) -> BoundaryVerdict:
    """Where the safety floor and the playbook's `boundary` rules put `ruling`: the stricter of the two.

    The strictest row of the rules wins, and no row at all is human-only.
    """
    floor = safety_floor(playbook, ruling, facts, findings, calls)
    said = _said(evaluate_rules("boundary", playbook.rules, _values(playbook, ruling, facts, findings)))
    said += [(floor.level, rule, ()) for rule in floor.rules]
    said += [(floor.level, "", (reason,)) for reason in floor.reasons]
    strictest = max((level for level, _, _ in said), key=_STRICTNESS.__getitem__)
    told = [item for item in said if item[0] is strictest or item[0] is not BoundaryLevel.AUTOMATE]
    told.sort(key=lambda item: -_STRICTNESS[item[0]])
    return BoundaryVerdict(
        level=strictest,
        reasons=tuple(dict.fromkeys(reason for _, _, reasons in told for reason in reasons)),
        rules=tuple(dict.fromkeys(rule for _, rule, _ in told if rule)),
        tolerated=floor.tolerated,
    )


def unsure_facts(playbook: Playbook, facts: Mapping[str, Fact]) -> list[str]:
    """Names of decision facts with a value whose confidence is below the playbook's threshold."""
    return [name for name in _counted(playbook, facts) if not is_sure(facts[name], playbook.confidence_threshold)]


def checks_that_said(findings: Sequence[Finding], verdict: Verdict) -> list[str]:
    """Names of the checks with at least one finding of that verdict, each once, in order."""
    return list(dict.fromkeys(finding.check for finding in findings if finding.verdict is verdict))


def _values(
    playbook: Playbook, ruling: Ruling, facts: Mapping[str, Fact], findings: Sequence[Finding]
) -> dict[str, Any]:
    unsure = unsure_facts(playbook, facts)
    titles = {definition.name: definition.title for definition in playbook.facts}
    measured = [confidence_or_one(facts[name]) for name in _counted(playbook, facts)]
    lowest = min((each if 0.0 <= each <= 1.0 else 0.0 for each in measured), default=1.0)
    return rule_values(playbook, facts) | {
        "outcome": ruling.outcome.value,
        "amount": ruling.amount,
        "blocked": checks_that_said(findings, Verdict.BLOCK),
        "flagged": checks_that_said(findings, Verdict.FLAG),
        "abstained": checks_that_said(findings, Verdict.ABSTAIN),
        "objections": _reasons(findings, Verdict.FLAG, Verdict.BLOCK),
        "not_looked": _reasons(findings, Verdict.ABSTAIN),
        "lowest_confidence": lowest,
        "unsure": unsure,
        "unsure_reasons": [unsure_reason(titles.get(name, name), facts[name]) for name in unsure],
        "automate_up_to": playbook.boundary.automate_up_to,
        "automate_currency": playbook.boundary.currency,
    }


def _said(rows: Sequence[Mapping[str, Any]]) -> list[tuple[BoundaryLevel, str, tuple[str, ...]]]:
    """Level, rule and sentences of each row; the cell of a reason holds one sentence or a list of them."""
    if not rows:
        return [(BoundaryLevel.HUMAN_ONLY, "", ("No rule lets this be decided without a person.",))]
    said: list[tuple[BoundaryLevel, str, tuple[str, ...]]] = []
    for row in rows:
        cell = row.get("reason")
        sentences = tuple(str(item) for item in (cell if isinstance(cell, list) else [cell]) if item)
        said.append((BoundaryLevel(row["level"]), str(row.get("rule") or ""), sentences))
    return said


def _reasons(findings: Sequence[Finding], *verdicts: Verdict) -> list[str]:
    reasons = (
        check_reason(finding.check, finding.verdict, finding.subject)
        for finding in findings
        if finding.verdict in verdicts
    )
    return list(dict.fromkeys(reasons))


def _counted(playbook: Playbook, facts: Mapping[str, Fact]) -> list[str]:
    return [name for name in playbook.decision_facts if name in facts and facts[name].value is not None]
