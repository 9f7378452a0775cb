"""Calls and seconds are reserved before they are spent."""

import asyncio

from sqlalchemy import func, select

from overseen.domain.calls import CallResult, ToolCall
from overseen.store import Database
from overseen.store.tables import CallRecord
from overseen.tools.errors import ToolFailed, ToolRefused
from overseen.tools.gateway.ports import RunRules
from overseen.tools.gateway.progress import present_progress
from overseen.tools.registry import ToolRegistry
from overseen.tools.types import ToolPort


class BudgetedCalls:
    """Refuses a call that does not fit the run's budget, and ends one that outlives it.

    The row that the record wrote is the reservation: rows of a run carry times in the order in which they were written,
    so of calls made at once exactly those that fit go through. Refused calls cost nothing.
    """

    def __init__(self, inner: ToolPort, *, database: Database, rules: RunRules, registry: ToolRegistry) -> None:
        self._inner = inner
        self._database = database
        self._rules = rules
        self._registry = registry

    async def call(self, call: ToolCall) -> CallResult:
        """See ToolPort."""
        budget = await self._rules.budget_of(call.run_id)
        place, spent = await self._place_and_spent(call)
        if place > budget.calls:
            raise ToolRefused(
                f"The run has used its {budget.calls} tool calls.",
                rule="budget",
                next_step="Raise the playbook's budget, or look at why the run calls so often.",
            )
        if spent >= budget.seconds:
            raise ToolRefused(
                f"The tool calls of the run have used their {budget.seconds:g} seconds.",
                rule="budget",
                next_step="Raise the playbook's budget, or look at which tool takes so long.",
            )
        try:
            async with asyncio.timeout(budget.seconds - spent):
                return await self._inner.call(call)
        except TimeoutError as error:
            raise ToolFailed(
                f"The call was ended because the tool calls of the run used up their {budget.seconds:g} seconds.",
                effect_known=present_progress().effect_known(self._registry.effect_of(call.tool)),
                not_done="There is no result.",
                next_step="Raise the playbook's budget, or look at which tool takes so long.",
            ) from error

    async def _place_and_spent(self, call: ToolCall) -> tuple[int, float]:
        own = select(CallRecord.started_at).where(CallRecord.call_id == call.call_id).scalar_subquery()
        of_run = (CallRecord.run_id == call.run_id, CallRecord.state != "refused")
        place = select(func.count()).where(*of_run, CallRecord.started_at <= own)
        lasted = func.extract("epoch", CallRecord.ended_at - CallRecord.started_at)
        spent = select(func.coalesce(func.sum(lasted), 0)).where(*of_run, CallRecord.ended_at.is_not(None))
        async with self._database.read() as session:
            return await session.scalar(place) or 0, float(await session.scalar(spent) or 0)
