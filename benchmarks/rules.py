"""Rules for benchmarks."""

from overseen.domain.calls import ToolCall
from overseen.tools.gateway import CallBudget


class Everything:
    """Rules under which everything may be called: only what it costs, or survives, counts."""

    def __init__(self, tools: frozenset[str]) -> None:
        self._tools = tools

    async def tools_of(self, run_id: str, agent: str) -> frozenset[str]:  # noqa: ARG002
        return self._tools

    async def budget_of(self, run_id: str) -> CallBudget:  # noqa: ARG002
        return CallBudget(calls=1_000_000, seconds=1_000_000.0)

    async def permits(self, call: ToolCall) -> bool:  # noqa: ARG002
        return True

    async def stopped(self, call: ToolCall) -> str | None:  # noqa: ARG002
        return None
