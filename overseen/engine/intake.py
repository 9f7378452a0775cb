"""The way in: tasks, messages and questions. What is handed in is stored whole or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.canonical import digest_bytes
from overseen.domain.clean_text import clean_text, cut_text
from overseen.domain.commands import Command
from overseen.domain.identifiers import new_id
from overseen.domain.intake import AcceptedFile, accept_attachments
from overseen.domain.outcomes import ENDED, RunState
from overseen.errors import Conflict, InvalidInput, NotFound
from overseen.journal import Journal
from overseen.journal.events import DangerTold, MessageAdded, QuestionAsked, ReviewWithdrawn, TaskSubmitted
from overseen.playbooks import Playbook, dangers_told, load_playbook
from overseen.store import BlobStore, Database
from overseen.store.file_names import put_file_name
from overseen.store.tables import Attachment, Message, Review, Run, Task

_TITLE_LENGTH = 80
_LONGEST_MESSAGE = 20_000


def accept_message(text: str) -> str:
    """The message without control characters and direction overrides. Raises InvalidInput when it is too long."""
    cleaned = clean_text(text).text.strip()
    if len(cleaned) > _LONGEST_MESSAGE:
        raise InvalidInput(
            f"The message has {len(cleaned):,} characters; {_LONGEST_MESSAGE:,} are the most.",
            not_done="Nothing was stored.",
            next_step="Shorten it, or attach the long text as a file.",
        )
    return cleaned


class IntakeQueue(Protocol):
    """Carries commands and questions to workers, as part of the caller's transaction."""

    async def enqueue(self, command: Command, *, region: str, session: AsyncSession) -> None:
        """Queue `command`; it exists when the transaction commits."""
        ...

    async def enqueue_question(self, task_id: str, message_id: str, *, region: str, session: AsyncSession) -> None:
        """Queue one question of the chat."""
        ...


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """What became of a submit. `repeated` is true when the same form had been handed in before."""

    task_id: str
    run_id: str
    repeated: bool


