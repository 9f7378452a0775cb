"""The wrapper that reserves tokens and money before they are spent."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from sqlalchemy import select

from overseen.models.errors import BudgetExceeded
from overseen.models.types import ModelAnswer, ModelPort, ModelRequest, RouteProfile
from overseen.store import Database
from overseen.store.tables import Run

_BYTES_PER_TOKEN = 3
"""A cautious guess: real tokenizers make 3 to 5 bytes of European languages one token."""
_IMAGE_TOKENS = 1500
_MESSAGE_TOKENS = 8


@dataclass(frozen=True, kw_only=True)
class ModelBudget:
    """What the model calls of one run may use in all: input and output tokens together, and US dollars."""

    tokens: int
    cost_usd: Decimal


class BudgetSource(Protocol):
    """Where the budget of a run comes from: its playbook."""

    async def budget_of(self, run_id: str) -> ModelBudget:
        """The whole budget of a run, not what is left of it."""
        ...


class FixedBudget:
    """The same budget for every run."""

    def __init__(self, budget: ModelBudget) -> None:
        self._budget = budget

    async def budget_of(self, run_id: str) -> ModelBudget:  # noqa: ARG002 - the port names it
        """See BudgetSource."""
        return self._budget


@dataclass
class _Reserved:
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)


class BudgetedModel:
    """Refuses a request that could take a run over its budget: spent (in the run's row) + reserved + at most this."""

    def __init__(
        self, inner: ModelPort, database: Database, budgets: BudgetSource, profiles: Sequence[RouteProfile]
    ) -> None:
        self._inner = inner
        self._database = database
        self._budgets = budgets
        self._profiles = tuple(profiles)
        self._reserved: dict[str, _Reserved] = {}

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """See ModelPort."""
        async with self._reservation(request):
            return await self._inner.complete(request)

    @asynccontextmanager
    async def _reservation(self, request: ModelRequest) -> AsyncGenerator[None]:
        tokens, cost = self._at_most(request)
        budget = await self._budgets.budget_of(request.run_id)
        spent_tokens, spent_cost = await self._spent(request.run_id)
        # From here to the reservation nothing awaits, so parallel steps cannot both take the last of it.
        held = self._reserved.get(request.run_id) or _Reserved()
        if spent_tokens + held.tokens + tokens > budget.tokens:
            raise _exceeded(f"{spent_tokens} of {budget.tokens} tokens are used, {tokens} more might be needed")
        if spent_cost + held.cost_usd + cost > budget.cost_usd:
            raise _exceeded(f"{spent_cost} of {budget.cost_usd} US dollars are used, {cost} more might be needed")
        held.tokens += tokens
        held.cost_usd += cost
        self._reserved[request.run_id] = held
        try:
            yield
        finally:
            held.tokens -= tokens
            held.cost_usd -= cost
            if held.tokens <= 0:
                self._reserved.pop(request.run_id, None)

    def _at_most(self, request: ModelRequest) -> tuple[int, Decimal]:
        """Tokens and dollars this request can use at most, on the dearest route it may take."""
        size = sum(len(message.text.encode()) for message in request.messages)
        images = sum(len(message.images) for message in request.messages)
        given = size // _BYTES_PER_TOKEN + _MESSAGE_TOKENS * len(request.messages) + _IMAGE_TOKENS * images
        prices = [
            profile.price(given, request.max_tokens) for profile in self._profiles if request.region in profile.regions
        ]
        return given + request.max_tokens, max(prices, default=Decimal(0))

    async def _spent(self, run_id: str) -> tuple[int, Decimal]:
        async with self._database.read() as session:
            query = select(Run.input_tokens + Run.output_tokens, Run.cost_usd).where(Run.run_id == run_id)
            row = (await session.execute(query)).one_or_none()
        return (0, Decimal(0)) if row is None else (row[0], row[1])


def _exceeded(figures: str) -> BudgetExceeded:
    return BudgetExceeded(
        f"The run's budget for models would be passed: {figures}.",
        not_done="No model was asked.",
        next_step="A person has to finish the task, or the playbook's budget must grow.",
    )
