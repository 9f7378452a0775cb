"""The playbook's working time is the limit of a run, and at it a person goes on with what is known."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from overseen.agents.agent import Situation
from overseen.domain.commands import Command
from overseen.domain.outcomes import DecisionKind, RunState
from overseen.errors import Unavailable
from overseen.models import Message, MessageRole, ModelAnswer, ModelRequest, OutOfTime, RouteUnavailable
from overseen.models.work_time import QUEUE_FACTOR, Spent, TimedModel, WorkClock, WorkClocks
from overseen.playbooks import load_playbook
from overseen.store import Database
from overseen.store.tables import RunTime
from overseen.testing import ScriptedModel
from tests.contract.engine.house import REQUESTER, REVIEWER, House
from tests.waiting import until

WALL = load_playbook("claims_intake").budget.wall_seconds


def request(run_id: str, *, step_id: str = "s") -> ModelRequest:
    return ModelRequest(
        run_id=run_id,
        step_id=step_id,
        agent="policy_lookup",
        purpose="choose",
        messages=(Message(role=MessageRole.USER, text="x"),),
        max_tokens=10,
        region="local",
    )


class EndlessAnswers:
    """A model whose answers never end; `cut` counts those that were given up."""

    def __init__(self) -> None:
        self.asked = 0
        self.cut = 0

    async def complete(self, _: ModelRequest) -> ModelAnswer:
        self.asked += 1
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.cut += 1
            raise
        raise AssertionError


def asks(house: House, model: EndlessAnswers | ScriptedModel) -> Callable[[Situation], Awaitable[None]]:
    timed = TimedModel(model, house.clocks)

    async def think(situation: Situation) -> None:
        await timed.complete(request(situation.run_id, step_id=situation.step.step_id))

    return think


async def spent(database: Database, run_id: str, **seconds: float) -> None:
    async with database.transaction() as session:
        session.add(RunTime(run_id=run_id, **seconds))


async def time_of(database: Database, run_id: str) -> RunTime:
    async with database.read() as session:
        return await session.get_one(RunTime, run_id)


async def reviewed(house: House) -> tuple[str, dict[str, object]]:
    [summary] = await house.waiting.list()
    case = await house.desk.case(summary.review_id)
    return summary.review_id, dict(case.content)


async def test_at_the_limit_an_answer_under_way_is_ended_and_a_person_goes_on_with_what_is_known(house: House) -> None:
    endless = EndlessAnswers()
    house.before["policy_lookup"] = asks(house, endless)
    submitted = await house.submit()
    await spent(house.database, submitted.run_id, work_seconds=WALL - 6.0, work_seconds_now=WALL - 6.0)
    assert await house.work() == RunState.WAITING_REVIEW
    assert (endless.asked, endless.cut) == (1, 1)
    assert house.tools.calls == []
    _, content = await reviewed(house)
    # What was read is there, what was not is named, and it is not taken for absent.
    assert {fact["name"] for fact in content["facts"]} >= {"policy_number", "claimed_amount", "photos_count"}
    ruling, boundary = content["ruling"], content["boundary"]
    assert ruling["outcome"] == "refer"
    assert ruling["missing"] == []
    assert "15 minutes of work" in ruling["reasons"][0]
    assert "Excess" in ruling["reasons"][0]
    assert boundary["level"] == "human_only"
    [finding] = [item for item in content["findings"] if item["check"] == "read_in_time"]
    assert (finding["verdict"], finding["subject"]) == ("abstain", "step:policy_lookup")
    assert (await house.run(submitted.run_id)).error_code is None


async def test_nothing_is_asked_once_the_time_is_used_up_also_by_the_next_worker(house: House) -> None:
    endless = EndlessAnswers()
    for agent in ("extractor", "vision_checker", "policy_lookup"):
        house.before[agent] = asks(house, endless)
    submitted = await house.submit()
    await spent(house.database, submitted.run_id, work_seconds_now=WALL + 1.0)
    assert await house.work() == RunState.WAITING_REVIEW
    assert endless.asked == 0
    _, content = await reviewed(house)
    assert len([item for item in content["findings"] if item["check"] == "read_in_time"]) == 3


async def test_waiting_in_a_queue_is_no_work(house: House) -> None:
    submitted = await house.submit()

    async def wait(situation: Situation) -> None:
        with house.clocks.waiting(situation.run_id):
            await asyncio.sleep(1.2)

    house.before["extractor"] = wait
    await house.work()
    time = await time_of(house.database, submitted.run_id)
    assert time.queue_seconds == pytest.approx(1.2, abs=0.5)
    assert 0 < time.work_seconds < 30


async def test_a_queue_that_does_not_move_ends_in_a_review_too(house: House) -> None:
    endless = EndlessAnswers()
    house.before["policy_lookup"] = asks(house, endless)
    submitted = await house.submit()
    await spent(house.database, submitted.run_id, queue_seconds_now=QUEUE_FACTOR * WALL + 1.0)
    assert await house.work() == RunState.WAITING_REVIEW
    _, content = await reviewed(house)
    assert "waited 60 minutes for its turn" in content["ruling"]["reasons"][0]


async def test_time_that_people_take_is_no_work_and_an_answer_starts_it_anew(house: House) -> None:
    endless = EndlessAnswers()
    house.before["policy_lookup"] = asks(house, endless)
    submitted = await house.submit()
    await spent(house.database, submitted.run_id, work_seconds=WALL + 1.0, work_seconds_now=WALL + 1.0)
    assert await house.work() == RunState.WAITING_REVIEW
    review_id, _ = await reviewed(house)
    case = await house.desk.case(review_id)
    await asyncio.sleep(1.5)
    await house.desk.decide(
        review_id,
        reviewer_id=REVIEWER,
        kind=DecisionKind.ASK,
        proposal_digest=case.proposal_digest,
        reason="Which policy is it?",
    )
    assert await house.work() == RunState.WAITING_REQUESTER
    del house.before["policy_lookup"]
    await house.intake.add_message(task_id=submitted.task_id, account_id=REQUESTER, text="It is this.", attachments=[])
    assert await house.work() == RunState.SETTLED
    time = await time_of(house.database, submitted.run_id)
    assert time.work_seconds > WALL
    assert time.work_seconds_now < 30


async def test_a_model_that_stays_down_brings_a_person_not_the_end_of_the_run(house: House) -> None:
    down = ScriptedModel({"choose": lambda _: RouteUnavailable("The server is down.", route="scripted")})
    house.before["policy_lookup"] = asks(house, down)
    await house.submit()
    assert await house.work() == RunState.WAITING_REVIEW
    _, content = await reviewed(house)
    assert "No model answered" in content["ruling"]["reasons"][0]
    assert {fact["name"] for fact in content["facts"]} >= {"policy_number", "claimed_amount"}


async def test_an_answer_that_is_coming_is_not_thrown_away_because_another_step_failed(house: House) -> None:
    """Steps side by side: one meets a part that is down for a moment while the other waits for its answer."""
    failures = [Unavailable("The vault does not answer.")]
    begun: list[str] = []
    ended: list[str] = []

    async def fails_once(_: Situation) -> None:
        await until(lambda: begun)
        if failures:
            raise failures.pop()

    async def takes_long(_: Situation) -> None:
        begun.append("model")
        await asyncio.sleep(1.0)
        ended.append("model")

    house.before |= {"vision_checker": fails_once, "policy_lookup": takes_long}
    await house.submit()
    assert await house.work() == RunState.SETTLED
    assert failures == []
    # Asked once and answered once; the step that failed was tried again alone.
    assert begun == ended == ["model"]


async def test_a_clock_counts_waiting_only_while_nothing_else_goes_on() -> None:
    clock = WorkClock(100.0, Spent())
    with clock.calling(), clock.calling():
        with clock.waiting():
            await asyncio.sleep(0.2)  # the other call is being answered: work
        with clock.waiting(), clock.waiting():
            await asyncio.sleep(0.3)
    counted = clock.take_unsaved()
    assert counted.work == pytest.approx(0.2, abs=0.1)
    assert counted.queue == pytest.approx(0.3, abs=0.1)
    assert not clock.over.is_set()


async def test_what_could_not_be_saved_is_saved_later(database: Database) -> None:
    clocks = WorkClocks(database)
    async with clocks.running("run_x", 100.0) as clock:
        await asyncio.sleep(0.2)
        clock.tick()
        clock.put_back(clock.take_unsaved())
    assert (await time_of(database, "run_x")).work_seconds >= 0.2
    async with clocks.running("run_x", 100.0):
        pass
    assert (await time_of(database, "run_x")).work_seconds >= 0.2


async def test_a_run_that_is_over_before_it_is_answered_ends_only_its_own_calls(database: Database) -> None:
    clocks, endless = WorkClocks(database), EndlessAnswers()
    model = TimedModel(endless, clocks)
    async with clocks.running("run_x", 0.5), clocks.running("run_y", 100.0):
        other = asyncio.create_task(model.complete(request("run_y")))
        question = asyncio.create_task(model.complete(request("task_z")))
        with pytest.raises(OutOfTime):
            await model.complete(request("run_x"))
        assert endless.cut == 1
        for going in (other, question):
            assert not going.done()
            going.cancel()
            await asyncio.wait([going])


async def test_the_same_command_twice_works_on_the_same_time(house: House) -> None:
    submitted = await house.submit()
    await house.work()
    first = (await time_of(house.database, submitted.run_id)).work_seconds
    await house.runner.advance(Command(run_id=submitted.run_id, kind="start"))
    assert (await time_of(house.database, submitted.run_id)).work_seconds == first
