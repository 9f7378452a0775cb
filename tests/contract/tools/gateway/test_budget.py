"""Calls and seconds of a run, counted in a real database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from overseen.domain.calls import CallResult, ToolCall
from overseen.journal import Journal
from overseen.store import Database, PostgresBlobStore
from overseen.store.tables import CallRecord
from overseen.tools.errors import ToolFailed, ToolRefused
from overseen.tools.gateway import CallBudget
from overseen.tools.gateway.budget import BudgetedCalls
from overseen.tools.gateway.call_ledger import CallLedger
from overseen.tools.gateway.record import RecordedCalls
from overseen.tools.types import ToolPort
from tests.tool_doubles import REGISTRY, AnsweringPort, Rules, call


def budgeted(database: Database, inner: ToolPort, budget: CallBudget) -> ToolPort:
    port = BudgetedCalls(inner, database=database, rules=Rules(budget=budget), registry=REGISTRY)
    blobs = PostgresBlobStore(database, b"k" * 32)
    return RecordedCalls(
        port, ledger=CallLedger(database=database, journal=Journal(database), blobs=blobs), registry=REGISTRY
    )


async def test_the_call_after_the_last_is_refused(database: Database) -> None:
    inner = AnsweringPort()
    port = budgeted(database, inner, CallBudget(calls=2, seconds=60))
    await port.call(call(ordinal=0))
    await port.call(call(ordinal=1))
    with pytest.raises(ToolRefused) as caught:
        await port.call(call(ordinal=2))
    assert (caught.value.rule, len(inner.calls)) == ("budget", 2)


async def test_of_calls_made_at_once_exactly_those_that_fit_go_through(database: Database) -> None:
    inner = AnsweringPort()
    port = budgeted(database, inner, CallBudget(calls=3, seconds=60))
    ended = await asyncio.gather(*(port.call(call(ordinal=n)) for n in range(8)), return_exceptions=True)
    assert (len(inner.calls), sum(isinstance(one, ToolRefused) for one in ended)) == (3, 5)


async def test_another_run_has_a_budget_of_its_own(database: Database) -> None:
    port = budgeted(database, AnsweringPort(), CallBudget(calls=1, seconds=60))
    await port.call(call())
    assert (await port.call(call(run_id="run_2"))).value == {"length": 5}


async def test_a_replayed_call_costs_nothing(database: Database) -> None:
    port = budgeted(database, AnsweringPort(), CallBudget(calls=1, seconds=60))
    await port.call(call())
    assert (await port.call(call())).replayed


async def test_a_refused_call_gives_its_place_back(database: Database) -> None:
    inner = AnsweringPort(error=ToolRefused("No.", rule="approval"))
    port = budgeted(database, inner, CallBudget(calls=1, seconds=60))
    with pytest.raises(ToolRefused):
        await port.call(call(ordinal=0))
    inner.error = None
    assert (await port.call(call(ordinal=1))).value == {"length": 5}


async def test_a_run_whose_seconds_are_used_up_calls_no_more(database: Database) -> None:
    inner = AnsweringPort()
    port = budgeted(database, inner, CallBudget(calls=9, seconds=10))
    await port.call(call(ordinal=0))
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    async with database.transaction() as session:
        await session.execute(update(CallRecord).values(started_at=long_ago, ended_at=long_ago + timedelta(seconds=10)))
    with pytest.raises(ToolRefused, match="seconds"):
        await port.call(call(ordinal=1))
    assert len(inner.calls) == 1


class _Slow:
    async def call(self, call: ToolCall) -> CallResult:
        await asyncio.sleep(30)
        raise AssertionError("never reached")


async def test_a_call_that_outlives_the_budget_is_ended(database: Database) -> None:
    port = budgeted(database, _Slow(), CallBudget(calls=9, seconds=0.1))
    with pytest.raises(ToolFailed, match="seconds") as caught:
        await port.call(call())
    assert caught.value.effect_known == "no"
