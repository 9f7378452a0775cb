"""Whoever types somebody else's policy number reads nothing of that policy, by whichever door."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from sqlalchemy import select

from overseen.api.reading.runs import RunFilter
from overseen.api.requester_view import shown_run
from overseen.api.services import Services
from overseen.cli.tasks import outcome_of
from overseen.domain.canonical import plain
from overseen.errors import Conflict, InvalidInput
from overseen.journal import SYSTEM, events
from overseen.store.tables import Message
from tests.contract.web.conftest import Door
from tests.contract.web.test_live_access import sent
from tests.contract.web.test_requester_view import ENDLESS, ENTRIES, STREAMS, every_get
from tests.waiting import until
from tests.web_claim import HOLDER_EMAIL
from tests.web_scenario import House

__all__ = ["sent"]

OF_THE_RECORD = (
    "250.00",  # the excess
    "5000.00",  # the limit
    "5,000.00",
    "1590.50",  # the amount, from which the excess follows
    "1,590.50",
    "clause A3",
    "“A3”",
    "is covered by",
    "coverage-3",
    "lapsed on 31 January",
    HOLDER_EMAIL,
)


@pytest.fixture
async def stranger(services: Services, house: House) -> str:
    """Rosa, to whom the policy does not belong; what was said in the chat is what is said to a stranger."""
    await services.accounts.set_email("rosa", "somebody.else@example.com")
    neutral = await services.blobs.put(b"This is settled.", "text/plain")
    async with services.database.transaction() as session:
        for message in (await session.scalars(select(Message).where(Message.author == "overseen"))).all():
            message.body_blob = neutral
    return "rosa"


def told_of_the_record(text: str) -> list[str]:
    return [word for word in OF_THE_RECORD if word in text]


async def runs_of(services: Services, house: House) -> Sequence[tuple[str, str]]:
    """Every run the scenario handed in for Rosa, whatever its state: (task id, run id)."""
    lines, _ = await services.runs.list(RunFilter(requester_id=house.requester))
    return [((await services.runs.run(line.run_id)).task_id, line.run_id) for line in lines]


async def test_no_door_tells_a_stranger_anything_of_the_record(
    door: Door, services: Services, house: House, stranger: str
) -> None:
    browser, program = await door.browser(stranger), await door.program(stranger)
    states: set[str] = set()
    for task_id, run_id in await runs_of(services, house):
        states.add(str((await services.runs.run(run_id)).state))
        named = {
            "task_id": [task_id],
            "run_id": [run_id],
            "review_id": [house.review, house.other_review],
            "sequence": [str(number) for number in range(1, ENTRIES)],
        }
        for path in sorted(every_get() - ENDLESS):
            addresses = [path]
            for name, values in named.items():
                if f"{{{name}}}" in path:
                    addresses = [address.replace(f"{{{name}}}", value) for address in addresses for value in values]
            for address in addresses:
                if "{" not in address:
                    answer = await (program if path.startswith("/api") else browser).get(address)
                    assert told_of_the_record(answer.text) == [], address
    assert {"settled", "denied", "waiting_review", "waiting_requester", "running"} <= states


async def test_a_stranger_is_told_how_it_ended_and_who_may_know_more(
    door: Door, services: Services, house: House, stranger: str
) -> None:
    page = (await (await door.browser(stranger)).get(f"/tasks/{house.settled_task}")).text
    assert "Settled" in page
    assert "told only to the person whose record it is" in page
    run = (await (await door.program(stranger)).get(f"/api/v1/runs/{house.settled_run}")).json()
    assert (run["state"], run["outcome"], run["amount"], run["details_withheld"]) == ("settled", "settle", None, True)
    assert {fact["name"] for fact in run["facts"]} & {"excess", "cover_limit", "policy_status", "clause"} == set()
    assert "policy_number" in {fact["name"] for fact in run["facts"]}
    steps = {step["agent"]: step["fact_count"] for step in run["steps"]}
    assert steps["policy_lookup"] == 0


@pytest.mark.parametrize("path", STREAMS)
async def test_live_news_tell_a_stranger_nothing(
    door: Door, services: Services, house: House, stranger: str, sent: list[str], path: str
) -> None:
    browser = await door.browser(stranger)
    stream = asyncio.create_task(browser.get(path.format(run_id=house.waiting_run, task_id=house.waiting_task)))
    for interrupt in ("x", "y"):
        event = events.RunResumed(interrupt_id=interrupt)
        await services.journal.append(event, stream=house.waiting_run, actor="service:test")
        if interrupt == "x":
            await until(lambda: sent)
            await services.accounts.disable("rosa")
    await asyncio.wait_for(stream, 20)
    assert told_of_the_record(" ".join(sent)) == []


async def test_the_command_line_tells_a_stranger_nothing(services: Services, house: House, stranger: str) -> None:
    viewer = await services.accounts.viewer(stranger)
    for _, run_id in await runs_of(services, house):
        outcome = outcome_of(await shown_run(services, viewer, run_id))
        assert told_of_the_record(json.dumps(plain(outcome))) == []


async def test_the_holder_reads_the_amount_with_its_sum_once_it_is_decided(
    door: Door, services: Services, house: House
) -> None:
    page = (await (await door.browser("rosa")).get(f"/tasks/{house.settled_task}")).text
    assert {"1,590.50", "250.00"} <= set(told_of_the_record(page))
    run = (await (await door.program("rosa")).get(f"/api/v1/runs/{house.settled_run}")).json()
    assert (run["amount"], run["details_withheld"]) == ("1590.50", False)
    facts = {fact["name"] for fact in run["facts"]}
    assert {"excess", "cover_limit", "policy_status", "clause"} <= facts
    assert facts & {"photo_duplicate", "policy_holder_email"} == set()
    assert run["findings"] == []


async def test_a_reviewer_sees_all_of_it(door: Door, house: House, stranger: str) -> None:
    run = (await (await door.program("rene")).get(f"/api/v1/runs/{house.settled_run}")).json()
    facts = {fact["name"] for fact in run["facts"]}
    assert {"excess", "photo_duplicate", "policy_holder_email"} <= facts
    assert (run["amount"], run["details_withheld"]) == ("1590.50", False)


async def test_an_address_belongs_to_one_account_and_must_be_one(services: Services, house: House) -> None:
    with pytest.raises(Conflict):
        await services.accounts.set_email("bea", HOLDER_EMAIL.upper())
    for wrong in ("no address", "a@b, c@d", "@example.com"):
        with pytest.raises(InvalidInput):
            await services.accounts.set_email("bea", wrong)
    await services.accounts.set_email("rosa", None)
    await services.accounts.set_email("bea", HOLDER_EMAIL)
    assert (await services.accounts.viewer("bea")).email == HOLDER_EMAIL
    told = [entry.payload for entry in await services.journal.entries(SYSTEM) if entry.kind == "AccountChanged"]
    assert [payload["change"] for payload in told][-2:] == ["email", "email"]
    assert HOLDER_EMAIL not in json.dumps(told)
