"""What the requester reads at the end: everything when the record is theirs, how it ended when it is not."""

from decimal import Decimal

import pytest
import pytest_asyncio
from sqlalchemy import select

from overseen.domain.outcomes import DecisionKind, RunState
from overseen.store.tables import Account, Message
from overseen.tools.errors import ToolFailed
from tests.contract.engine.house import REQUESTER, House
from tests.contract.engine.test_same_loss import decide

OF_THE_RECORD = ("492.80", "1,590.50", "250.00", "Because the rules say so", "priya.raman", "excess")


async def said(house: House, task_id: str) -> str:
    """All that Overseen wrote in the chat."""
    query = select(Message.body_blob).where(Message.task_id == task_id, Message.author == "overseen")
    async with house.database.read() as session:
        bodies = (await session.scalars(query)).all()
    return "\n".join([(await house.blobs.get(body)).decode() for body in bodies])


async def vouch(house: House, address: str | None) -> None:
    async with house.database.transaction() as session:
        (await session.get_one(Account, REQUESTER)).email = address


@pytest_asyncio.fixture(autouse=True)
async def _of_a_stranger(house: House) -> None:
    await vouch(house, None)


async def test_a_stranger_reads_how_it_ended_and_the_holder_how_much(house: House) -> None:
    stranger = await house.submit("a")
    assert await house.work() == RunState.SETTLED
    text = await said(house, stranger.task_id)
    assert "This is settled." in text
    assert "told only to the person whose record it is" in text
    assert [word for word in OF_THE_RECORD if word in text] == []


async def test_the_holder_reads_how_much_and_why(house: House) -> None:
    await vouch(house, "Priya.Raman@example.com")
    holder = await house.submit("a")
    assert await house.work() == RunState.SETTLED
    text = await said(house, holder.task_id)
    assert "492.80" in text
    assert "Because the rules say so" in text


@pytest.mark.parametrize("kind", [DecisionKind.APPROVE, DecisionKind.REJECT])
async def test_what_a_reviewer_wrote_is_told_and_the_record_is_not(house: House, kind: DecisionKind) -> None:
    house.values["estimate_total"] = house.values["claimed_amount"] = Decimal("1840.50")
    stranger = await house.submit("a")
    await house.work()
    await decide(house, stranger.run_id, kind)
    await house.work()
    text = await said(house, stranger.task_id)
    assert "I looked." in text
    assert [word for word in OF_THE_RECORD if word in text] == []


async def test_how_a_tool_failed_is_not_told(house: House) -> None:
    async def broken(_: object) -> None:
        raise ToolFailed("The policy of Priya Raman is cancelled.", effect_known="no")

    house.tools.before = broken
    submitted = await house.submit("a")
    assert await house.work() == RunState.FAILED
    text = await said(house, submitted.task_id)
    assert "could not be finished" in text
    assert "Priya" not in text
    assert "cancelled" not in text
