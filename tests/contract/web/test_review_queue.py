"""The queue with more cases than one screen shows: counted whole, filtered whole, and kept as it was filtered."""

import re
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import insert, select

from overseen.api.services import Services
from overseen.reviews import ENDED, ReviewFilters
from overseen.store.tables import Review, Task, now
from tests.contract.web.conftest import Door
from tests.web_scenario import House

MANY = 230


@pytest_asyncio.fixture
async def crowd(services: Services, house: House) -> None:
    """Many more cases, less urgent than those of the scenario and all on one task; and as many that have ended."""
    title = await services.blobs.put(b"Smith & Sons: hail on the roof", "text/plain")
    async with services.database.transaction() as session:
        known = await session.get_one(Review, house.review)
        task = await session.get_one(Task, known.task_id)
        copied = {"playbook": "claims_intake", "region": "local", "requester_id": task.requester_id}
        session.add(Task(task_id="task_crowd", title_blob=title, form_token="crowd", **copied))
        await session.flush()
        columns = {column.key: getattr(known, column.key) for column in Review.__table__.columns}
        for state in ("open", "applied"):
            rows = [
                {
                    **columns,
                    "review_id": f"rev_{state}_{number:03d}",
                    "task_id": "task_crowd",
                    "boundary": "human_only",
                    "state": state,
                    "due_at": now() + timedelta(days=9, minutes=number),
                    "decided_at": now() - timedelta(minutes=MANY - number) if state == "applied" else None,
                }
                for number in range(MANY)
            ]
            await session.execute(insert(Review), rows)


@pytest.mark.usefixtures("crowd")
async def test_all_that_wait_are_counted_and_the_most_urgent_shown(
    door: Door, services: Services, house: House
) -> None:
    shown = await services.review_queue.list()
    assert len(shown) == 200
    assert shown[0].review_id in {house.review, house.other_review, house.own_review}
    assert (await services.review_queue.counts(ReviewFilters()))[0] == MANY + 3
    text = (await (await door.browser("rene")).get("/reviews")).text
    assert f"The most urgent 200 of {MANY + 3}." in " ".join(text.split())
    answer = await (await door.program("rene")).get("/api/v1/reviews")
    assert (len(answer.json()["reviews"]), answer.json()["total"]) == (200, MANY + 3)


@pytest.mark.usefixtures("crowd")
async def test_the_newest_decisions_come_first(door: Door, services: Services) -> None:
    ended = [case.review_id for case in await services.review_queue.list(ReviewFilters(state=ENDED))]
    newest = [review_id for review_id in ended if "applied" in review_id][:2]
    assert newest == [f"rev_applied_{MANY - 1}", f"rev_applied_{MANY - 2}"]
    text = (await (await door.browser("rene")).get("/reviews?show=decided")).text
    assert re.findall(r"rev_applied_\d+", text)[0] == f"rev_applied_{MANY - 1}"


@pytest.mark.usefixtures("crowd")
async def test_a_search_finds_what_is_beyond_the_screen(door: Door, services: Services) -> None:
    found = await services.review_queue.list(ReviewFilters(search="rev_open_229"))
    assert [case.review_id for case in found] == ["rev_open_229"]
    browser = await door.browser("rene")
    text = (await browser.get("/reviews", params={"search": "smith & SONS"})).text
    assert "/reviews/rev_open_000?search=smith+%26+SONS" in text
    assert "No case fits" in (await browser.get("/reviews?search=nobody+wrote+this")).text


@pytest.mark.usefixtures("crowd")
async def test_after_a_decision_the_next_case_is_of_the_same_filter(door: Door, services: Services) -> None:
    browser = await door.browser("rene")
    case = await services.reviews.case("rev_open_004")
    sent = {"kind": "reject", "proposal_digest": case.proposal_digest, "reason": "Twice."}
    answer = await browser.post("/reviews/rev_open_004/decision?boundary=human_only", data=sent)
    assert answer.headers["location"] == "/reviews/rev_open_005?boundary=human_only&decided=rev_open_004"
    page = (await browser.get(answer.headers["location"])).text
    assert 'action="/reviews/rev_open_005/decision?boundary=human_only"' in page
    assert 'href="/reviews?boundary=human_only"' in page


async def test_what_one_may_not_decide_is_not_next(door: Door, services: Services, house: House) -> None:
    """Bea handed in one of the three open cases herself."""
    queue = [case.review_id for case in await services.review_queue.list()]
    assert house.own_review in queue
    bea = await services.accounts.viewer("bea")
    for review_id in queue:
        following = await services.review_queue.following(review_id, ReviewFilters(), reviewer_id=bea.account_id)
        assert following in set(queue) - {review_id, house.own_review}


async def test_a_case_whose_title_was_erased_stays_in_the_queue(door: Door, services: Services, house: House) -> None:
    async with services.database.read() as session:
        task = await session.scalar(select(Task).join(Review, Review.task_id == Task.task_id).limit(1))
    assert task is not None
    await services.blobs.erase(task.title_blob)
    assert "(erased)" in {case.title for case in await services.review_queue.list()}
    for path in ("/reviews", "/runs", "/tasks"):
        assert (await (await door.browser("rene")).get(path)).status_code == 200
