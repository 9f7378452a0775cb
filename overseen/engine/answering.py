"""Answers questions in the chat of a task: from the run's facts, its ruling and the journal."""

from collections.abc import Sequence

from sqlalchemy import func, select

from overseen.domain.facts import Fact
from overseen.domain.identifiers import derived_id
from overseen.domain.outcomes import BoundaryVerdict, Ruling
from overseen.domain.restore import restore
from overseen.graphs.case_file import Case, CaseFiles
from overseen.journal import Entry, events
from overseen.journal.contents import with_contents
from overseen.store import tables
from overseen.supervisor.answerer import Answerer

_TOLD: dict[str, str] = {
    "TaskSubmitted": "The task was handed in.",
    "PlanLocked": "The plan was locked.",
    "StepStarted": "{agent} started.",
    "StepFinished": "{agent} finished after {seconds} seconds with {facts} facts.",
    "CallFinished": "Tool {tool} came back.",
    "CallFailed": "Tool {tool} failed: {message}",
    "CallRefused": "Tool {tool} was refused: {message}",
    "FindingReported": "Check {check} says {verdict}: {message}",
    "RulingComputed": "The rules decided: {outcome}.",
    "ReviewOpened": "The case went to a reviewer.",
    "ReviewDecided": "A reviewer decided: {decision}.",
    "RunParked": "It waits for the {waits_for}.",
    "RunResumed": "It went on.",
    "RunEnded": "It ended: {state}.",
    "RunFailed": "It failed: {message}",
}


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
        ruling, boundary = await self._ruling(run)
        entries = await with_contents(self._cases.blobs, await self._cases.journal.entries(run.run_id))
        said = await self._answerer.answer(
            (await self._cases.blobs.get(question.body_blob)).decode(),
            facts=await self._facts(case, run.facts_blob),
            ruling=ruling,
            boundary=boundary,
            journal_lines=journal_lines(entries),
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

    async def _facts(self, case: Case, facts_blob: str | None) -> dict[str, Fact]:
        if facts_blob is not None:
            return {fact.name: fact for fact in await self._cases.facts_in(facts_blob, case.playbook)}
        facts: dict[str, Fact] = {}
        for entry in await self._cases.journal.entries(case.run_id):
            if entry.kind == events.FactsProduced.kind:
                for fact in await self._cases.facts_in(entry.payload["facts_blob"], case.playbook):
                    facts[fact.name] = fact
        return facts

    async def _ruling(self, run: tables.Run) -> tuple[Ruling | None, BoundaryVerdict | None]:
        if run.ruling_blob is None:
            return None, None
        content = await self._cases.get(run.ruling_blob)
        return restore(Ruling, content["ruling"]), restore(BoundaryVerdict, content["boundary"])


def journal_lines(entries: Sequence[Entry]) -> list[str]:
    """The run's history as sentences, oldest first, each with its time (UTC)."""
    return [
        f"{entry.at:%Y-%m-%d %H:%M} {_TOLD[entry.kind].format_map(entry.payload)}"
        for entry in entries
        if entry.kind in _TOLD
    ]
