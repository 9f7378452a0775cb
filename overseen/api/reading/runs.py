"""Runs, whole and in lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from overseen.api.reading.accounts import account_names, actor_names
from overseen.api.reading.decoding import decode, decode_facts, read_json, read_text
from overseen.api.reading.steps import finding_of, since_last_plan, step_views
from overseen.api.reading.timeline import timeline
from overseen.api.reading.views import (
    CallView,
    Explanation,
    ModelCallView,
    Page,
    RunLine,
    RunView,
    TimelineEntry,
    Totals,
)
from overseen.domain.canonical import plain
from overseen.domain.facts import Fact
from overseen.domain.findings import Finding
from overseen.domain.outcomes import BoundaryVerdict, Ruling, RunState
from overseen.domain.plans import Plan
from overseen.errors import NotFound
from overseen.journal import Entry, Journal, Verification, verify
from overseen.journal.contents import with_contents
from overseen.journal.events import QuestionAnswered
from overseen.store import BlobStore, Database
from overseen.store.tables import CallRecord, LeaseRecord, ModelCallRecord, Review, Run, RunTime, Task
from overseen.store.titles import read_titles


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which runs to list, newest first. `cursor` is the run id after which to go on."""

    requester_id: str | None = None
    state: str | None = None
    playbook: str | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class _Contents:
    plan: Plan | None
    facts: tuple[Fact, ...]
    ruling: Ruling | None
    verdict: BoundaryVerdict | None


class RunReader:
    """Reads runs from rows, blobs and the journal. Access is the caller's business."""

    def __init__(self, database: Database, blobs: BlobStore, journal: Journal) -> None:
        self._database = database
        self._blobs = blobs
        self._journal = journal

    async def run(self, run_id: str) -> RunView:
        """One run, whole. Raises NotFound."""
        async with self._database.read() as session:
            row = await session.get(Run, run_id)
            if row is None:
                raise NotFound("There is no such run.", next_step="Check the id.")
            task = await session.get_one(Task, row.task_id)
            calls = (
                await session.scalars(
                    select(CallRecord).where(CallRecord.run_id == run_id).order_by(CallRecord.started_at)
                )
            ).all()
            model_calls = (
                await session.scalars(
                    select(ModelCallRecord).where(ModelCallRecord.run_id == run_id).order_by(ModelCallRecord.created_at)
                )
            ).all()
            leases = (
                await session.scalars(
                    select(LeaseRecord).where(LeaseRecord.run_id == run_id).order_by(LeaseRecord.asked_at)
                )
            ).all()
            review_id = await session.scalar(
                select(Review.review_id).where(Review.run_id == run_id).order_by(Review.created_at.desc()).limit(1)
            )
        recorded = await with_contents(self._blobs, await self._journal.entries(run_id))
        async with self._database.read() as session:
            names = await account_names(session, actor_names([entry.actor for entry in recorded]))
        time = await self._time(run_id)
        entries = timeline(recorded, names)
        contents = await self._contents(row, entries)
        state = RunState(row.state)
        return RunView(
            run_id=row.run_id,
            task_id=row.task_id,
            requester_id=task.requester_id,
            title=(await read_titles(self._blobs, [task]))[task.task_id],
            playbook=row.playbook,
            playbook_digest=row.playbook_digest,
            region=row.region,
            state=state,
            outcome=row.outcome,
            amount=row.amount,
            currency=row.currency,
            boundary=row.boundary,
            error_code=row.error_code,
            error_message=row.error_message,
            created_at=row.created_at,
            started_at=row.started_at,
            parked_at=row.parked_at,
            ended_at=row.ended_at,
            plan=contents.plan,
            steps=step_views(contents.plan, entries, state),
            facts=contents.facts,
            findings=_findings(entries),
            ruling=contents.ruling,
            verdict=contents.verdict,
            explanation=decode(Explanation, await read_json(self._blobs, row.explanation_blob)),
            review_id=review_id,
            timeline=entries,
            calls=tuple(_call(call) for call in calls),
            model_calls=tuple(_model_call(call) for call in model_calls),
            totals=_totals(row, calls, model_calls, time),
            last_sequence=entries[-1].sequence if entries else 0,
            leases=tuple(lease_line(lease) for lease in leases),
        )

    async def _time(self, run_id: str) -> RunTime | None:
        async with self._database.read() as session:
            return await session.get(RunTime, run_id)

    async def _contents(self, row: Run, entries: Sequence[TimelineEntry]) -> _Contents:
        # While a run works its row may not name its blobs yet; the journal already does.
        plan_blob = row.plan_blob or _newest(entries, "PlanProposed", "plan_blob")
        if row.facts_blob is not None:
            facts = decode_facts(await read_json(self._blobs, row.facts_blob))
        else:
            recent = since_last_plan(entries)
            produced = [entry.payload["facts_blob"] for entry in recent if entry.kind == "FactsProduced"]
            facts = tuple([fact for blob in produced for fact in decode_facts(await read_json(self._blobs, blob))])
        ruled: Mapping[str, Any] = await read_json(self._blobs, row.ruling_blob) or {}
        return _Contents(
            plan=decode(Plan, await read_json(self._blobs, plan_blob)),
            facts=facts,
            ruling=decode(Ruling, ruled.get("ruling")),
            verdict=decode(BoundaryVerdict, ruled.get("boundary")),
        )

    async def list(self, chosen: RunFilter) -> tuple[tuple[RunLine, ...], Page]:
        """Runs that match, newest first."""
        query = select(Run, Task).join(Task, Task.task_id == Run.task_id)
        query = _narrowed(query, chosen)
        async with self._database.read() as session:
            total = await session.scalar(select(func.count()).select_from(query.subquery())) or 0
            if chosen.cursor:
                query = query.where(Run.run_id < chosen.cursor)
            rows = (await session.execute(query.order_by(Run.run_id.desc()).limit(chosen.limit + 1))).all()
        shown = rows[: chosen.limit]
        titles = await read_titles(self._blobs, [task for _, task in shown])
        lines = tuple(_line(run, titles[run.task_id]) for run, _ in shown)
        return lines, Page(total=total, cursor=lines[-1].run_id if len(rows) > chosen.limit else None)

    async def requester_of(self, run_id: str) -> str:
        """The account that handed in the run's task. Raises NotFound."""
        async with self._database.read() as session:
            found = await session.scalar(
                select(Task.requester_id).join(Run, Run.task_id == Task.task_id).where(Run.run_id == run_id)
            )
        if found is None:
            raise NotFound("There is no such run.", next_step="Check the id.")
        return found

    async def newest_run(self, task_id: str) -> str | None:
        """The id of the task's newest run."""
        async with self._database.read() as session:
            return await session.scalar(
                select(Run.run_id).where(Run.task_id == task_id).order_by(Run.run_id.desc()).limit(1)
            )

    async def entry(self, run_id: str, sequence: int) -> Entry:
        """One journal entry of the run. Raises NotFound."""
        entries = await self._journal.entries(run_id, after=sequence - 1, limit=1)
        if not entries or entries[0].sequence != sequence:
            raise NotFound("The journal has no such entry.")
        return entries[0]

    async def citations(self, task_id: str) -> Mapping[str, tuple[str, ...]]:
        """Names of the facts that each answer of a task's chat rests on, by the answer's message id."""
        return {
            entry.payload["message_id"]: tuple(entry.payload["cited_facts"])
            for entry in await self._journal.entries(task_id)
            if entry.kind == QuestionAnswered.kind
        }

    async def content(self, sha256: str) -> str | None:
        """A blob as text for people; None when it was erased."""
        return await read_text(self._blobs, sha256)

    async def chain(self, run_id: str) -> Verification:
        """Whether the run's chain holds, checked now."""
        return await verify(self._journal, stream=run_id)


