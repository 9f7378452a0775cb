"""Leave for exactly one call, kept in a real database."""

import asyncio
from typing import Any

import pytest

from overseen.domain.calls import ToolCall
from overseen.store import Database
from overseen.store.tables import Authorization
from overseen.tools.errors import ToolRefused
from overseen.tools.gateway.approval import ApprovedCalls
from tests.tool_doubles import REGISTRY, AnsweringPort, call


class Approved:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.inner = AnsweringPort()
        self.port = ApprovedCalls(self.inner, database=database, registry=REGISTRY)

    async def authorize(self, made: ToolCall, authorization_id: str = "aut_1", **changes: Any) -> None:
        row = {"run_id": made.run_id, "call_digest": made.digest, "granted_by": "boundary", **changes}
        async with self.database.transaction() as session:
            session.add(Authorization(authorization_id=authorization_id, **row))

    async def refusal_of(self, made: ToolCall) -> str:
        before = len(self.inner.calls)
        with pytest.raises(ToolRefused) as caught:
            await self.port.call(made)
        assert (caught.value.rule, len(self.inner.calls)) == ("approval", before)
        return caught.value.message


@pytest.fixture
def approved(database: Database) -> Approved:
    return Approved(database)


async def test_a_tool_that_only_reads_needs_no_leave(approved: Approved) -> None:
    assert (await approved.port.call(call("note"))).value == {"length": 5}


@pytest.mark.parametrize("tool", ["write_note", "pay"])
async def test_a_tool_that_changes_something_needs_leave(approved: Approved, tool: str) -> None:
    assert "nobody has given leave" in await approved.refusal_of(call(tool))


async def test_leave_for_this_call_lets_it_through_and_is_marked_used(approved: Approved) -> None:
    made = call("pay", authorization_id="aut_1")
    await approved.authorize(made)
    await approved.port.call(made)
    async with approved.database.read() as session:
        row = await session.get(Authorization, "aut_1")
    assert row is not None
    assert (row.used_call_id, row.used_at is not None) == (made.call_id, True)


async def test_the_same_call_made_again_after_a_crash_goes_through(approved: Approved) -> None:
    made = call("pay", authorization_id="aut_1")
    await approved.authorize(made)
    await approved.port.call(made)
    await approved.port.call(made)
    assert len(approved.inner.calls) == 2


async def test_leave_is_used_once(approved: Approved) -> None:
    first = call("pay", authorization_id="aut_1", ordinal=0)
    await approved.authorize(first)
    await approved.port.call(first)
    assert "used before" in await approved.refusal_of(call("pay", authorization_id="aut_1", ordinal=1))


async def test_of_two_calls_at_once_with_one_leave_one_goes_through(approved: Approved) -> None:
    calls = [call("pay", authorization_id="aut_1", ordinal=number) for number in range(6)]
    await approved.authorize(calls[0])
    await asyncio.gather(*(approved.port.call(made) for made in calls), return_exceptions=True)
    assert len(approved.inner.calls) == 1


async def test_other_arguments_than_were_approved_are_refused(approved: Approved) -> None:
    await approved.authorize(call("pay"))
    edited = call("pay", authorization_id="aut_1", arguments={"text": "50,000"})
    assert "another call" in await approved.refusal_of(edited)


async def test_another_tool_than_was_approved_is_refused(approved: Approved) -> None:
    await approved.authorize(call("write_note"))
    assert "another call" in await approved.refusal_of(call("pay", authorization_id="aut_1"))


async def test_leave_of_another_run_is_refused(approved: Approved) -> None:
    made = call("pay", authorization_id="aut_1")
    await approved.authorize(made, run_id="run_2")
    assert "not of this run" in await approved.refusal_of(made)


async def test_leave_that_does_not_exist_is_refused(approved: Approved) -> None:
    assert "not of this run" in await approved.refusal_of(call("pay", authorization_id="aut_9"))
