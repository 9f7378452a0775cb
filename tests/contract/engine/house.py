"""A worker's house for engine tests: the real graph, store, journal and checkpoints; scripted agents and tools."""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.agents.agent import Conclude, Move, Situation
from overseen.domain.calls import CallResult, ToolCall
from overseen.domain.commands import Command
from overseen.domain.facts import Fact, FactValue, Source, Trust
from overseen.domain.outcomes import Role
from overseen.domain.plans import Plan
from overseen.engine.edit_rules import PlaybookEditRules
from overseen.engine.failures import RunFailures
from overseen.engine.intake import Submitted, TaskIntake
from overseen.engine.runner import RunRunner
from overseen.graphs.case_file import CaseFiles
from overseen.graphs.services import RunServices
from overseen.graphs.supervisor_graph import build_supervisor_graph
from overseen.guardrails.decision_checks import DecisionChecks
from overseen.guardrails.judged import outgoing_checks
from overseen.journal import Journal, Signer
from overseen.models.work_time import WorkClocks
from overseen.playbooks import load_playbook
from overseen.reviews import ReviewDesk, ReviewQueue
from overseen.settings import load_settings
from overseen.store import Database, PostgresBlobStore
from overseen.store.loss_keys import LossKeys
from overseen.store.tables import Account, Authorization, Run
from overseen.supervisor.edits import EditChecker
from overseen.supervisor.explainer import Explanation
from overseen.supervisor.planning import playbook_plan
from overseen.tools.gateway.call_ledger import CallLedger
from overseen.tools.gateway.record import RecordedCalls
from overseen.tools.registry import load_registry
from overseen.tracing.provider import build_tracer

REQUESTER, REVIEWER, OTHER = "acc_requester", "acc_reviewer", "acc_other"

GOOD_FACTS: Mapping[str, FactValue] = {
    "policy_number": "CAR-2214-KL",
    "claim_kind": "car",
    "incident_date": "2026-10-14",
    "claimant_name": "Priya Raman",
    "incident_summary": "Somebody dented the door.",
    "claimed_amount": Decimal("742.80"),
    "estimate_total": Decimal("742.80"),
    "currency": "GBP",
    "injury_reported": False,
    "claims_count": 1,
    "language": "en",
    "supporting_document": True,
    "payee_account": "20-45-11 60317752",
    "photos_count": 1,
    "photos_usable": 1,
    "photo_duplicate": False,
    "photo_before_incident": False,
    "photo_note": "Sharp.",
    "photo_fingerprints": "[]",
    "policy_found": True,
    "policy_status": "active",
    "policy_kind": "car",
    "policy_holder": "Priya Raman",
    "policy_holder_email": "priya.raman@example.com",
    "policy_covers_date": True,
    "excess": Decimal("250.00"),
    "cover_limit": Decimal("15000.00"),
    "policy_currency": "GBP",
    "clause": "A2",
    "covered": True,
    "prior_claims": 0,
}


Thinking = Callable[[Situation], Awaitable[None]]


class ScriptedAgent:
    """Concludes at once with the facts it is there to produce. `values` may change between thoughts.

    What stands under its name in `before` happens first.
    """

    def __init__(self, name: str, values: dict[str, FactValue], before: Mapping[str, Thinking]) -> None:
        card = load_playbook("claims_intake").agent(name)
        self.name, self.tools = name, frozenset(card.tools)
        self.needs, self.produces = frozenset(card.needs), frozenset(card.produces)
        self._values = values
        self._before = before

    async def think(self, situation: Situation) -> Move:
        if self.name in self._before:
            await self._before[self.name](situation)
        return Conclude(
            facts=tuple(
                Fact(
                    name=name,
                    value=value,
                    source=Source(kind="record", name="policies"),
                    trust=Trust.RECORD,
                    confidence=1.0,
                    step_id=situation.step.step_id,
                    fact_id=f"{situation.step.step_id}:{name}",
                )
                for name, value in self._values.items()
                if name in self.produces
            )
        )


@dataclass
class CountingTools:
    """A ToolPort that counts effects by idempotency key, as a system of record would."""

    effects: Counter[str] = field(default_factory=Counter[str])
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    before: Callable[[ToolCall], Awaitable[None]] | None = None

    async def call(self, call: ToolCall) -> CallResult:
        if self.before is not None:
            await self.before(call)
        self.calls.append(call)
        self.effects[call.call_id] += 1
        return CallResult(call_id=call.call_id, tool=call.tool, value={"done": True})


class PlaybookPlanner:
    async def propose(self, playbook: Any, **_: Any) -> Plan:
        return playbook_plan(playbook)


class PlainExplainer:
    async def explain(self, playbook: Any, **_: Any) -> Explanation:
        return Explanation(text="Because the rules say so.", cited_facts=("excess",), author="rules")


