"""What a viewer is shown of tasks and runs: the one way from the readers to pages, API and command line.

Reviewers, auditors and operators are shown everything. A requester is shown what `domain.disclosure` lets be told: of a
ruling that waits only that it waits, for whom and since when, and of records only what is their own. Contents behind
the journal's entries (prompts, answers, arguments, results, drafts) are never theirs.
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
from overseen.domain.disclosure import Disclosure, ruling_is_told, told_ruling
from overseen.domain.outcomes import DecisionKind, RunState
from overseen.errors import NotFound
from overseen.playbooks import load_playbook

Line = TypeVar("Line", RunLine, TaskLine)

_TOLD_ALWAYS: dict[str, frozenset[str]] = {
    "TaskSubmitted": frozenset({"task_id", "playbook", "region"}),
    "MessageAdded": frozenset({"author"}),
    "RunStarted": frozenset(),
    "RunParked": frozenset({"waits_for"}),
    "RunResumed": frozenset(),
    "RunEnded": frozenset({"state", "seconds"}),
    "RunFailed": frozenset(),
    "PlanLocked": frozenset({"origin"}),
    "StepStarted": frozenset({"step_id", "agent"}),
    "StepFinished": frozenset({"step_id", "agent", "seconds"}),
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
_OTHER_WORDS = {
    "ReviewDecided": "A reviewer decided",
    "KillSwitchPulled": "A kill switch was pulled",
    "RunEnded": "Ended",
    "RunFailed": "It could not be finished",
    # How many facts a look-up gave tells whether there was anything to find.
    "StepFinished": "Done",
}
"""Instead of sentences that say more than a requester is told."""
_FAILED = "It could not be finished. An operator has been told, and can say what was done before."


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
    rules = disclosure_of(run.playbook)
    told = ruling_is_told(run.state, run.ruling.outcome if run.ruling else None, _decision(run))
    theirs = rules.details_are_told(run.facts, viewer.email)
    details = told and theirs
    # Of a run that ended the row says what was paid, whatever had been proposed.
    paid = theirs and (told or run.state is RunState.SETTLED)
    facts = rules.told_facts(run.facts, details_told=details)
    return replace(
        run,
        withheld=not told,
        details_withheld=told and not theirs,
        outcome=run.outcome if told else None,
        amount=run.amount if paid else None,
        currency=run.currency if paid else None,
        boundary=run.boundary if details else None,
        error_message=_FAILED if run.state is RunState.FAILED else run.error_message,
        ruling=told_ruling(run.ruling, details_told=details) if told and run.ruling else None,
        verdict=None,
        explanation=run.explanation if details else None,
        facts=facts,
        # What checks said (signs of fraud among it) is for those who decide.
        findings=(),
        steps=tuple(
            replace(step, findings=(), fact_count=sum(fact.step_id == step.step_id for fact in facts))
            for step in run.steps
        ),
        timeline=_told_entries(run, details=details),
        calls=tuple(call for call in run.calls if details or call.effect == Effect.READ),
        review_id=None,
        model_calls=(),
        leases=(),
    )


def disclosure_of(playbook: str) -> Disclosure:
    """What a playbook lets a requester see; of one that is no longer installed nothing that was looked up."""
    try:
        return load_playbook(playbook).disclosure
    except NotFound:
        return Disclosure()


def sees_contents(viewer: Viewer) -> bool:
    """Whether the contents that journal entries point to are shown: prompts, answers, arguments, results, drafts."""
    return viewer.sees_all_tasks


def _line_as_shown(line: Line, viewer: Viewer) -> Line:
    """A list knows neither decisions nor whose records they rest on, so it names only the state."""
    if viewer.sees_all_tasks:
        return line
    shown = replace(line, outcome=None, amount=None, currency=None)
    return replace(shown, boundary=None) if isinstance(shown, RunLine) else shown


def _told_entries(run: RunView, *, details: bool) -> tuple[TimelineEntry, ...]:
    kinds = {**_TOLD_ALWAYS, **(_TOLD_WITH_THE_RULING if details else {})}
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