def _findings(entries: Sequence[TimelineEntry]) -> tuple[Finding, ...]:
    """Findings since the plan in force; the decision looks at those of the steps again, so each is kept once."""
    reported = (finding_of(entry) for entry in since_last_plan(entries) if entry.kind == "FindingReported")
    return tuple({(found.check, found.subject, found.message): found for found in reported}.values())


def _newest(entries: Sequence[TimelineEntry], kind: str, field: str) -> str | None:
    return next((entry.payload.get(field) for entry in reversed(entries) if entry.kind == kind), None)


def _narrowed(query: Select[Run, Task], chosen: RunFilter) -> Select[Run, Task]:
    if chosen.requester_id:
        query = query.where(Task.requester_id == chosen.requester_id)
    if chosen.state:
        query = query.where(Run.state == chosen.state)
    if chosen.playbook:
        query = query.where(Run.playbook == chosen.playbook)
    return query


def _call(row: CallRecord) -> CallView:
    return CallView(
        call_id=row.call_id,
        step_id=row.step_id,
        agent=row.agent,
        tool=row.tool,
        effect=row.effect,
        state=row.state,
        digest=row.digest,
        attempts=row.attempts,
        error_code=row.error_code,
        started_at=row.started_at,
        ended_at=row.ended_at,
        timings=row.timings,
    )


def _model_call(row: ModelCallRecord) -> ModelCallView:
    return ModelCallView(
        model_call_id=row.model_call_id,
        step_id=row.step_id,
        purpose=row.purpose,
        route=row.route,
        model=row.model,
        prompt_name=row.prompt_name,
        prompt_version=row.prompt_version,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_usd=row.cost_usd,
        seconds=float(row.seconds),
    )


def _totals(
    row: Run, calls: Sequence[CallRecord], model_calls: Sequence[ModelCallRecord], time: RunTime | None
) -> Totals:
    return Totals(
        input_tokens=row.input_tokens or sum(call.input_tokens for call in model_calls),
        output_tokens=row.output_tokens or sum(call.output_tokens for call in model_calls),
        cost_usd=row.cost_usd,
        model_calls=len(model_calls),
        tool_calls=len(calls),
        models=tuple(sorted({call.model for call in model_calls})),
        working_seconds=None if time is None else time.work_seconds,
        queue_seconds=0.0 if time is None else time.queue_seconds,
    )


def lease_line(row: LeaseRecord) -> Mapping[str, Any]:
    """A ledger row as JSON values; it never held a secret."""
    return {column.key: plain(getattr(row, column.key)) for column in LeaseRecord.__table__.columns}


def _line(run: Run, title: str) -> RunLine:
    return RunLine(
        run_id=run.run_id,
        task_id=run.task_id,
        title=title,
        playbook=run.playbook,
        state=RunState(run.state),
        outcome=run.outcome,
        amount=run.amount,
        currency=run.currency,
        boundary=run.boundary,
        cost_usd=run.cost_usd,
        created_at=run.created_at,
        ended_at=run.ended_at,
    )
