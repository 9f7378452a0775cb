"""Pages and the command line say what a run waits for."""

import asyncio
from datetime import timedelta

import pytest

from overseen.api.services import Services
from overseen.cli import progress as cli_progress
from overseen.domain.outcomes import RunState
from overseen.models.turns import TurnQueue
from overseen.models.types import RouteProfile
from overseen.store.tables import ModelTurn, Run, now
from tests.contract.models.conftest import ask
from tests.contract.web.conftest import Door
from tests.waiting import until
from tests.web_scenario import House

NARROW = RouteProfile(name="narrow", model="qwen", regions=frozenset({"local"}))


async def test_a_call_under_way_is_told_with_its_tokens_and_that_it_is_slow(
    services: Services, house: House, door: Door
) -> None:
    queue = TurnQueue(services.database)
    async with queue.turn(ask(run_id=house.working_run, purpose="read_letter"), NARROW) as turn:
        turn.heard(41)

        async def told() -> bool:
            lines = await services.progress.of_run(house.working_run)
            return [line.tokens for line in lines] == [41]

        await until(told)
        async with services.database.transaction() as session:
            row = await session.get_one(ModelTurn, turn.turn_id)
            row.started_at, row.first_token_at = now() - timedelta(seconds=100), now() - timedelta(seconds=82)
            row.usual_seconds = 8.0
        [line] = await services.progress.of_run(house.working_run)
        assert line.sentence.startswith("The model writes (read letter): 41 tokens so far, 0.5 a second, 1 min 40 s.")
        assert line.sentence.endswith("Slower than usual: this usually takes 8 s.")
        assert line.slow
        async with await door.browser("rosa") as browser:
            page = (await browser.get(f"/tasks/{house.working_task}")).text
            assert "41 tokens so far" in page
            assert "Slower than usual" in page
            assert f"/tasks/{house.working_task}/progress" in page
    assert await services.progress.of_run(house.working_run) == ()
    await queue.close()


async def test_a_call_in_the_queue_tells_its_place(services: Services, house: House) -> None:
    queue = TurnQueue(services.database)
    calls: list[asyncio.Task[None]] = []

    async def stand(run_id: str) -> None:
        async with queue.turn(ask(run_id=run_id, purpose="plan"), NARROW):
            await asyncio.sleep(60)

    async def waiting(number: int) -> None:
        async def holds() -> bool:
            return len(await services.progress.of_run(house.working_run)) == number

        await until(holds)

    try:
        for run_id in ("run_a", "run_b", "run_c", house.working_run):
            calls.append(asyncio.create_task(stand(run_id)))
            await asyncio.sleep(0.3)
        await waiting(1)
        await until(lambda: asyncio.sleep(1.2, True))  # the one that is answered tells so after a second
        [line] = await services.progress.of_run(house.working_run)
        assert (line.state, line.before) == ("waiting_turn", 2)
        assert line.sentence.startswith(
            "Waiting for the model (plan): 2 questions before it; the model answers 1 other question now."
        )
    finally:
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        await queue.close()


async def test_a_run_that_no_worker_took_yet_tells_its_place(services: Services, house: House) -> None:
    async with services.database.transaction() as session:
        run = await session.get_one(Run, house.working_run)
        run.state = RunState.QUEUED
    try:
        [line] = await services.progress.of_run(house.working_run)
        assert line.sentence.startswith("Waiting for a worker, it is next.")
    finally:
        async with services.database.transaction() as session:
            (await session.get_one(Run, house.working_run)).state = RunState.RUNNING


async def test_what_has_ended_waits_for_nothing_and_strangers_are_told_nothing(
    services: Services, house: House, door: Door
) -> None:
    assert await services.progress.of_run(house.settled_run) == ()
    async with await door.browser("rosa") as browser:
        page = (await browser.get(f"/tasks/{house.settled_task}")).text
        assert f"/tasks/{house.settled_task}/progress" not in page
    async with door.stranger() as browser:
        assert (await browser.get(f"/tasks/{house.working_task}/progress")).status_code in (303, 401)
        assert (await browser.get(f"/runs/{house.working_run}/progress")).status_code in (303, 401)


async def test_the_command_line_says_what_it_waits_for(
    services: Services, house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_progress, "_LOOK_SECONDS", 0.05)
    queue = TurnQueue(services.database)
    async with queue.turn(ask(run_id=house.working_run, purpose="read_letter"), NARROW) as turn:
        turn.heard(7)
        telling = asyncio.create_task(cli_progress.tell_progress(services, house.working_run))
        said = ""

        def heard() -> bool:
            nonlocal said
            said += capsys.readouterr().err
            return "The model writes (read letter): 7 tokens so far" in said

        await until(heard)
        telling.cancel()
    await queue.close()