class TaskIntake:
    """Takes tasks, further messages and questions from requesters."""

    def __init__(self, database: Database, blobs: BlobStore, journal: Journal, queue: IntakeQueue) -> None:
        self._database = database
        self._blobs = blobs
        self._journal = journal
        self._queue = queue

    async def submit(
        self,
        *,
        requester_id: str,
        playbook_name: str,
        message: str,
        attachments: Sequence[tuple[str, bytes]],
        form_token: str,
    ) -> Submitted:
        """Store a task with its files and queue its run, in one transaction.

        `attachments` are (file name, content). The same `form_token` of the same requester is one task, however often
        it is sent. Raises InvalidInput (nothing was stored) and NotFound for an unknown playbook.
        """
        playbook = load_playbook(playbook_name)
        text = accept_message(message)
        files = accept_attachments(attachments)
        if not text and not files:
            raise InvalidInput(
                "The message is empty and no file is attached.",
                not_done="Nothing was stored.",
                next_step="Say what happened, and attach the letter, estimate and photos you have.",
            )
        try:
            return await self._store(requester_id, playbook, (text, files), form_token)
        except IntegrityError:
            # The same form, sent twice at once: the other one is stored by now.
            async with self._database.read() as session:
                known = await self._known(session, requester_id, form_token)
            if known is None:
                raise
            return known

    async def _store(
        self, requester_id: str, playbook: Playbook, said: tuple[str, Sequence[AcceptedFile]], form_token: str
    ) -> Submitted:
        text, files = said
        async with self._database.transaction() as session:
            known = await self._known(session, requester_id, form_token)
            if known is not None:
                return known
            task_id, run_id = new_id("task"), new_id("run")
            title = await self._blobs.put(_title(text, files).encode(), "text/plain", session=session)
            session.add(
                Task(
                    task_id=task_id,
                    playbook=playbook.name,
                    requester_id=requester_id,
                    region=playbook.region,
                    title_blob=title,
                    form_token=form_token,
                )
            )
            await session.flush()
            message_id, body, described = await self._message(session, task_id, requester_id, text, files)
            session.add(
                Run(
                    run_id=run_id,
                    task_id=task_id,
                    playbook=playbook.name,
                    playbook_digest=playbook.digest,
                    region=playbook.region,
                    state=RunState.QUEUED,
                )
            )
            actor = f"account:{requester_id}"
            submitted = TaskSubmitted(
                task_id=task_id,
                playbook=playbook.name,
                playbook_digest=playbook.digest,
                requester_id=requester_id,
                message_blob=body,
                attachments=described,
                region=playbook.region,
            )
            added = MessageAdded(
                message_id=message_id, author="requester", message_kind="text", body_blob=body, attachments=described
            )
            await self._journal.append(submitted, stream=run_id, actor=actor, session=session)
            await self._journal.append(added, stream=task_id, actor=actor, session=session)
            await self._queue.enqueue(Command(run_id=run_id, kind="start"), region=playbook.region, session=session)
        return Submitted(task_id=task_id, run_id=run_id, repeated=False)

    async def add_message(
        self, *, task_id: str, account_id: str, text: str, attachments: Sequence[tuple[str, bytes]]
    ) -> str:
        """Add to a task whose run waits for the requester, and wake the run; returns the message id.

        Raises Conflict when the run does not wait for the requester: then it is a question, see `ask`.
        """
        body_text, files = accept_message(text), accept_attachments(attachments)
        if not body_text and not files:
            raise InvalidInput("The message is empty.", not_done="Nothing was stored.", next_step="Write or attach.")
        async with self._database.transaction() as session:
            task, run = await self._task_and_run(session, task_id, account_id)
            if run.state != RunState.WAITING_REQUESTER:
                raise Conflict(
                    "This task is not waiting for anything from you.",
                    not_done="Your files were not added.",
                    next_step="Ask a question without files, or hand in a new task.",
                )
            message_id, body, described = await self._message(session, task_id, account_id, body_text, files)
            added = MessageAdded(
                message_id=message_id, author="requester", message_kind="text", body_blob=body, attachments=described
            )
            await self._journal.append(added, stream=task_id, actor=f"account:{account_id}", session=session)
            run.state = RunState.QUEUED
            command = Command(run_id=run.run_id, kind="message", subject_id=message_id)
            await self._queue.enqueue(command, region=task.region, session=session)
        return message_id

    async def ask(self, *, task_id: str, account_id: str, text: str) -> str:
        """Store a question about the task and queue its answer; returns the message id."""
        question = accept_message(text)
        if not question:
            raise InvalidInput("The question is empty.", not_done="Nothing was stored.", next_step="Write one.")
        async with self._database.transaction() as session:
            # The review before its run, as whoever decides locks them.
            review = await session.scalar(
                select(Review).where(Review.task_id == task_id, Review.state == "open").with_for_update()
            )
            task, run = await self._task_and_run(session, task_id, account_id)
            message_id = new_id("msg")
            body = await self._blobs.put(question.encode(), "text/plain", session=session)
            session.add(
                Message(
                    message_id=message_id,
                    task_id=task_id,
                    author="requester",
                    account_id=account_id,
                    kind="question",
                    body_blob=body,
                )
            )
            asked = QuestionAsked(message_id=message_id, body_blob=body)
            await self._journal.append(asked, stream=task_id, actor=f"account:{account_id}", session=session)
            if dangers := dangers_told(load_playbook(task.playbook), question):
                await self._reopen(run, review, (message_id, dangers, account_id), session)
            await self._queue.enqueue_question(task_id, message_id, region=task.region, session=session)
        return message_id

    async def _reopen(
        self, run: Run, review: Review | None, told: tuple[str, tuple[str, ...], str], session: AsyncSession
    ) -> None:
        """A danger was told: a review that waits is withdrawn and the run reads everything anew.

        A run that works sees the message before it acts; one that waits for the requester reads it with the answer.
        """
        message_id, dangers, account_id = told
        actor = f"account:{account_id}"
        if review is not None and run.state == RunState.WAITING_REVIEW and review.run_id == run.run_id:
            review.state, run.state = "withdrawn", RunState.QUEUED
            withdrawn = ReviewWithdrawn(review_id=review.review_id, message_id=message_id, dangers=dangers)
            await self._journal.append(withdrawn, stream=run.run_id, actor=actor, session=session)
            command = Command(run_id=run.run_id, kind="message", subject_id=message_id)
            await self._queue.enqueue(command, region=run.region, session=session)
        elif run.state in ENDED:
            told_late = DangerTold(message_id=message_id, dangers=dangers)
            await self._journal.append(told_late, stream=run.task_id, actor=actor, session=session)

    async def _known(self, session: AsyncSession, requester_id: str, form_token: str) -> Submitted | None:
        query = (
            select(Run.task_id, Run.run_id)
            .join(Task, Task.task_id == Run.task_id)
            .where(Task.requester_id == requester_id, Task.form_token == form_token)
        )
        found = (await session.execute(query)).first()
        return None if found is None else Submitted(task_id=found.task_id, run_id=found.run_id, repeated=True)

    async def _task_and_run(self, session: AsyncSession, task_id: str, account_id: str) -> tuple[Task, Run]:
        task = await session.get(Task, task_id)
        if task is None or task.requester_id != account_id:
            raise NotFound(f"You have no task {task_id}.", not_done="Nothing was stored.")
        run = await session.scalar(
            select(Run).where(Run.task_id == task_id).order_by(Run.created_at.desc()).limit(1).with_for_update()
        )
        if run is None:
            raise NotFound(f"Task {task_id} has no run.", not_done="Nothing was stored.")
        return task, run

    async def _message(
        self, session: AsyncSession, task_id: str, account_id: str, text: str, files: Sequence[AcceptedFile]
    ) -> tuple[str, str, tuple[dict[str, Any], ...]]:
        message_id = new_id("msg")
        body = await self._blobs.put(text.encode(), "text/plain", session=session)
        session.add(
            Message(
                message_id=message_id,
                task_id=task_id,
                author="requester",
                account_id=account_id,
                kind="text",
                body_blob=body,
            )
        )
        described: list[dict[str, Any]] = []
        for position, file in enumerate(files):
            blob = await self._blobs.put(file.content, file.media_type, session=session)
            attachment_id = new_id("att")
            session.add(
                Attachment(
                    attachment_id=attachment_id,
                    task_id=task_id,
                    message_id=message_id,
                    position=position,
                    name_blob=await put_file_name(self._blobs, file.name, session=session),
                    media_type=file.media_type,
                    size=len(file.content),
                    blob=blob,
                )
            )
            described.append(
                {
                    "attachment_id": attachment_id,
                    "media_type": file.media_type,
                    "size": len(file.content),
                    "blob": digest_bytes(file.content),
                }
            )
        return message_id, body, tuple(described)


def _title(text: str, files: Sequence[AcceptedFile]) -> str:
    first_line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    title = first_line or ", ".join(file.name for file in files)
    return title if len(title) <= _TITLE_LENGTH else cut_text(title, _TITLE_LENGTH - 1).rstrip() + "…"
