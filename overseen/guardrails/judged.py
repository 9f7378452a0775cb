"""Checks without guardrails-ai, for processes that must stay light: the same judges, asked directly."""

from collections.abc import Mapping

from overseen.domain.findings import Finding
from overseen.errors import NotFound
from overseen.guardrails.check import Judge, Subject
from overseen.guardrails.outgoing import judge_others_personal_data, judge_secrets_in_output


class JudgedChecks:
    """A `Guardrails` of judges by the name of their check."""

    def __init__(self, judges: Mapping[str, Judge]) -> None:
        self._judges = judges

    async def inspect(self, check: str, subject: Subject) -> Finding:
        """The finding of that check; NotFound when there is no such check."""
        if check not in self._judges:
            raise NotFound(f"There is no check named {check}.", not_done=f"{subject.name} was not checked.")
        judgement = self._judges[check](subject)
        return Finding(
            check=check,
            verdict=judgement.verdict,
            subject=subject.name,
            message=judgement.message,
            evidence=judgement.evidence,
        )


def outgoing_checks() -> JudgedChecks:
    """The checks on what leaves the house."""
    return JudgedChecks(
        {"secrets_in_output": judge_secrets_in_output, "others_personal_data": judge_others_personal_data}
    )
