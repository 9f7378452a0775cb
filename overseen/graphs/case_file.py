"""The case file: everything a node reads about its run, and the few rows it keeps up to date."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.agents.agent import Attachment
from overseen.domain.canonical import canonical_json
from overseen.domain.facts import Fact
from overseen.domain.findings import Finding
from overseen.domain.outcomes import Ruling
from overseen.domain.plans import Plan
from overseen.domain.proposals import Proposal
from overseen.domain.restore import restore
from overseen.errors import NotFound
from overseen.graphs.state import StepOutput
from overseen.journal import Journal
from overseen.journal.events import Event
from overseen.playbooks import TOLD_IN_CHAT, Playbook, dangers_told, load_playbook
from overseen.store import BlobStore, Database, tables
from overseen.store.file_names import read_file_names
from overseen.supervisor.stored import restore_fact

JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run with its task.

    `message` is everything the requester wrote, oldest first; `handed_in` the day (UTC) of the last of it.
    `requester_email` is the address vouched for by whoever made their account.
    """

    run_id: str
    task_id: str
    requester_id: str
    region: str
    playbook: Playbook
    attachments: tuple[Attachment, ...]
    message: str
    message_blob: str
    handed_in: date
    requester_email: str | None = None


class CaseFiles:
    """Reads cases and contents, writes journal entries and run rows for one worker."""

    def __init__(self, *, database: Database, blobs: BlobStore, journal: Journal, worker_id: str) -> None:
        self.database = database
        self.blobs = blobs
        self.journal = journal
        self.worker_id = worker_id
        self._actor = f"worker:{worker_id}"

    async def open(self, run_id: str) -> Case:
        """The case of a run. Raises NotFound."""
        async with self.database.read() as session:
            run = await session.get(tables.Run, run_id)
            if run is None:
                raise NotFound(f"There is no run {run_id}.")
            task = await session.get_one(tables.Task, run.task_id)
            email = await session.scalar(
                select(tables.Account.email).where(tables.Account.account_id == task.requester_id)
            )
            attachments = (
                await session.scalars(
                    select(tables.Attachment)
                    .where(tables.Attachment.task_id == task.task_id)
                    .order_by(tables.Attachment.message_id, tables.Attachment.position)
                )
            ).all()
            messages = (
                await session.execute(
                    select(tables.Message.body_blob, tables.Message.created_at)
                    .where(
                        tables.Message.task_id == task.task_id,
                        tables.Message.author == "requester",
                        # Questions too: what they tell on the way was told.
                        tables.Message.kind.in_(("text", "question")),
                    )
                    .order_by(tables.Message.created_at, tables.Message.message_id)
                )
            ).all()
        texts = [(await self.blobs.get(body)).decode() for body, _ in messages]
        names = await read_file_names(self.blobs, attachments)
        message = "\n\n".join(text for text in texts if text)
        return Case(
            run_id=run_id,
            task_id=task.task_id,
            requester_id=task.requester_id,
            requester_email=email,
            region=run.region,
            playbook=load_playbook(run.playbook),
            attachments=tuple(
                Attachment(
                    attachment_id=row.attachment_id,
                    name=names[row.attachment_id],
                    media_type=row.media_type,
                    size=row.size,
                    blob=row.blob,
                )
                for row in attachments
            ),
            message=message,
            message_blob=await self.blobs.put(message.encode(), "text/plain"),
            handed_in=max([task.created_at, *(at for _, at in messages)]).astimezone(UTC).date(),
        )

    async def dangers(self, case: Case) -> dict[str, tuple[str, ...]]:
        """Names of the danger facts told in the chat after the first message, by message id: as of now."""
        async with self.database.read() as session:
            asked = (
                await session.execute(
                    select(tables.Message.message_id, tables.Message.body_blob)
                    .where(
                        tables.Message.task_id == case.task_id,
                        tables.Message.author == "requester",
                        tables.Message.kind.in_(("text", "question")),
                    )
                    .order_by(tables.Message.created_at, tables.Message.message_id)
                    # The first is the task itself, which the agents read.
                    .offset(1)
                )
            ).all()
        told: dict[str, tuple[str, ...]] = {}
        for message_id, body in asked:
            if found := dangers_told(case.playbook, (await self.blobs.get(body)).decode()):
                told[message_id] = found
        return told

    async def note(
        self, run_id: str, event: Event, *, once: str | None = None, session: AsyncSession | None = None
    ) -> None:
        """Write one entry to the run's journal; `once` keeps a node that is tried again from telling it twice."""
        await self.journal.append(event, stream=run_id, actor=self._actor, once=once, session=session)

    async def note_task(self, task_id: str, event: Event, *, once: str, session: AsyncSession) -> None:
        """Write one entry to the chat's journal."""
        await self.journal.append(event, stream=task_id, actor=self._actor, once=once, session=session)

    async def update_run(self, run_id: str, session: AsyncSession | None = None, **values: Any) -> None:
        """Change columns of the run's row."""
        statement = update(tables.Run).where(tables.Run.run_id == run_id).values(**values)
        if session is not None:
            await session.execute(statement)
            return
        async with self.database.transaction() as own:
            await own.execute(statement)

    async def put(self, value: Any, *, session: AsyncSession | None = None) -> str:
        """Store a value as a JSON blob; returns its address."""
        return await self.blobs.put(canonical_json(value), JSON, session=session)

    async def get(self, sha256: str) -> Any:
        """The JSON of a blob."""
        return json.loads(await self.blobs.get(sha256))

    async def plan(self, sha256: str) -> Plan:
        """A plan from its blob."""
        return restore(Plan, await self.get(sha256))

    async def proposal(self, sha256: str) -> Proposal:
        """A proposal from its blob; amounts are Decimals again."""
        content = await self.get(sha256)
        return restore_proposal(content["proposal"])

    async def put_step(self, facts: Iterable[Fact], findings: Iterable[Finding]) -> StepOutput:
        """Store what a step found."""
        return {
            "facts_blob": await self.put({"facts": list(facts)}),
            "findings_blob": await self.put({"findings": list(findings)}),
        }

    async def facts(self, outputs: Iterable[StepOutput], playbook: Playbook) -> dict[str, Fact]:
        """Facts of several steps by name; where two steps speak of the same fact the later one counts."""
        found: dict[str, Fact] = {}
        for output in outputs:
            for fact in await self.facts_in(output["facts_blob"], playbook):
                found[fact.name] = fact
        return found

    async def facts_in(self, sha256: str, playbook: Playbook) -> list[Fact]:
        """The facts of one blob, money as Decimal by the playbook's fact types."""
        return [restore_fact(item, playbook) for item in (await self.get(sha256))["facts"]]

    async def told_since(self, case: Case, findings_blob: str) -> bool:
        """Whether a danger was told in the chat that the decision with these findings does not know of."""
        findings = [restore(Finding, item) for item in (await self.get(findings_blob))["findings"]]
        return unread_dangers(await self.dangers(case), findings)

    async def findings(self, outputs: Iterable[StepOutput]) -> list[Finding]:
        """All findings of several steps."""
        return [
            restore(Finding, item)
            for output in outputs
            for item in (await self.get(output["findings_blob"]))["findings"]
        ]


def unread_dangers(told: Iterable[str], findings: Iterable[Finding]) -> bool:
    """Whether a danger was `told` (message ids) that the findings of a decision do not know of."""
    known: set[object] = set()
    for finding in findings:
        if finding.check == TOLD_IN_CHAT:
            listed = finding.evidence.get("messages")
            known |= set(listed) if isinstance(listed, list | tuple) else set()
    return not set(told) <= known


def restore_proposal(data: Mapping[str, Any]) -> Proposal:
    """A proposal from its canonical JSON."""
    ruling = restore(Ruling, data["ruling"])
    return restore(Proposal, {**data, "ruling": ruling})


def round_outputs(outputs: Mapping[str, StepOutput], number: int, order: Sequence[str]) -> list[StepOutput]:
    """Outputs of one round in the order of the plan's steps."""
    return [outputs[f"{number}:{step_id}"] for step_id in order if f"{number}:{step_id}" in outputs]
