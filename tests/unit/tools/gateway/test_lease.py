"""The lease wrapper: a credential for exactly the time of the call."""

import pytest

from overseen.domain.calls import CallResult, ToolCall
from overseen.errors import Refused, Unavailable
from overseen.tools.errors import ToolRefused
from overseen.tools.gateway.lease import LeasedCalls
from overseen.tools.gateway.ports import Lease
from overseen.tools.types import ToolSpec
from tests.tool_doubles import REGISTRY, Broker, call


class Looking:
    """An Execution that notes how many leases live while it runs."""

    def __init__(self, broker: Broker, error: Exception | None = None) -> None:
        self._broker = broker
        self._error = error
        self.alive: list[int] = []

    async def execute(self, call: ToolCall, spec: ToolSpec, lease: Lease) -> CallResult:
        self.alive.append(self._broker.open)
        if self._error:
            raise self._error
        return CallResult(call_id=call.call_id, tool=call.tool, value=lease.lease_id)


async def test_the_lease_lives_for_the_call_and_no_longer() -> None:
    broker = Broker()
    inner = Looking(broker)
    await LeasedCalls(inner, broker=broker, registry=REGISTRY).call(call("look"))
    assert (inner.alive, broker.open, broker.grants) == ([1], 0, [("insurer_read",)])


async def test_a_call_without_grants_is_leased_too() -> None:
    broker = Broker()
    await LeasedCalls(Looking(broker), broker=broker, registry=REGISTRY).call(call())
    assert broker.grants == [()]


async def test_the_lease_ends_when_the_tool_fails() -> None:
    broker = Broker()
    inner = Looking(broker, ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await LeasedCalls(inner, broker=broker, registry=REGISTRY).call(call("look"))
    assert broker.open == 0


@pytest.mark.parametrize(("code", "rule"), [("refused", "lease"), ("stopped", "stopped")])
async def test_a_refusal_of_the_broker_is_a_refusal_of_the_call(code: str, rule: str) -> None:
    refusal = type("Said", (Refused,), {"code": code})("No.")
    broker = Broker(error=refusal)
    inner = Looking(broker)
    with pytest.raises(ToolRefused) as caught:
        await LeasedCalls(inner, broker=broker, registry=REGISTRY).call(call("look"))
    assert (caught.value.rule, inner.alive) == (rule, [])


async def test_a_broker_that_is_down_leaves_the_call_to_be_made_again() -> None:
    broker = Broker(error=Unavailable("Down."))
    with pytest.raises(Unavailable):
        await LeasedCalls(Looking(broker), broker=broker, registry=REGISTRY).call(call("look"))
