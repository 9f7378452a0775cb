"""What a run's playbook and locked plan say, for the gateways that must ask before every call."""

from decimal import Decimal

from overseen.domain.calls import SUPERVISOR, ToolCall
from overseen.domain.plans import Plan
from overseen.domain.restore import restore
from overseen.graphs.case_file import CaseFiles
from overseen.graphs.effects import ACT_STEP
from overseen.models.budget import ModelBudget
from overseen.playbooks import Playbook, load_playbook
from overseen.store.tables import Run
from overseen.tools.gateway.ports import CallBudget


class PlaybookRules:
    """Answers for runs by their playbook; an unknown run may do nothing."""

    def __init__(self, cases: CaseFiles) -> None:
        self._cases = cases

    async def tools_of(self, run_id: str, agent: str) -> frozenset[str]:
        """Names of the tools the agent may call in this run; empty for an unknown run or agent."""
        playbook = await self.playbook_of(run_id)
        return frozenset() if playbook is None else playbook.tools_of(agent)

    async def budget_of(self, run_id: str) -> CallBudget:
        """How many tool calls the run may make, and their seconds in all."""
        playbook = await self.playbook_of(run_id)
        if playbook is None:
            return CallBudget(calls=0, seconds=0)
        return CallBudget(calls=playbook.budget.tool_calls, seconds=playbook.budget.wall_seconds)

    async def permits(self, call: ToolCall) -> bool:
        """Whether the call's step is one of the locked plan and of the agent it names.

        Effects belong to no step of the plan: the supervisor makes them on the grounds of a decision, and each needs
        leave for exactly that call, which the approval wrapper asks for.
        """
        if call.step_id == ACT_STEP:
            return call.agent == SUPERVISOR
        async with self._cases.database.read() as session:
            run = await session.get(Run, call.run_id)
        if run is None or run.plan_blob is None:
            return False
        plan = restore(Plan, await self._cases.get(run.plan_blob))
        return any(step.step_id == call.step_id and step.agent == call.agent for step in plan.steps)

    async def playbook_of(self, run_id: str) -> Playbook | None:
        """The playbook of a run, None for an unknown run."""
        async with self._cases.database.read() as session:
            run = await session.get(Run, run_id)
        return None if run is None else load_playbook(run.playbook)


_QUESTIONS_BUDGET = ModelBudget(tokens=200_000, cost_usd=Decimal(1))
"""For all questions about one task."""


class PlaybookModelBudgets:
    """The model budget of a run: tokens and US dollars from its playbook."""

    def __init__(self, rules: PlaybookRules) -> None:
        self._rules = rules

    async def budget_of(self, run_id: str) -> ModelBudget:
        """See `overseen.models.budget.BudgetSource`; an unknown run has none. Questions are asked under their task."""
        if run_id.startswith("task_"):
            return _QUESTIONS_BUDGET
        playbook = await self._rules.playbook_of(run_id)
        if playbook is None:
            return ModelBudget(tokens=0, cost_usd=Decimal(0))
        return ModelBudget(tokens=playbook.budget.tokens, cost_usd=Decimal(str(playbook.budget.cost_usd)))
