"""What the gateway needs from other rooms of the house; the composition root passes the real ones in."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from overseen.domain.calls import CallResult, ToolCall
from overseen.errors import OverseenError
from overseen.tools.types import Grant


@dataclass(frozen=True, kw_only=True)
class CallBudget:
    """What the tool calls of one run may use: how many there may be, and their seconds of wall clock in all."""

    calls: int
    seconds: float


class RunRules(Protocol):
    """What the playbook of a run says about tool calls."""

    async def tools_of(self, run_id: str, agent: str) -> frozenset[str]:
        """Names of the tools the agent may call in this run; empty for an unknown run or agent."""
        ...

    async def budget_of(self, run_id: str) -> CallBudget:
        """The budget of the run's tool calls; of zero calls for an unknown run."""
        ...


class PlanLock(Protocol):
    """Knows the locked plan of a run."""

    async def permits(self, call: ToolCall) -> bool:
        """Whether the call belongs to a step of the locked plan, or to a decision made on the grounds of it."""
        ...


class StopSwitch(Protocol):
    """Knows what an operator or a kill switch has stopped."""

    async def stopped(self, call: ToolCall) -> str | None:
        """One sentence saying what was stopped (the call, its run, agent or tool, everything), None if nothing was."""
        ...


class Lease(Protocol):
    """The credential of one call, alive only as long as the call."""

    @property
    def lease_id(self) -> str:
        """The id in the ledger."""
        ...

    def credential(self, grant_name: str) -> Any:
        """What opens the door of that grant: a login, fields of a secret, a signed token or a certificate."""
        ...


class LeaseBroker(Protocol):
    """Gives out leases."""

    def lease(
        self, call: ToolCall, grants: Sequence[Grant], *, wall_seconds: float
    ) -> AbstractAsyncContextManager[Lease]:
        """A lease that lives inside the block and is revoked at its end, however it ends.

        It lasts at least `wall_seconds`, the longest the tool may take, or is refused.

        Entering raises Refused when no lease may be given, Unavailable when the source of credentials is down.
        """
        ...


class Doors(Protocol):
    """Opens ways out of a sandbox for one call."""

    def database(self, call: ToolCall, grant: Grant, credential: Any) -> AbstractAsyncContextManager[Path]:
        """A unix socket that leads to one database with the leased credential, closed at the end of the block."""
        ...

    def http(self, call: ToolCall, grant: Grant, credential: Any) -> AbstractAsyncContextManager[Path]:
        """A unix socket behind which the server that the grant opens is asked, with the leased credential added.

        Entering raises ToolRefused when the tool may not go there.
        """
        ...


class CallSpan(Protocol):
    """One tool call in a trace, open."""

    def finished(self, result: CallResult) -> None:
        """The call came back."""
        ...

    def failed(self, error: OverseenError) -> None:
        """The call was refused or failed."""
        ...


class CallTracer(Protocol):
    """Draws tool calls into the trace of their run."""

    def tool_call(self, call: ToolCall) -> AbstractContextManager[CallSpan]:
        """A span around the call. Neither entering nor leaving may raise or block."""
        ...
