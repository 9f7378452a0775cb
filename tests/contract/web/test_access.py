"""Who gets in, and who may see and do what."""

import pytest

from overseen.web.session import COOKIE
from tests.contract.web.conftest import Door
from tests.web_scenario import House


async def test_a_stranger_is_sent_to_sign_in_and_back(door: Door) -> None:
    answer = await door.stranger().get("/reviews")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?then=/reviews")


async def test_a_part_of_a_page_leads_back_to_the_page(door: Door) -> None:
    htmx = {"hx-request": "true", "hx-current-url": "http://127.0.0.1/runs/run_1?x=1"}
    answer = await door.stranger(**htmx).get("/runs/run_1/events")
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in?then=/runs/run_1")


async def test_the_right_password_signs_in_with_a_cookie_scripts_cannot_read(door: Door, house: House) -> None:
    sent = {"name": "rosa", "password": "correct horse", "then": "/tasks"}
    answer = await door.stranger().post("/sign-in", data=sent)
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks")
    cookie = answer.headers["set-cookie"]
    assert COOKIE in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


@pytest.mark.parametrize("then", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"])
async def test_sign_in_never_leads_to_another_site(door: Door, house: House, then: str) -> None:
    answer = await door.stranger().post("/sign-in", data={"name": "rosa", "password": "correct horse", "then": then})
    assert answer.headers["location"] == "/"


async def test_a_wrong_password_and_an_unknown_name_look_alike(door: Door, house: House) -> None:
    wrong = await door.stranger().post("/sign-in", data={"name": "rosa", "password": "wrong"})
    unknown = await door.stranger().post("/sign-in", data={"name": "nobody", "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 403
    assert wrong.text.replace("rosa", "nobody") == unknown.text


async def test_signing_out_ends_the_session_in_the_database(door: Door, house: House) -> None:
    browser = await door.browser("rosa")
    token = browser.cookies.get(COOKIE)
    await browser.post("/sign-out")
    again = door.stranger()
    again.cookies.set(COOKIE, token or "")
    assert (await again.get("/tasks")).status_code == 303


async def test_a_requester_sees_only_their_own_tasks(door: Door, house: House) -> None:
    bea, rosa = await door.browser("bea"), await door.browser("rosa")
    assert "windscreen" in (await rosa.get("/tasks")).text
    assert "windscreen" not in (await bea.get("/tasks")).text


@pytest.mark.parametrize("path", ["/tasks/{task}", "/runs/{run}", "/tasks/{task}/events", "/api/v1/runs/{run}"])
async def test_ids_of_others_tell_nothing(door: Door, services, house: House, path: str) -> None:
    from overseen.domain.outcomes import Role

    await services.accounts.add("eve", display_name="Eve", roles=[Role.REQUESTER])
    eve = await door.browser("eve")
    answer = await eve.get(path.format(task=house.waiting_task, run=house.waiting_run))
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("account", "path", "status"),
    [
        ("rosa", "/reviews", 403),
        ("rosa", "/leases", 403),
        ("rene", "/leases", 403),
        ("rene", "/reviews", 200),
        ("rene", "/tasks/new", 403),
        ("aude", "/leases", 200),
        ("aude", "/reviews", 200),
        ("aude", "/runs", 200),
    ],
)
async def test_each_role_has_its_doors(door: Door, house: House, account: str, path: str, status: int) -> None:
    assert (await (await door.browser(account)).get(path)).status_code == status


@pytest.mark.parametrize(("account", "review"), [("aude", "review"), ("rosa", "review"), ("bea", "own_review")])
async def test_only_a_reviewer_of_others_decides(door: Door, services, house: House, account: str, review: str) -> None:
    review_id = getattr(house, review)
    case = await services.reviews.case(review_id)
    sent = {"kind": "approve", "proposal_digest": case.proposal_digest}
    answer = await (await door.program(account)).post(f"/api/v1/reviews/{review_id}/decision", json=sent)
    assert answer.status_code == 403
    assert (await services.reviews.case(review_id)).decision is None


async def test_another_host_name_is_refused(door: Door) -> None:
    assert (await door.stranger(host="elsewhere.example").get("/health")).status_code == 400
