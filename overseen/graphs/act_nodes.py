"""Nodes that act and end: the authorized effects, the question to the requester, the closed chain."""

from datetime import UTC, datetime
from typing import Any

from langgraph.types import Command, interrupt
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.calls import SUPERVISOR, ToolCall
from overseen.domain.identifiers import derived_id
from overseen.domain.outcomes import BoundaryVerdict, DecisionKind, Outcome, Ruling, RunState
from overseen.domain.restore import restore
from overseen.errors import Defect
from overseen.graphs.case_file import Case
from overseen.graphs.closing import Ending, closing_text, closing_without_details, question_text
from overseen.graphs.effects import ACT_STEP, Effects, effects_of
from overseen.graphs.services import RunServices
from overseen.graphs.state import RunGraphState
from overseen.journal import events, seal_or_leave
from overseen.store import tables
from overseen.supervisor.payments import sum_paid

_END_WITHOUT_PAYMENT = {
    Outcome.SETTLE: RunState.CLOSED,
    Outcome.DENY: RunState.DENIED,
    Outcome.ASK: RunState.WAITING_REQUESTER,
    Outcome.REFER: RunState.CLOSED,
}


class ActNodes:
    """act -> close, or act -> park_for_requester -> wait_for_requester -> plan."""

    def __init__(self, services: RunServices) -> None:
        self._services = services
        self._cases = services.cases

    async def act(self, state: RunGraphState) -> Command[str]:
        """Make the authorized calls in order. Each is recorded before and after, so a second try repeats none."""
        case = await self._cases.open(state["run_id"])
        proposal = await self._cases.proposal(state["proposal_blob"])
        if await self._told_since(case, state):
            return Command(goto="plan", update={"decision_id": ""})
        leave = state.get("authorizations", [])
        if len(leave) != len(proposal.calls):
            raise Defect("The leave does not match the proposal.", not_done="None of the effects was started.")
        for ordinal, (call, authorization_id) in enumerate(zip(proposal.calls, leave, strict=True)):
            await self._services.tools.call(
                ToolCall(
                    run_id=case.run_id,
                    step_id=ACT_STEP,
                    agent=SUPERVISOR,
                    tool=call.tool,
                    arguments=call.arguments,
                    argument_facts=call.argument_facts,
                    ordinal=ordinal,
                    authorization_id=authorization_id,
                )
            )
        paid = sum_paid(case.playbook.calls, proposal.calls)
        end = RunState.SETTLED if paid else _END_WITHOUT_PAYMENT[proposal.ruling.outcome]
        if end is RunState.WAITING_REQUESTER:
            return Command(goto="park_for_requester")
        return Command(goto="close", update={"end": end.value})

    async def _told_since(self, case: Case, state: RunGraphState) -> bool:
        """Whether a danger was told after the decision and before any effect; once one began, the rest follows it."""
        if not await self._cases.told_since(case, state["findings_blob"]):
            return False
        async with self._cases.database.read() as session:
            begun = await session.scalar(
                # By this leave: what an earlier round did, such as asking for papers, is no reason to go on.
                select(tables.Authorization.used_call_id)
                .join(tables.CallRecord, tables.CallRecord.call_id == tables.Authorization.used_call_id)
                .where(tables.Authorization.authorization_id.in_(state.get("authorizations", [])))
                .limit(1)
            )
        return begun is None

    async def park_for_requester(self, state: RunGraphState) -> dict[str, Any]:
        """Say in the chat what is needed, and note that the run waits."""
        case = await self._cases.open(state["run_id"])
        ruling, _ = await self._ruling(state)
        number = state["round"]
        async with self._cases.database.transaction() as session:
            if ruling.outcome is Outcome.ASK:
                text = question_text(ruling)
                await self._say(case, text, "notice", f"missing:{number}", session)
            parked = events.RunParked(waits_for="requester")
            await self._cases.note(case.run_id, parked, once=f"parked:requester:{number}", session=session)
            await self._cases.update_run(
                case.run_id, session, state=RunState.WAITING_REQUESTER, parked_at=datetime.now(UTC)
            )
        return {}

    async def wait_for_requester(self, state: RunGraphState) -> dict[str, Any]:
        """Parks the run until the requester wrote. A node that interrupts does nothing else."""
        interrupt({"waits_for": "requester", "run_id": state["run_id"]})
        return {}

    async def close(self, state: RunGraphState) -> dict[str, Any]:
        """Tell the requester, sign the head of the chain and close it."""
        case = await self._cases.open(state["run_id"])
        end = RunState(state["end"])
        ruling, _ = await self._ruling(state)
        explanation = (await self._cases.get(state["explanation_blob"]))["text"]
        effects = await effects_of(self._cases, case.run_id, rules=case.playbook.calls, currency=ruling.currency)
        ending = Ending(
            state=end, ruling=ruling, effects=effects, explanation=explanation, **await self._decision(state)
        )
        facts = await self._cases.facts_in(state["facts_blob"], case.playbook)
        theirs = case.playbook.disclosure.details_are_told(facts, case.requester_email)
        text = closing_text(ending) if theirs else closing_without_details(ending)
        async with self._cases.database.transaction() as session:
            await self._say(case, text, "answer", "closing", session)
            await self._end(case, end, effects, session)
        await seal_or_leave(self._cases.database, self._cases.journal, self._services.signer, case.run_id)
        return {}

    async def _end(self, case: Case, end: RunState, effects: Effects, session: AsyncSession) -> None:
        paid = effects.paid
        run = await session.get_one(tables.Run, case.run_id, with_for_update=True)
        started = run.started_at or run.created_at
        run.state, run.amount = end, paid
        ended_at = run.ended_at or datetime.now(UTC)
        run.ended_at = ended_at
        ended = events.RunEnded(
            state=end.value,
            outcome=run.outcome,
            amount=None if paid is None else format(paid, "f"),
            currency=run.currency,
            seconds=round((ended_at - started).total_seconds(), 3),
            input_tokens=run.input_tokens,
            output_tokens=run.output_tokens,
            cost_usd=format(run.cost_usd, "f"),
        )
        await self._cases.note(case.run_id, ended, once="ended", session=session)

    async def _decision(self, state: RunGraphState) -> dict[str, Any]:
        """What people said, for the closing words: {decided, reason, agreed}; empty when none was asked."""
        decision_id = state.get("decision_id")
        if not decision_id:
            return {}
        async with self._cases.database.read() as session:
            decision = await session.get_one(tables.Decision, decision_id)
            review = await session.get_one(tables.Review, decision.review_id)
            edited = None
            if review.edited_by is not None and decision.kind == DecisionKind.APPROVE:
                # The reason that counts is the first person's: theirs is what was agreed to.
                edited = await session.scalar(
                    select(tables.Decision)
                    .where(tables.Decision.run_id == decision.run_id, tables.Decision.kind == DecisionKind.EDIT)
                    .where(tables.Decision.used_at.is_not(None))
                    .order_by(tables.Decision.used_at.desc())
                    .limit(1)
                )
        said = edited or decision
        reason = (await self._cases.blobs.get(said.reason_blob)).decode()
        return {"decided": DecisionKind(said.kind), "reason": reason, "agreed": edited is not None}

    async def _say(self, case: Case, text: str, kind: str, key: str, session: AsyncSession) -> None:
        """Add a line to the chat, once per key."""
        message_id = derived_id("msg", case.run_id, key)
        if await session.get(tables.Message, message_id) is not None:
            return
        body = await self._cases.blobs.put(text.encode(), "text/plain", session=session)
        session.add(
            tables.Message(message_id=message_id, task_id=case.task_id, author="overseen", kind=kind, body_blob=body)
        )
        added = events.MessageAdded(message_id=message_id, author="overseen", message_kind=kind, body_blob=body)
        await self._cases.note_task(case.task_id, added, once=f"said:{message_id}", session=session)

    async def _ruling(self, state: RunGraphState) -> tuple[Ruling, BoundaryVerdict]:
        content = await self._cases.get(state["ruling_blob"])
        return restore(Ruling, content["ruling"]), restore(BoundaryVerdict, content["boundary"])
