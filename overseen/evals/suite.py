"""Runs the sample cases of a playbook, one after the other, through a worker's whole house."""

import json
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.blocking import run_blocking
from overseen.domain.commands import Command
from overseen.domain.identifiers import new_id
from overseen.domain.outcomes import Role, RunState
from overseen.engine.composition import WorkerHouse, compose_worker
from overseen.engine.intake import Submitted, TaskIntake
from overseen.engine.liveness import new_worker_id
from overseen.errors import OverseenError
from overseen.evals.ground import ProvingGround
from overseen.evals.scoring import CaseResult, missing_findings, not_measured, wrong_facts
from overseen.graphs.unread import READ_IN_TIME
from overseen.models.types import ModelRoute
from overseen.playbooks.samples import SampleCase
from overseen.store import Database
from overseen.store.tables import Account, Message, Run, Task

_log = logging.getLogger(__name__)


class _Commands:
    """Takes what intake queues; the eval carries it out at once, without a worker in between."""

    def __init__(self) -> None:
        self.waiting: list[Command] = []

    async def enqueue(self, command: Command, *, region: str, session: AsyncSession) -> None:  # noqa: ARG002
        self.waiting.append(command)

    async def enqueue_question(self, task_id: str, message_id: str, *, region: str, session: AsyncSession) -> None:
        """No case asks questions."""


class CaseRunner:
    """Runs cases on one proving ground."""

    def __init__(self, ground: ProvingGround, house: WorkerHouse, requester_id: str) -> None:
        self._ground = ground
        self._house = house
        self._requester_id = requester_id
        self._commands = _Commands()
        self._intake = TaskIntake(house.database, house.blobs, house.journal, self._commands)

    async def run(self, case: SampleCase) -> CaseResult:
        """Hand the case in as a requester would, let it be decided, and score what came of it.

        The case that came before it is handed in and decided first, on the same records, and is not scored.
        """
        await self._ground.renew()
        if case.previous is not None:
            await self._decided(case.previous)
        began = monotonic()
        submitted = await self._decided(case)
        return await self._scored(case, submitted, monotonic() - began)

    async def _decided(self, case: SampleCase) -> Submitted:
        attachments = [(path.name, await run_blocking(path.read_bytes)) for path in case.attachments]
        submitted = await self._intake.submit(
            requester_id=self._requester_id,
            playbook_name=case.playbook,
            message=case.message,
            attachments=attachments,
            form_token=new_id("form"),
        )
        if case.handed_in is not None:
            await date_back(self._house.database, submitted.task_id, case.handed_in)
        await self._house.runner.advance(self._commands.waiting.pop())
        return submitted

    async def measure(self, case: SampleCase) -> CaseResult:
        """Like `run`; where that fails the result says so, and the other cases go on."""
        began = monotonic()
        try:
            return await self.run(case)
        except OverseenError as error:
            return not_measured(case, error.message, monotonic() - began)
        except Exception as error:  # noqa: BLE001 - one broken case must not lose what the others measured
            _log.exception("the case %s could not be measured", case.case_id)
            return not_measured(case, f"It ended on an unexpected {type(error).__name__}.", monotonic() - began)

    async def _scored(self, case: SampleCase, submitted: Submitted, seconds: float) -> CaseResult:
        async with self._house.database.read() as session:
            run = await session.get_one(Run, submitted.run_id)
            bodies = (
                await session.scalars(
                    select(Message.body_blob).where(Message.task_id == submitted.task_id, Message.author == "overseen")
                )
            ).all()
        said = [(await self._house.blobs.get(body)).decode() for body in bodies]
        facts = await self._json(run.facts_blob, {"facts": []})
        ruled = await self._json(run.ruling_blob, {"findings": [], "ruling": {"amount": None, "outcome": "none"}})
        found = {fact["name"]: fact["value"] for fact in facts["facts"]}
        expected = case.expected
        return CaseResult(
            case_id=case.case_id,
            facts_expected=len(expected.facts),
            wrong_facts=wrong_facts(case, found),
            expected_outcome=expected.outcome.value,
            outcome=ruled["ruling"]["outcome"],
            expected_amount=expected.amount,
            amount=ruled["ruling"]["amount"],
            expected_boundary=expected.boundary.value,
            boundary=run.boundary or "none",
            missing_findings=missing_findings(case, ruled["findings"]),
            leaked_texts=tuple(text for text in expected.absent_texts if any(text in line for line in said)),
            state=run.state,
            seconds=seconds,
            tokens=run.input_tokens + run.output_tokens,
            error=run.error_message or _cut_short(ruled["findings"]) or _unfinished(run.state),
        )

    async def _json(self, blob: str | None, otherwise: dict[str, Any]) -> dict[str, Any]:
        return otherwise if blob is None else json.loads(await self._house.blobs.get(blob))


def _cut_short(findings: Sequence[Mapping[str, Any]]) -> str | None:
    """What was not read in time, which says something about this machine and nothing about what would be right."""
    return next((finding["message"] for finding in findings if finding["check"] == READ_IN_TIME), None)


def _unfinished(state: str) -> str | None:
    return f"It is still {state}." if state in (RunState.QUEUED, RunState.RUNNING) else None


async def date_back(database: Database, task_id: str, day: date) -> None:
    """Let a task of the proving ground count as handed in at noon of `day` (UTC)."""
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    async with database.transaction() as session:
        await session.execute(update(Task).where(Task.task_id == task_id).values(created_at=noon))
        await session.execute(update(Message).where(Message.task_id == task_id).values(created_at=noon))


@asynccontextmanager
async def case_runner(
    ground: ProvingGround, *, routes: Sequence[ModelRoute] | None = None
) -> AsyncGenerator[CaseRunner]:
    """A runner on `ground`; `routes` replaces the routes of its settings (tests use the scripted model)."""
    async with compose_worker(ground.settings, new_worker_id(), routes=routes) as house:
        account = Account(
            account_id=new_id("acc"), name=new_id("eval"), display_name="Eval", roles=[Role.REQUESTER.value]
        )
        async with house.database.transaction() as session:
            session.add(account)
        yield CaseRunner(ground, house, account.account_id)


def default_folder(home: Path) -> Path:
    """Where the proving ground lies in the data folder."""
    return home / "evals"
