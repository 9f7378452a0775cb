"""What becomes of a run whose time is up: it says what was not read, and a person decides with what is known."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from overseen.domain.findings import Finding, Verdict
from overseen.domain.outcomes import BoundaryLevel, BoundaryVerdict, Outcome, Ruling
from overseen.domain.plans import Step
from overseen.errors import OverseenError
from overseen.models.errors import OutOfTime
from overseen.playbooks import Playbook

READ_IN_TIME = "read_in_time"
"""The check that abstains for a step whose time was up."""

_SETTLING_SECONDS = 0.1
"""The graph takes in the result of a step a moment after the step is through."""

_DECISION_CLASS = "not_read_in_time"


def not_read(playbook: Playbook, step: Step, error: OutOfTime) -> Finding:
    """The finding in place of what a step would have found: which facts nobody looked for."""
    titles = {fact.name: fact.title for fact in playbook.facts}
    names = [titles.get(name, name) for name in step.produces]
    return Finding(
        check=READ_IN_TIME,
        verdict=Verdict.ABSTAIN,
        subject=f"step:{step.agent}",
        message=f"{error.message} Not read in time: {', '.join(names) or step.goal}.",
        evidence={"facts": list(step.produces)},
    )


def unread(findings: Sequence[Finding]) -> list[Finding]:
    """The findings of steps whose time was up."""
    return [finding for finding in findings if finding.check == READ_IN_TIME]


def left_to_a_person(ruling: Ruling, missed: Sequence[Finding]) -> Ruling:
    """A referral in place of `ruling`: rules that see facts as absent would take what was not read for not there."""
    return replace(
        ruling,
        outcome=Outcome.REFER,
        amount=None,
        sum_terms=(),
        reasons=tuple(dict.fromkeys(finding.message for finding in missed)),
        rules=(),
        missing=(),
        decision_class=_DECISION_CLASS,
    )


def never_alone(boundary: BoundaryVerdict, missed: Sequence[Finding]) -> BoundaryVerdict:
    """The same boundary where it asks for a person anyway; else one that does."""
    if boundary.level is not BoundaryLevel.AUTOMATE:
        return boundary
    reasons = tuple(dict.fromkeys(finding.message for finding in missed))
    return BoundaryVerdict(level=BoundaryLevel.HUMAN_ONLY, reasons=reasons, rules=())


class SideBySide:
    """Steps of a run that go on at the same time.

    The graph cancels all when one fails. A failure that is tried again therefore waits here until the others are
    through: an answer that is coming is not thrown away because something else was down for a moment.
    """

    def __init__(self) -> None:
        self._going: dict[str, int] = {}
        self._fewer = asyncio.Condition()

    @asynccontextmanager
    async def step(self, run_id: str) -> AsyncGenerator[None]:
        """One step of the run, in this block. Errors that may pass leave it only when no other step goes on."""
        self._going[run_id] = self._going.get(run_id, 0) + 1
        through = False
        try:
            yield
        except OverseenError as error:
            if error.retryable:
                await self._leave(run_id)
                through = True
                async with self._fewer:
                    await self._fewer.wait_for(lambda: run_id not in self._going)
                await asyncio.sleep(_SETTLING_SECONDS)
            raise
        finally:
            if not through:
                await self._leave(run_id)

    async def _leave(self, run_id: str) -> None:
        self._going[run_id] -= 1
        if not self._going[run_id]:
            del self._going[run_id]
        async with self._fewer:
            self._fewer.notify_all()
