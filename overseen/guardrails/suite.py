"""The checks of an installation, by name."""

from collections.abc import Iterable
from functools import partial

from overseen.domain.findings import Finding
from overseen.errors import NotFound
from overseen.guardrails.check import Check, Judge, Subject
from overseen.guardrails.guardrails_check import GuardrailsCheck
from overseen.guardrails.instructions import judge_instructions_in_document
from overseen.guardrails.outgoing import judge_others_personal_data, judge_secrets_in_output
from overseen.guardrails.papers import judge_dates_fit, judge_papers_about_the_same, judge_signed_by_claimant
from overseen.guardrails.photos import judge_photo_before_incident, judge_photo_duplicate, judge_photo_unusable
from overseen.guardrails.reading import (
    judge_amounts_consistent,
    judge_bill_adds_up,
    judge_claimant_is_holder,
    judge_ids_consistent,
    judge_schema,
    judge_span_in_source,
)
from overseen.guardrails.validators import make_validator

JUDGES: dict[str, Judge] = {
    "schema": judge_schema,
    "span_in_source": judge_span_in_source,
    "amounts_consistent": judge_amounts_consistent,
    "bill_adds_up": judge_bill_adds_up,
    "ids_consistent": judge_ids_consistent,
    "claimant_is_holder": judge_claimant_is_holder,
    "signed_by_claimant": judge_signed_by_claimant,
    "dates_fit": judge_dates_fit,
    "papers_about_the_same": judge_papers_about_the_same,
    "others_personal_data": judge_others_personal_data,
    "secrets_in_output": judge_secrets_in_output,
    "instructions_in_document": judge_instructions_in_document,
    "photo_unusable": judge_photo_unusable,
    "photo_duplicate": judge_photo_duplicate,
    "photo_before_incident": judge_photo_before_incident,
}


class CheckSuite:
    """Checks by name. Later ones replace earlier ones of the same name, so an installation can bring its own."""

    def __init__(self, checks: Iterable[Check]) -> None:
        self._checks = {check.name: check for check in checks}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all checks, sorted."""
        return tuple(sorted(self._checks))

    async def inspect(self, check: str, subject: Subject) -> Finding:
        """The finding of that check; NotFound when there is no such check."""
        if check not in self._checks:
            raise NotFound(
                f"There is no check named {check}.",
                not_done=f"{subject.name} was not checked.",
                next_step=f"Known checks: {', '.join(self.names)}.",
            )
        return await self._checks[check].inspect(subject)


def standard_checks() -> tuple[Check, ...]:
    """The checks that come with Overseen. Cheap to make: guardrails-ai is imported when the first one looks."""
    return tuple(GuardrailsCheck(name, partial(make_validator, name, judge)) for name, judge in JUDGES.items())


def standard_suite() -> CheckSuite:
    """A suite of the standard checks."""
    return CheckSuite(standard_checks())
