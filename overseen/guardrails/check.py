"""What a guardrail is: a check looks at one subject and gives one finding."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from overseen.domain.findings import Finding, Verdict


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Something to look at.

    `name` is what the finding will say was looked at (fact:incident_date, document:letter.eml). `text` is
    the content; structured content is its JSON. `context` holds what the check compares with, as each says.
    """

    name: str
    text: str
    context: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a check thinks, before it is tied to a subject: see Finding for the fields."""

    verdict: Verdict
    message: str
    evidence: Mapping[str, object] = field(default_factory=dict[str, object])


Judge = Callable[[Subject], Judgement]
"""Pure and quick: no input or output, no state."""


class Check(Protocol):
    """One guardrail. Third parties register theirs under the entry-point group `overseen`."""

    @property
    def name(self) -> str:
        """The check's name in findings and in the playbook's boundary: span_in_source."""
        ...

    async def inspect(self, subject: Subject) -> Finding:
        """One finding. A check that cannot look says abstain; it raises only for its own defects."""
        ...


class Guardrails(Protocol):
    """All checks of an installation by name."""

    async def inspect(self, check: str, subject: Subject) -> Finding:
        """The finding of that check; NotFound when there is no such check."""
        ...


def passed(message: str, **evidence: object) -> Judgement:
    """Nothing wrong."""
    return Judgement(verdict=Verdict.PASS, message=message, evidence=evidence)


def flagged(message: str, **evidence: object) -> Judgement:
    """A person should know."""
    return Judgement(verdict=Verdict.FLAG, message=message, evidence=evidence)


def blocked(message: str, **evidence: object) -> Judgement:
    """It must not go on like this."""
    return Judgement(verdict=Verdict.BLOCK, message=message, evidence=evidence)


def abstained(message: str, **evidence: object) -> Judgement:
    """The check could not look."""
    return Judgement(verdict=Verdict.ABSTAIN, message=message, evidence=evidence)
