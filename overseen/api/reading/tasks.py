"""Tasks: the list and the chat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.api.reading.decoding import read_text
from overseen.api.reading.runs import RunReader
from overseen.api.reading.views import AttachmentView, MessageView, Page, TaskLine, TaskView
from overseen.domain.outcomes import RunState
from overseen.errors import NotFound
from overseen.store import BlobStore, Database
from overseen.store.file_names import read_file_names
from overseen.store.tables import Account, Attachment, Decision, Message, Run, Task
from overseen.store.titles import read_titles


@dataclass(frozen=True, kw_only=True)
class TaskFilter:
    """Which tasks to list, newest first. `show` is empty, working, waiting or ended."""

    requester_id: str | None = None
    show: str = ""
    cursor: str = ""
    limit: int = 40


_SHOWN: dict[str, tuple[RunState, ...]] = {
    "working": (RunState.QUEUED, RunState.RUNNING),
    "waiting": (RunState.WAITING_REVIEW, RunState.WAITING_REQUESTER),
    "ended": (RunState.SETTLED, RunState.DENIED, RunState.CLOSED, RunState.FAILED, RunState.STOPPED),
}


class TaskReader:
    """Reads tasks with their chats. Access is the caller's business."""

    def __init__(self, database: Database, blobs: BlobStore, runs: RunReader) -> None:
        self._database = database
        self._blobs = blobs
        self._runs = runs

    async def list(self, chosen: TaskFilter) -> tuple[tuple[TaskLine, ...], Page]:
        """Tasks that match, newest first."""
        newest = select(Run.task_id, func.max(Run.run_id).label("run_id")).group_by(Run.task_id).subquery()
        query = (
            select(Task, Run)
            .outerjoin(newest, newest.c.task_id == Task.task_id)
            .outerjoin(Run, Run.run_id == newest.c.run_id)
        )
        query = _narrowed(query, chosen)
        async with self._database.read() as session:
            total = await session.scalar(select(func.count()).select_from(query.subquery())) or 0
            if chosen.cursor:
                query = query.where(Task.task_id < chosen.cursor)
            rows = (await session.execute(query.order_by(Task.task_id.desc()).limit(chosen.limit + 1))).all()
        shown = rows[: chosen.limit]
        titles = await read_titles(self._blobs, [task for task, _ in shown])
        lines = tuple(_line(task, run, titles[task.task_id]) for task, run in shown)
        return lines, Page(total=total, cursor=lines[-1].task_id if len(rows) > chosen.limit else None)

    async def task(self, task_id: str) -> TaskView:
        """One task with its chat and newest run. Raises NotFound."""
        async with self._database.read() as session:
            task = await session.get(Task, task_id)
            if task is None:
                raise NotFound("There is no such task.", next_step="See the list of tasks.")
            requester = await session.get(Account, task.requester_id)
            rows = await _attachments(session, task_id)
            messages = (
                await session.scalars(
                    select(Message).where(Message.task_id == task_id).order_by(Message.created_at, Message.message_id)
                )
            ).all()
            run_id = await session.scalar(
                select(Run.run_id).where(Run.task_id == task_id).order_by(Run.run_id.desc()).limit(1)
            )
            reviewer = await _reviewer(session, run_id)
        attachments = await self._named(rows)
        cited = await self._runs.citations(task_id)
        return TaskView(
            task_id=task.task_id,
            title=(await read_titles(self._blobs, [task]))[task.task_id],
            playbook=task.playbook,
            requester_id=task.requester_id,
            requester_name=requester.display_name if requester else "(unknown)",
            region=task.region,
            created_at=task.created_at,
            messages=tuple([await self._message(message, attachments, cited) for message in messages]),
            attachments=attachments,
            run=await self._runs.run(run_id) if run_id else None,
            reviewer_name=reviewer,
        )

    async def _message(
        self, row: Message, attachments: Sequence[AttachmentView], cited: Mapping[str, tuple[str, ...]]
    ) -> MessageView:
        text = await read_text(self._blobs, row.body_blob)
        return MessageView(
            message_id=row.message_id,
            author=row.author,
            account_id=row.account_id,
            kind=row.kind,
            text=text if text is not None else "(erased)",
            reply_to=row.reply_to,
            created_at=row.created_at,
            attachments=tuple(item for item in attachments if item.message_id == row.message_id),
            cited_facts=cited.get(row.message_id, ()),
        )

    async def requester_of(self, task_id: str) -> str:
        """The account that handed in the task. Raises NotFound."""
        async with self._database.read() as session:
            found = await session.scalar(select(Task.requester_id).where(Task.task_id == task_id))
        if found is None:
            raise NotFound("There is no such task.", next_step="See the list of tasks.")
        return found

    async def attachment(self, task_id: str, attachment_id: str) -> tuple[AttachmentView, bytes]:
        """One file of the task with its content. Raises NotFound."""
        async with self._database.read() as session:
            rows = [row for row in await _attachments(session, task_id) if row.attachment_id == attachment_id]
        if not rows:
            raise NotFound("The task has no such attachment.")
        (found,) = await self._named(rows)
        return found, await self._blobs.get(found.blob)

    async def _named(self, rows: Sequence[Attachment]) -> tuple[AttachmentView, ...]:
        names = await read_file_names(self._blobs, rows)
        return tuple(
            AttachmentView(
                attachment_id=row.attachment_id,
                message_id=row.message_id,
                name=names[row.attachment_id],
                media_type=row.media_type,
                size=row.size,
                blob=row.blob,
            )
            for row in rows
        )


def _narrowed(query: Select[Task, Run], chosen: TaskFilter) -> Select[Task, Run]:
    if chosen.requester_id:
        query = query.where(Task.requester_id == chosen.requester_id)
    if chosen.show in _SHOWN:
        query = query.where(Run.state.in_(_SHOWN[chosen.show]))
    return query


async def _attachments(session: AsyncSession, task_id: str) -> Sequence[Attachment]:
    query = select(Attachment).where(Attachment.task_id == task_id)
    return (await session.scalars(query.order_by(Attachment.position, Attachment.attachment_id))).all()


async def _reviewer(session: AsyncSession, run_id: str | None) -> str | None:
    """Who decided last on the run, by name."""
    if run_id is None:
        return None
    return await session.scalar(
        select(Account.display_name)
        .join(Decision, Decision.reviewer_id == Account.account_id)
        .where(Decision.run_id == run_id)
        .order_by(Decision.created_at.desc())
        .limit(1)
    )


def _line(task: Task, run: Run | None, title: str) -> TaskLine:
    times = (run.ended_at, run.parked_at, run.started_at) if run else ()
    return TaskLine(
        task_id=task.task_id,
        run_id=run.run_id if run else None,
        title=title,
        playbook=task.playbook,
        requester_id=task.requester_id,
        state=RunState(run.state) if run else RunState.QUEUED,
        outcome=run.outcome if run else None,
        amount=run.amount if run else None,
        currency=run.currency if run else None,
        created_at=task.created_at,
        changed_at=next((moment for moment in times if moment), task.created_at),
    )
