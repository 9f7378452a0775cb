"""What a guardrail says about something."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """`abstain` means the check could not look; the boundary treats it as a reason to ask a person."""

    PASS = "pass"  # noqa: S105
    FLAG = "flag"
    BLOCK = "block"
    ABSTAIN = "abstain"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One verdict of one check.

    `check` is the check's name (span_in_source). `subject` names what was looked at (fact:incident_date,
    document:letter.eml, message). `message` is one sentence a reviewer understands. `evidence` holds JSON values.
    """

    check: str
    verdict: Verdict
    subject: str
    message: str
    evidence: Mapping[str, object] = field(default_factory=dict[str, object])