class NoChecks:
    async def inspect_facts(self, facts: Any, findings: Any) -> list[Any]:
        return []

    async def inspect_proposal(self, proposal: Any, facts: Any) -> list[Any]:
        return []


class PlainSigner:
    async def sign(self, head_hash: str, /) -> str:
        return f"signed:{head_hash}"


class NoLeases:
    async def end_run(self, run_id: str) -> bool:
        return True


class HeldQueue:
    """Keeps commands so that the test decides when a worker takes them."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.questions: list[tuple[str, str]] = []

    async def enqueue(self, command: Command, *, region: str, session: AsyncSession) -> None:
        self.commands.append(command)

    async def enqueue_question(self, task_id: str, message_id: str, *, region: str, session: AsyncSession) -> None:
        self.questions.append((task_id, message_id))


@dataclass(kw_only=True)
class House:
    database: Database
    blobs: PostgresBlobStore
    journal: Journal
    queue: HeldQueue
    intake: TaskIntake
    waiting: ReviewQueue
    desk: ReviewDesk
    tools: CountingTools
    values: dict[str, FactValue]
    before: dict[str, Thinking]
    clocks: WorkClocks
    runner: RunRunner

    async def submit(self, form: str = "form-1", message: str = "Please settle this.") -> Submitted:
        return await self.intake.submit(
            requester_id=REQUESTER,
            playbook_name="claims_intake",
            message=message,
            attachments=[("letter.txt", b"Dear Sirs, my door was dented.")],
            form_token=form,
        )

    async def work(self) -> str:
        """Carry out the oldest command on the queue; the run's state afterwards."""
        return await self.runner.advance(self.queue.commands.pop(0))

    async def run(self, run_id: str) -> Run:
        async with self.database.read() as session:
            return await session.get_one(Run, run_id)

    async def kinds(self, stream: str) -> list[str]:
        return [entry.kind for entry in await self.journal.entries(stream)]

    async def leave(self, run_id: str) -> list[Authorization]:
        async with self.database.read() as session:
            found = await session.scalars(select(Authorization).where(Authorization.run_id == run_id))
            return list(found.all())


async def add_accounts(database: Database) -> None:
    async with database.transaction() as session:
        session.add_all(
            Account(account_id=account, name=account, display_name=account, roles=roles, email=email)
            for account, roles, email in (
                (REQUESTER, [Role.REQUESTER.value, Role.REVIEWER.value], GOOD_FACTS["policy_holder_email"]),
                (REVIEWER, [Role.REVIEWER.value], None),
                (OTHER, [Role.REQUESTER.value], None),
            )
        )


@asynccontextmanager
async def open_house(
    database: Database, dsn: str, home: Path, *, signer: Signer | None = None
) -> AsyncGenerator[House]:
    signer = signer or PlainSigner()
    blobs, journal, queue = PostgresBlobStore(database, b"k" * 32), Journal(database), HeldQueue()
    values: dict[str, FactValue] = dict(GOOD_FACTS)
    before: dict[str, Thinking] = {}
    clocks = WorkClocks(database)
    tools = CountingTools()
    cases = CaseFiles(database=database, blobs=blobs, journal=journal, worker_id="worker_1")
    services = RunServices(
        cases=cases,
        tools=RecordedCalls(
            tools, ledger=CallLedger(database=database, journal=journal, blobs=blobs), registry=load_registry()
        ),
        agents={name: ScriptedAgent(name, values, before) for name in ("extractor", "vision_checker", "policy_lookup")},
        planner=PlaybookPlanner(),  # type: ignore[arg-type]
        explainer=PlainExplainer(),  # type: ignore[arg-type]
        checks=NoChecks(),
        edits=EditChecker(load_registry(), DecisionChecks(outgoing_checks())),
        losses=LossKeys(database, b"k" * 32),
        signer=signer,
    )
    await add_accounts(database)
    async with AsyncConnectionPool(
        dsn, min_size=1, kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}, open=False
    ) as pool:
        runner = RunRunner(
            graph=build_supervisor_graph(services),
            pool=pool,
            cases=cases,
            failures=RunFailures(cases, signer),
            tracer=build_tracer(load_settings(home, {})),
            leases=NoLeases(),
            clocks=clocks,
            retry_delays=(0.01, 0.01),
        )
        yield House(
            database=database,
            blobs=blobs,
            journal=journal,
            queue=queue,
            intake=TaskIntake(database, blobs, journal, queue),
            waiting=ReviewQueue(database, blobs),
            desk=ReviewDesk(database, blobs, journal, queue, PlaybookEditRules()),
            tools=tools,
            values=values,
            before=before,
            clocks=clocks,
            runner=runner,
        )
