"""What a viewer is shown of tasks and runs: the one way from the readers to pages, API and command line.

Reviewers, auditors and operators are shown everything. A requester is shown what `domain.disclosure` lets be told: of a
ruling that waits only that it waits, for whom and since when. Contents behind the journal's entries (prompts, answers,
arguments, results, drafts) are never theirs.
"""

from dataclasses import replace
from typing import TypeVar

from overseen.api.access import Viewer
from overseen.api.reading.runs import RunFilter
from overseen.api.reading.steps import since_last_plan
from overseen.api.reading.tasks import TaskFilter
from overseen.api.reading.views import Page, RunLine, RunView, TaskLine, TaskView, TimelineEntry
from overseen.api.services import Services
from overseen.domain.calls import Effect
from overseen.domain.disclosure import ruling_is_told, told_facts
from overseen.domain.outcomes import DecisionKind, RunState

Line = TypeVar("Line", RunLine, TaskLine)

_TOLD_ALWAYS: dict[str, frozenset[str]] = {
    "TaskSubmitted": frozenset({"task_id", "playbook", "region"}),
    "MessageAdded": frozenset({"author"}),
    "RunStarted": frozenset(),
    "RunParked": frozenset({"waits_for"}),
    "RunResumed": frozenset(),
    "RunEnded": frozenset({"state", "amount", "currency", "seconds"}),
    "RunFailed": frozenset({"message"}),
    "PlanLocked": frozenset({"origin"}),
    "StepStarted": frozenset({"step_id", "agent"}),
    "StepFinished": frozenset({"step_id", "agent", "facts", "seconds"}),
    "ReviewOpened": frozenset(),
    "ReviewDecided": frozenset(),
    "QuestionAsked": frozenset(),
    "QuestionAnswered": frozenset(),
    "KillSwitchPulled": frozenset({"scope"}),
    "KillSwitchLifted": frozenset({"scope"}),
    "ChainClosed": frozenset(),
}
"""Kinds of journal entries a requester sees, each with the fields they see of its payload; other kinds are hidden."""

_TOLD_WITH_THE_RULING: dict[str, frozenset[str]] = {
    "RulingComputed": frozenset({"outcome", "amount", "currency"}),
    "Explained": frozenset({"author"}),
}
_OTHER_WORDS = {"ReviewDecided": "A reviewer decided", "KillSwitchPulled": "A kill switch was pulled"}
"""Instead of sentences that say more than a requester is told."""


async def shown_run(services: Services, viewer: Viewer, run_id: str) -> RunView:
    """One run as `viewer` may see it. Raises NotFound for a run of someone else."""
    viewer.require_task(await services.runs.requester_of(run_id))
    return run_as_shown(await services.runs.run(run_id), viewer)


async def shown_task(services: Services, viewer: Viewer, task_id: str) -> TaskView:
    """One task with its chat and newest run as `viewer` may see it. Raises NotFound for a task of someone else."""
    viewer.require_task(await services.tasks.requester_of(task_id))
    task = await services.tasks.task(task_id)
    return task if task.run is None else replace(task, run=run_as_shown(task.run, viewer))


async def shown_runs(services: Services, viewer: Viewer, chosen: RunFilter) -> tuple[tuple[RunLine, ...], Page]:
    """The runs that match and that `viewer` may see; whose they are is not for `chosen` to say."""
    mine = None if viewer.sees_all_tasks else viewer.account_id
    lines, paging = await services.runs.list(replace(chosen, requester_id=mine))
    return tuple(_line_as_shown(line, viewer) for line in lines), paging


async def shown_tasks(services: Services, viewer: Viewer, chosen: TaskFilter) -> tuple[tuple[TaskLine, ...], Page]:
    """The tasks that match: one's own for all who hand in, everyone's for those who only look."""
    mine = None if viewer.sees_all_tasks and not viewer.may_submit else viewer.account_id
    lines, paging = await services.tasks.list(replace(chosen, requester_id=mine))
    return tuple(_line_as_shown(line, viewer) for line in lines), paging


def run_as_shown(run: RunView, viewer: Viewer) -> RunView:
    """`run` whole for those who may see every task, else what its requester may be told."""
    if viewer.sees_all_tasks:
        return run
    told = ruling_is_told(run.state, run.ruling.outcome if run.ruling else None, _decision(run))
    ended_with_money = run.state is RunState.SETTLED
    return replace(
        run,
        withheld=not told,
        outcome=run.outcome if told else None,
        # Of a run that ended the row says what was paid, whatever had been proposed.
        amount=run.amount if told or ended_with_money else None,
        currency=run.currency if told or ended_with_money else None,
        boundary=run.boundary if told else None,
        ruling=run.ruling if told else None,
        verdict=None,
        explanation=run.explanation if told else None,
        facts=told_facts(run.facts, ruling_told=told),
        # What checks said (signs of fraud among it) is for those who decide.
        findings=(),
        steps=tuple(replace(step, findings=()) for step in run.steps),
        timeline=_told_entries(run, told=told),
        calls=tuple(call for call in run.calls if told or call.effect == Effect.READ),
        review_id=None,
        model_calls=(),
        leases=(),
    )


def sees_contents(viewer: Viewer) -> bool:
    """Whether the contents that journal entries point to are shown: prompts, answers, arguments, results, drafts."""
    return viewer.sees_all_tasks


def _line_as_shown(line: Line, viewer: Viewer) -> Line:
    """A list knows no decisions, so it names only what an ended run did."""
    if viewer.sees_all_tasks:
        return line
    paid = line.state is RunState.SETTLED
    shown = replace(line, outcome=None, amount=line.amount if paid else None, currency=line.currency if paid else None)
    return replace(shown, boundary=None) if isinstance(shown, RunLine) else shown


def _told_entries(run: RunView, *, told: bool) -> tuple[TimelineEntry, ...]:
    kinds = {**_TOLD_ALWAYS, **(_TOLD_WITH_THE_RULING if told else {})}
    return tuple(
        replace(
            entry,
            sentence=_OTHER_WORDS.get(entry.kind, entry.sentence),
            payload={name: value for name, value in entry.payload.items() if name in kinds[entry.kind]},
        )
        for entry in run.timeline
        if entry.kind in kinds
    )


def _decision(run: RunView) -> DecisionKind | None:
    """What a person said in the round that the run is in."""
    recent = since_last_plan(run.timeline)
    said = [entry.payload["decision"] for entry in recent if entry.kind == "ReviewDecided"]
    return DecisionKind(said[-1]) if said else None
