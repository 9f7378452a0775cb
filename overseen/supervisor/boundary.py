"""The boundary: how far the machine may go by itself with one ruling."""

from collections.abc import Mapping, Sequence

from overseen.domain.facts import Fact, confidence_or_one
from overseen.domain.findings import Finding, Verdict
from overseen.domain.outcomes import BoundaryLevel, BoundaryVerdict, Ruling
from overseen.supervisor.context import evaluate_rules
from overseen.supervisor.playbook import Playbook
from overseen.supervisor.ruling import rule_values

_STRICTNESS = {BoundaryLevel.AUTOMATE: 0, BoundaryLevel.ASSIST: 1, BoundaryLevel.HUMAN_ONLY: 2}


def decide_boundary(
    playbook: Playbook, ruling: Ruling, facts: Mapping[str, Fact], findings: Sequence[Finding]
) -> BoundaryVerdict:
    """Where the playbook's `boundary` rules put `ruling`; the strictest row wins, and no row at all is human-only."""
    unsure = unsure_facts(playbook, facts)
    measured = [confidence_or_one(facts[name]) for name in _counted(playbook, facts)]
    values = rule_values(playbook, facts) | {
        "outcome": ruling.outcome.value,
        "amount": ruling.amount,
        "blocked": checks_that_said(findings, Verdict.BLOCK),
        "flagged": checks_that_said(findings, Verdict.FLAG),
        "abstained": checks_that_said(findings, Verdict.ABSTAIN),
        "lowest_confidence": min(measured, default=1.0),
        "unsure": unsure,
        "automate_up_to": playbook.boundary.automate_up_to,
        "automate_currency": playbook.boundary.currency,
    }
    rows = evaluate_rules("boundary", playbook.rules, values)
    levels = [(BoundaryLevel(row["level"]), row) for row in rows]
    if not levels:
        return BoundaryVerdict(
            level=BoundaryLevel.HUMAN_ONLY, reasons=("No rule lets this be decided without a person.",), rules=()
        )
    strictest = max((level for level, _ in levels), key=_STRICTNESS.__getitem__)
    weightiest_first = sorted(levels, key=lambda item: -_STRICTNESS[item[0]])
    said = [row for level, row in weightiest_first if level is strictest or level is not BoundaryLevel.AUTOMATE]
    return BoundaryVerdict(
        level=strictest,
        reasons=tuple(dict.fromkeys(str(row["reason"]) for row in said)),
        rules=tuple(dict.fromkeys(str(row["rule"]) for row in said)),
    )


def unsure_facts(playbook: Playbook, facts: Mapping[str, Fact]) -> list[str]:
    """Names of decision facts with a value whose confidence is below the playbook's threshold."""
    return [
        name for name in _counted(playbook, facts) if confidence_or_one(facts[name]) < playbook.confidence_threshold
    ]


def checks_that_said(findings: Sequence[Finding], verdict: Verdict) -> list[str]:
    """Names of the checks with at least one finding of that verdict, each once, in order."""
    return list(dict.fromkeys(finding.check for finding in findings if finding.verdict is verdict))


def _counted(playbook: Playbook, facts: Mapping[str, Fact]) -> list[str]:
    return [name for name in playbook.decision_facts if name in facts and facts[name].value is not None]
