"""The credential of a call lives exactly as long as the call."""

from contextlib import AsyncExitStack
from typing import Protocol

from overseen.domain.calls import CallResult, ToolCall
from overseen.errors import Refused
from overseen.tools.errors import ToolRefused
from overseen.tools.gateway.ports import Lease, LeaseBroker
from overseen.tools.gateway.progress import timed
from overseen.tools.registry import ToolRegistry
from overseen.tools.types import ToolSpec


class Execution(Protocol):
    """What is left to do once a call is recorded, allowed and leased."""

    async def execute(self, call: ToolCall, spec: ToolSpec, lease: Lease) -> CallResult:
        """Run the tool with the lease. Raises as ToolPort does."""
        ...


class LeasedCalls:
    """Asks the broker for a lease on the tool's grants, even when it has none: every call is in the ledger."""

    def __init__(self, inner: Execution, *, broker: LeaseBroker, registry: ToolRegistry) -> None:
        self._inner = inner
        self._broker = broker
        self._registry = registry

    async def call(self, call: ToolCall) -> CallResult:
        """See ToolPort."""
        spec = self._registry.get(call.tool)
        async with AsyncExitStack() as stack:
            with timed("lease"):
                lease = await self._enter(stack, call, spec)
            result = await self._inner.execute(call, spec, lease)
            with timed("lease"):
                await stack.aclose()
            return result

    async def _enter(self, stack: AsyncExitStack, call: ToolCall, spec: ToolSpec) -> Lease:
        try:
            return await stack.enter_async_context(
                self._broker.lease(call, spec.grants, wall_seconds=spec.profile.wall_seconds)
            )
        except Refused as error:
            rule = "stopped" if error.code == "stopped" else "lease"
            raise ToolRefused(error.message, rule=rule, next_step=error.next_step) from error
