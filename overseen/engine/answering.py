"""Answers questions in the chat of a task: from what is on record of its run and may be told to its requester."""

from collections.abc import Sequence

from sqlalchemy import func, select

from overseen.domain.calls import Effect
from overseen.domain.disclosure import WITHHELD_DETAILS, ruling_is_told, told_ruling
from overseen.domain.facts import Fact
from overseen.domain.identifiers import derived_id
from overseen.domain.outcomes import DecisionKind, Ruling, RunState
from overseen.domain.restore import restore
from overseen.graphs.case_file import Case, CaseFiles
from overseen.journal import Entry, events
from overseen.playbooks import Playbook
from overseen.store import tables
from overseen.supervisor.answerer import Answerer, RunRecord
from overseen.supervisor.questions import FactWords
from overseen.supervisor.standing import StandingRecord, moment

_TOLD: dict[str, str] = {
    "TaskSubmitted": "it was handed in",
    "RunStarted": "the work began",
    "PlanLocked": "a plan was made",
    "StepStarted": "{agent} began",
    "StepFinished": "{agent} finished",
    "ReviewOpened": "it went to a reviewer",
    "ReviewDecided": "a reviewer decided",
    "RunResumed": "it went on",
    "RunEnded": "it ended",
    "RunFailed": "it failed",
}
"""What a requester is told of the journal: that something happened, never what was found or is proposed."""


class QuestionAnswering:
    """Answers one question at a time; the same question is answered once."""

    def __init__(self, cases: CaseFiles, answerer: Answerer) -> None:
        self._cases = cases
        self._answerer = answerer

    async def answer(self, task_id: str, message_id: str) -> str:
        """Store the answer to the question `message_id` in the chat; returns the answer's message id."""
        answer_id = derived_id("msg", message_id, "answer")
        async with self._cases.database.read() as session:
            if await session.get(tables.Message, answer_id) is not None:
                return answer_id
            question = await session.get_one(tables.Message, message_id)
            before = select(func.count()).where(
                tables.Message.task_id == task_id,
                tables.Message.kind == "question",
                tables.Message.created_at < question.created_at,
            )
            ordinal = await session.scalar(before) or 0
            run = await session.scalar(
                select(tables.Run).where(tables.Run.task_id == task_id).order_by(tables.Run.created_at.desc()).limit(1)
            )
        if run is None:
            raise ValueError(f"task {task_id} has no run")
        case = await self._cases.open(run.run_id)
        said = await self._answerer.answer(
            (await self._cases.blobs.get(question.body_blob)).decode(),
            await self._record(case, run),
            # Under the task: the run's own chain may be closed, the chat's never is.
            run_id=task_id,
            region=case.region,
            ordinal=ordinal,
        )
        await self._store(task_id, message_id, answer_id, (said.text, said.author, said.cited_facts))
        return answer_id

    async def _store(
        self, task_id: str, question_id: str, answer_id: str, said: tuple[str, str, Sequence[str]]
    ) -> None:
        text, author, cited = said
        async with self._cases.database.transaction() as session:
            body = await self._cases.blobs.put(text.encode(), "text/plain", session=session)
            session.add(
                tables.Message(
                    message_id=answer_id,
                    task_id=task_id,
                    author="overseen",
                    kind="answer",
                    body_blob=body,
                    reply_to=question_id,
                )
            )
            answered = events.QuestionAnswered(
                message_id=answer_id, reply_to=question_id, body_blob=body, author=author, cited_facts=tuple(cited)
            )
            await self._cases.note_task(task_id, answered, once=f"answered:{question_id}", session=session)

    async def _record(self, case: Case, run: tables.Run) -> RunRecord:
        """What is on record of the run and may be told to whoever handed it in."""
        entries = await self._cases.journal.entries(case.run_id)
        state, ruling, decision = RunState(run.state), await self._ruling(run), last_decision(entries)
        told = ruling_is_told(state, ruling.outcome if ruling else None, decision)
        known = await self._facts(case, run.facts_blob, entries)
        theirs = case.playbook.disclosure.details_are_told(known, case.requester_email)
        async with self._cases.database.read() as session:
            effects = await session.scalars(
                select(tables.CallRecord.tool).where(
                    tables.CallRecord.run_id == case.run_id, tables.CallRecord.effect != Effect.READ.value
                )
            )
            due = await session.scalar(
                select(tables.Review.due_at).where(tables.Review.run_id == case.run_id, tables.Review.state == "open")
            )
            standing = StandingRecord(
                state=state,
                since=run.ended_at or run.parked_at,
                due=due,
                ruling=told_ruling(ruling, details_told=theirs) if told and ruling else None,
                decision=decision,
                paid=run.amount if state is RunState.SETTLED and theirs else None,
                withheld="" if theirs or not told else WITHHELD_DETAILS,
                currency=run.currency or case.playbook.currency,
                effects=tuple(effects),
            )
        facts = case.playbook.disclosure.told_facts(known, details_told=told and theirs)
        return RunRecord(
            standing=standing,
            facts={fact.name: fact for fact in facts},
            words=fact_words(case.playbook),
            history=history_lines(entries),
        )

    async def _facts(self, case: Case, facts_blob: str | None, entries: Sequence[Entry]) -> Sequence[Fact]:
        if facts_blob is not None:
            return await self._cases.facts_in(facts_blob, case.playbook)
        facts: dict[str, Fact] = {}
        for entry in entries:
            if entry.kind == events.FactsProduced.kind:
                for fact in await self._cases.facts_in(entry.payload["facts_blob"], case.playbook):
                    facts[fact.name] = fact
        return list(facts.values())

    async def _ruling(self, run: tables.Run) -> Ruling | None:
        if run.ruling_blob is None:
            return None
        return restore(Ruling, (await self._cases.get(run.ruling_blob))["ruling"])


def last_decision(entries: Sequence[Entry]) -> DecisionKind | None:
    """What a person said since the plan in force was locked; None when nobody did."""
    said: DecisionKind | None = None
    for entry in entries:
        if entry.kind == events.PlanLocked.kind:
            said = None
        elif entry.kind == events.ReviewDecided.kind:
            said = DecisionKind(entry.payload["decision"])
    return said


def fact_words(playbook: Playbook) -> FactWords:
    """How the playbook speaks of its facts."""
    return FactWords(
        titles={fact.name: fact.title for fact in playbook.facts},
        sums=frozenset(fact.name for fact in playbook.facts if fact.type == "money"),
        currency=playbook.currency,
    )


def history_lines(entries: Sequence[Entry]) -> list[str]:
    """The run's history as sentences, oldest first, each with its time (UTC)."""
    return [
        f"{moment(entry.at)}: {_TOLD[entry.kind].format_map(entry.payload).replace('_', ' ')}."
        for entry in entries
        if entry.kind in _TOLD
    ]
