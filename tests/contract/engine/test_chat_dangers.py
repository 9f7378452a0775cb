"""Somebody was hurt, says the chat: nothing is paid on what was read before, and a person decides."""

import pytest
from sqlalchemy import select

from overseen.domain.calls import ToolCall
from overseen.domain.outcomes import DecisionKind, RunState
from overseen.errors import Conflict
from overseen.store.tables import Message, Review
from tests.contract.engine.house import REQUESTER, House
from tests.contract.engine.test_runs import decide, parked

HURT = "When do you decide? By the way, my daughter was taken to hospital that night."
HARMLESS = "When do you decide?"


async def ask(house: House, task_id: str, text: str) -> str:
    return await house.intake.ask(task_id=task_id, account_id=REQUESTER, text=text)


async def reviews(house: House, run_id: str) -> list[Review]:
    async with house.database.read() as session:
        found = await session.scalars(select(Review).where(Review.run_id == run_id).order_by(Review.created_at))
        return list(found.all())


async def test_a_review_that_waits_is_withdrawn_and_everything_read_anew(house: House) -> None:
    run_id, review_id, digest = await parked(house)
    await ask(house, (await house.run(run_id)).task_id, HURT)
    with pytest.raises(Conflict):
        await decide(house, review_id, digest, DecisionKind.APPROVE)
    assert await house.work() == RunState.WAITING_REVIEW
    before, after = await reviews(house, run_id)
    assert (before.state, after.state, after.boundary) == ("withdrawn", "open", "human_only")
    case = await house.desk.case(after.review_id)
    assert any("Somebody was hurt" in item["message"] for item in case.content["findings"])
    assert house.tools.calls == []


async def test_a_person_can_still_decide_it(house: House) -> None:
    run_id, _, _ = await parked(house)
    await ask(house, (await house.run(run_id)).task_id, HURT)
    await house.work()
    review = (await reviews(house, run_id))[-1]
    await decide(house, review.review_id, review.proposal_digest, DecisionKind.APPROVE)
    assert await house.work() == RunState.SETTLED


@pytest.mark.parametrize("language", ["Meine Tochter wurde verletzt.", "Mi hija está herida.", "Elle est à l'hôpital."])
async def test_told_before_the_decision_it_is_not_settled_alone(house: House, language: str) -> None:
    submitted = await house.submit()
    await ask(house, submitted.task_id, language)
    assert await house.work() == RunState.WAITING_REVIEW
    assert (await house.run(submitted.run_id)).boundary == "human_only"
    assert house.tools.calls == []


async def test_told_at_the_last_moment_it_still_stops_the_payment(house: House) -> None:
    """The message comes after the boundary gave leave and before the first effect."""
    run_id, review_id, digest = await parked(house)
    await decide(house, review_id, digest, DecisionKind.APPROVE)
    await ask(house, (await house.run(run_id)).task_id, HURT)
    assert await house.work() == RunState.WAITING_REVIEW
    assert house.tools.calls == []


async def test_effects_that_began_are_not_made_twice(house: House) -> None:
    """Once an effect began the rest follows it; a new round would register and pay it again."""
    submitted = await house.submit()
    told: list[str] = []

    async def tell(_: ToolCall) -> None:
        if not told:
            told.append(await ask(house, submitted.task_id, HURT))

    house.tools.before = tell
    assert await house.work() == RunState.SETTLED
    assert set(house.tools.effects.values()) == {1}


async def test_a_harmless_question_changes_nothing(house: House) -> None:
    run_id, review_id, digest = await parked(house)
    await ask(house, (await house.run(run_id)).task_id, HARMLESS)
    assert house.queue.commands == []
    await decide(house, review_id, digest, DecisionKind.APPROVE)
    assert await house.work() == RunState.SETTLED


async def test_after_the_end_it_is_on_record_for_a_person(house: House) -> None:
    submitted = await house.submit()
    assert await house.work() == RunState.SETTLED
    await ask(house, submitted.task_id, HURT)
    assert "DangerTold" in await house.kinds(submitted.task_id)


async def test_a_question_while_it_waits_for_the_requester_is_not_the_answer(house: House) -> None:
    house.values["supporting_document"] = False
    house.values["estimate_total"] = None
    submitted = await house.submit()
    assert await house.work() == RunState.WAITING_REQUESTER
    await ask(house, submitted.task_id, "What do you need?")
    assert (await house.run(submitted.run_id)).state == RunState.WAITING_REQUESTER
    assert house.queue.commands == []
    async with house.database.read() as session:
        kinds = (await session.scalars(select(Message.kind).where(Message.task_id == submitted.task_id))).all()
    assert "question" in kinds
