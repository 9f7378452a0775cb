"""Nodes that plan and delegate."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Send

from overseen.agents.agent import Conclude, Situation
from overseen.domain.canonical import plain
from overseen.domain.findings import Finding
from overseen.domain.plans import Plan, Step
from overseen.errors import OverseenError
from overseen.graphs.case_file import Case, round_outputs
from overseen.graphs.services import RunServices
from overseen.graphs.state import RunGraphState, StepInput
from overseen.graphs.unread import SideBySide, not_read
from overseen.journal import events
from overseen.models.errors import OutOfTime
from overseen.supervisor.planning import check_plan, playbook_plan, ready_steps

_TRIES = 2
"""A plan that does not hold is repaired once; then the playbook's own is used."""


class PlanNodes:
    """plan -> delegate -> step ... -> delegate -> decide."""

    def __init__(
        self, services: RunServices, specialists: Mapping[str, CompiledStateGraph[Any, Any, Any, Any]]
    ) -> None:
        self._services = services
        self._cases = services.cases
        self._specialists = specialists
        self._side_by_side = SideBySide()

    async def plan(self, state: RunGraphState) -> dict[str, Any]:
        """Ask a model for a plan, check it, repair it once, fall back to the playbook's own, and lock it."""
        case = await self._cases.open(state["run_id"])
        number = state.get("round", 0) + 1
        plan = await self._propose(case, number)
        plan_blob = await self._cases.put(plan)
        locked = events.PlanLocked(
            plan_digest=plan.digest,
            origin=plan.origin,
            steps=tuple(
                {"step_id": step.step_id, "agent": step.agent, "needs": step.needs, "produces": step.produces}
                for step in plan.steps
            ),
        )
        async with self._cases.database.transaction() as session:
            await self._cases.note(case.run_id, locked, once=f"plan_locked:{number}", session=session)
            await self._cases.update_run(case.run_id, session, plan_blob=plan_blob)
        return {"round": number, "plan_blob": plan_blob}

    async def _propose(self, case: Case, number: int) -> Plan:
        problems: tuple[str, ...] = ()
        for attempt in range(_TRIES):
            try:
                plan = await self._services.planner.propose(
                    case.playbook,
                    run_id=case.run_id,
                    region=case.region,
                    message=case.message,
                    attachments=case.attachments,
                    problems=problems,
                    ordinal=2 * (number - 1) + attempt,
                )
            except OverseenError as error:
                if error.retryable:
                    raise
                problems = (error.message,)
                continue
            problems = check_plan(case.playbook, plan)
            await self._note_proposed(case, plan, problems, f"{number}:{attempt}")
            if not problems:
                return plan
        plan = playbook_plan(case.playbook)
        await self._note_proposed(case, plan, (), f"{number}:playbook")
        return plan

    async def _note_proposed(self, case: Case, plan: Plan, problems: Sequence[str], key: str) -> None:
        proposed = events.PlanProposed(
            origin=plan.origin,
            plan_blob=await self._cases.put(plan),
            plan_digest=plan.digest,
            problems=tuple(problems),
        )
        await self._cases.note(case.run_id, proposed, once=f"plan_proposed:{key}")

    async def delegate(self, state: RunGraphState) -> Command[Any]:
        """Send every step that can run now to its agent, side by side; when none is left, decide."""
        plan = await self._cases.plan(state["plan_blob"])
        number, outputs = state["round"], state.get("outputs", {})
        finished = [step.step_id for step in plan.steps if f"{number}:{step.step_id}" in outputs]
        ready = ready_steps(plan, finished)
        if not ready:
            return Command(goto="decide")
        return Command(
            goto=[
                Send(
                    "step",
                    StepInput(
                        run_id=state["run_id"],
                        round=number,
                        step_id=step.step_id,
                        plan_blob=state["plan_blob"],
                        outputs=dict(outputs),
                    ),
                )
                for step in ready
            ]
        )

    async def step(self, state: StepInput) -> dict[str, Any]:
        """Run one agent's graph and store what it found."""
        async with self._side_by_side.step(state["run_id"]):
            return await self._step(state)

    async def _step(self, state: StepInput) -> dict[str, Any]:
        began = time.monotonic()
        case = await self._cases.open(state["run_id"])
        plan = await self._cases.plan(state["plan_blob"])
        step, number = plan.step(state["step_id"]), state["round"]
        started = events.StepStarted(step_id=step.step_id, agent=step.agent)
        await self._cases.note(case.run_id, started, once=f"step_started:{number}:{step.step_id}")
        before = round_outputs(state["outputs"], number, [other.step_id for other in plan.steps])
        known = await self._cases.facts(before, case.playbook)
        situation = Situation(
            run_id=case.run_id,
            step=step,
            playbook=case.playbook.name,
            attachments=case.attachments,
            message_blob=case.message_blob,
            facts={name: known[name] for name in step.needs if name in known},
            region=case.region,
            currency=case.playbook.currency,
            handed_in=case.handed_in,
        )
        conclusion, findings = await self._concluded(case, situation)
        output = await self._cases.put_step(conclusion.facts, findings)
        await self._note_finished(case, step, number, (conclusion, len(findings), output["facts_blob"], began))
        return {"outputs": {f"{number}:{step.step_id}": output}}

    async def _concluded(self, case: Case, situation: Situation) -> tuple[Conclude, tuple[Finding, ...]]:
        """What the agent found; nothing but a finding that says so when the run's time was up before it was through."""
        specialist = self._specialists[situation.step.agent]
        try:
            # It has no checkpoints to wait for, so the outer graph's durability must not be inherited.
            result = await specialist.ainvoke({"situation": situation}, durability="async")
        except OutOfTime as error:
            return Conclude(facts=(), findings=()), (not_read(case.playbook, situation.step, error),)
        conclusion: Conclude = result["move"]
        return conclusion, (*conclusion.findings, *result.get("findings", ()))

    async def _note_finished(
        self, case: Case, step: Step, number: int, found: tuple[Conclude, int, str, float]
    ) -> None:
        conclusion, findings, facts_blob, began = found
        produced = events.FactsProduced(
            step_id=step.step_id,
            facts_blob=facts_blob,
            facts=tuple(
                {
                    "name": fact.name,
                    "fact_id": fact.fact_id,
                    "trust": plain(fact.trust),
                    "confidence": fact.confidence,
                    "source_kind": fact.source.kind,
                }
                for fact in conclusion.facts
            ),
        )
        ended = events.StepFinished(
            step_id=step.step_id,
            agent=step.agent,
            facts=len(conclusion.facts),
            findings=findings,
            seconds=round(time.monotonic() - began, 3),
        )
        async with self._cases.database.transaction() as session:
            key = f"{number}:{step.step_id}"
            await self._cases.note(case.run_id, produced, once=f"facts:{key}", session=session)
            await self._cases.note(case.run_id, ended, once=f"step_finished:{key}", session=session)
