"""Commands to workers, in the same Postgres and the same transaction as the rows they are about."""

import functools
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from overseen.domain.commands import Command
from overseen.engine.workflow_library import DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions
from overseen.settings import DatabaseSettings

APPLICATION_NAME = "overseen"
APPLICATION_VERSION = "1"
"""A constant of ours: left to the library, every change of code would strand the work in flight."""

ADVANCE = "advance"
ANSWER = "answer"


def runs_queue(region: str) -> str:
    """Name of the queue that workers of `region` take runs from."""
    return f"runs.{region}"


def questions_queue(region: str) -> str:
    """Name of the queue for questions in the chat; short work that must not wait behind runs."""
    return f"questions.{region}"


class PostgresCommandQueue:
    """Puts commands on DBOS queues. Safe to build in the web process: it runs nothing."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._client = DBOSClient(
            system_database_url=settings.dsn,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION_NAME,
            lazy=True,
        )

    async def enqueue(self, command: Command, *, region: str, session: AsyncSession) -> None:
        """See `overseen.reviews.CommandQueue`. The same command twice is one piece of work."""
        options: EnqueueOptions = {
            "queue_name": runs_queue(region),
            "workflow_name": ADVANCE,
            "workflow_id": command.command_id,
            "app_version": APPLICATION_VERSION,
        }
        arguments = {"run_id": command.run_id, "kind": command.kind, "subject_id": command.subject_id}
        await session.run_sync(functools.partial(self._put, options, arguments))

    async def enqueue_question(self, task_id: str, message_id: str, *, region: str, session: AsyncSession) -> None:
        """Queue one question of the chat, once."""
        options: EnqueueOptions = {
            "queue_name": questions_queue(region),
            "workflow_name": ANSWER,
            "workflow_id": f"{task_id}:question:{message_id}",
            "app_version": APPLICATION_VERSION,
        }
        arguments = {"task_id": task_id, "message_id": message_id}
        await session.run_sync(functools.partial(self._put, options, arguments))

    def _put(self, options: EnqueueOptions, arguments: dict[str, Any], session: Session) -> None:
        self._client.enqueue_in_transaction(session, options, arguments)

    def close(self) -> None:
        """Let go of connections."""
        self._client.destroy()
