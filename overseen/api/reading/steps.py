"""How far each step of a plan has come, read from the journal."""

from collections.abc import Sequence

from overseen.api.reading.views import StepView, TimelineEntry
from overseen.api.reading.words import humanised
from overseen.domain.findings import Finding, Verdict
from overseen.domain.outcomes import ENDED, RunState
from overseen.domain.plans import Plan

_ACTIVITY = {
    "ModelCalled": lambda e: f"thinking about {humanised(e['purpose'])}",
    "CallStarted": lambda e: f"{humanised(e['tool'])} runs in its sandbox",
    "CallFinished": lambda e: f"{humanised(e['tool'])} came back",
    "LeaseIssued": lambda e: f"got a lease for {humanised(e['tool'])}",
}


def finding_of(entry: TimelineEntry) -> Finding:
    """The finding a `FindingReported` entry tells of."""
    payload = entry.payload
    return Finding(
        check=payload["check"],
        verdict=Verdict(payload["verdict"]),
        subject=payload["subject"],
        message=payload["message"],
    )


def since_last_plan(entries: Sequence[TimelineEntry]) -> Sequence[TimelineEntry]:
    """Entries since the plan in force was locked: a run that was answered plans and reads anew."""
    locked = [number for number, entry in enumerate(entries) if entry.kind == "PlanLocked"]
    return entries[locked[-1] :] if locked else entries


def step_views(plan: Plan | None, entries: Sequence[TimelineEntry], state: RunState) -> tuple[StepView, ...]:
    """Every step of `plan` with its state, what it found and what it does now."""
    if plan is None:
        return ()
    entries = since_last_plan(entries)
    views: list[StepView] = []
    for step in plan.steps:
        own = [entry for entry in entries if entry.step_id == step.step_id]
        kinds = {entry.kind for entry in own}
        finished = next((entry for entry in own if entry.kind == "StepFinished"), None)
        latest = next((entry for entry in reversed(own) if entry.kind in _ACTIVITY), None)
        if finished is not None:
            condition = "done"
        elif "StepStarted" in kinds:
            condition = "stopped" if state in ENDED else "running"
        else:
            condition = "ended" if state in ENDED else "waiting"
        running = condition == "running"
        views.append(
            StepView(
                step_id=step.step_id,
                agent=step.agent,
                goal=step.goal,
                state=condition,
                needs=step.needs,
                produces=step.produces,
                fact_count=sum(len(entry.payload["facts"]) for entry in own if entry.kind == "FactsProduced"),
                findings=tuple(
                    finding
                    for entry in own
                    if entry.kind == "FindingReported" and (finding := finding_of(entry)).verdict is not Verdict.PASS
                ),
                activity=_ACTIVITY[latest.kind](latest.payload)
                if running and latest
                else "starting"
                if running
                else "",
                seconds=finished.payload["seconds"] if finished else None,
            )
        )
    return tuple(views)
