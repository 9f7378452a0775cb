"""Slots cap what runs at once; ending credentials goes before making new ones."""

import asyncio

from overseen.secrets.slots import Slots, Urgency


async def test_no_more_than_the_capacity_run_at_once() -> None:
    slots, running, most = Slots(3), 0, 0

    async def work() -> None:
        nonlocal running, most
        async with slots.slot(Urgency.ISSUE):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert most == 3


async def test_the_urgent_go_first_and_equals_in_order() -> None:
    slots, order = Slots(1), list[str]()

    async def work(name: str, urgency: Urgency) -> None:
        async with slots.slot(urgency):
            order.append(name)

    holder = slots.slot(Urgency.ISSUE)
    await holder.__aenter__()
    others = [
        asyncio.create_task(work("issue 1", Urgency.ISSUE)),
        asyncio.create_task(work("issue 2", Urgency.ISSUE)),
        asyncio.create_task(work("revoke 1", Urgency.REVOKE)),
        asyncio.create_task(work("revoke 2", Urgency.REVOKE)),
    ]
    await asyncio.sleep(0)
    await holder.__aexit__(None, None, None)
    await asyncio.gather(*others)
    assert order == ["revoke 1", "revoke 2", "issue 1", "issue 2"]


async def test_one_that_gives_up_waiting_keeps_no_slot() -> None:
    slots = Slots(1)
    async with slots.slot(Urgency.ISSUE):
        waiting = asyncio.create_task(slots.slot(Urgency.ISSUE).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), slots.slot(Urgency.ISSUE):
        pass


async def test_one_that_is_cancelled_as_its_turn_comes_passes_it_on() -> None:
    slots = Slots(1)
    holder = slots.slot(Urgency.ISSUE)
    await holder.__aenter__()
    waiting = asyncio.create_task(slots.slot(Urgency.ISSUE).__aenter__())
    await asyncio.sleep(0)
    await holder.__aexit__(None, None, None)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), slots.slot(Urgency.ISSUE):
        pass
