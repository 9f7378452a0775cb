"""Signing in: links that programs may follow, and limits that stop guessing without locking anyone out."""

import re

import pytest
from sqlalchemy import func, select

from overseen.api.services import Services
from overseen.errors import Forbidden
from overseen.journal import SYSTEM
from overseen.store.tables import SignIn
from overseen.web.session import COOKIE, DEVICE_COOKIE
from tests.contract.web.conftest import Door
from tests.web_scenario import House

GUESS = {"name": "rosa", "password": "not this one"}
RIGHT = {"name": "rosa", "password": "correct horse"}


async def signed_in_as(client) -> str | None:
    page = (await client.get("/tasks")).text
    found = re.search(r'class="who"[^>]*>([^<]+)<', page)
    return found.group(1) if found else None


async def test_following_a_link_uses_nothing_up_and_the_button_works_once(
    door: Door, services: Services, house: House
) -> None:
    token = await services.accounts.link("rosa")
    for _ in range(3):  # what scanners of mail do
        followed = await door.stranger().get(f"/sign-in/link/{token}")
        assert followed.status_code == 200
        assert "set-cookie" not in followed.headers
        assert "Sign in as Rosa Lind" in followed.text
    rosa = door.stranger()
    assert (await rosa.post("/sign-in/link", data={"token": token})).status_code == 303
    assert await signed_in_as(rosa) == "Rosa Lind"
    assert (await door.stranger().post("/sign-in/link", data={"token": token})).status_code == 403
    assert (await door.stranger().get(f"/sign-in/link/{token}")).status_code == 403
    with pytest.raises(Forbidden):
        await services.accounts.redeem(token)


async def test_the_address_of_a_link_is_told_to_nobody(door: Door, services: Services, house: House) -> None:
    token = await services.accounts.link("rosa")
    answer = await door.stranger().get(f"/sign-in/link/{token}")
    assert answer.headers["referrer-policy"] == "strict-origin"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_link_does_not_replace_a_session_unasked(door: Door, services: Services, house: House) -> None:
    rene = await door.browser("rene")
    token = await services.accounts.link("rosa")
    asked = await rene.get(f"/sign-in/link/{token}")
    assert "You are signed in as" in asked.text
    assert "Continue as Rosa Lind" in asked.text
    unasked = await rene.post("/sign-in/link", data={"token": token})
    assert "You are signed in as" in unasked.text
    assert await signed_in_as(rene) == "René Okafor"
    before = rene.cookies.get(COOKIE) or ""
    sent = {"token": token, "instead_of": house.reviewer}
    assert (await rene.post("/sign-in/link", data=sent)).status_code == 303
    assert await signed_in_as(rene) == "Rosa Lind"
    assert await services.accounts.who(before) is None


async def test_another_site_cannot_sign_anybody_in(door: Door, services: Services, house: House) -> None:
    token = await services.accounts.link("rosa")
    victim = door.stranger(origin="https://elsewhere.example")
    assert (await victim.post("/sign-in/link", data={"token": token})).status_code == 403
    assert (await victim.post("/sign-in", data=RIGHT)).status_code == 403


async def test_signing_in_ends_the_session_the_browser_had(door: Door, services: Services, house: House) -> None:
    browser = door.stranger()
    await browser.post("/sign-in", data={"name": "rene", "password": "battery staple"})
    before = browser.cookies.get(COOKIE) or ""
    assert await services.accounts.who(before)
    assert (await browser.post("/sign-in", data=RIGHT)).status_code == 303
    assert browser.cookies.get(COOKIE) != before
    assert await services.accounts.who(before) is None


async def test_guessing_is_stopped(door: Door, house: House) -> None:
    client = door.stranger()
    codes = [(await client.post("/sign-in", data=GUESS)).status_code for _ in range(9)]
    assert codes == [403] * 8 + [429]


async def test_an_account_of_ones_own_does_not_buy_more_guesses(door: Door, house: House) -> None:
    mallory = door.stranger()
    own = {"name": "rene", "password": "battery staple"}
    codes: list[int] = []
    for _ in range(5):
        codes += [(await mallory.post("/sign-in", data=GUESS)).status_code for _ in range(2)]
        assert (await mallory.post("/sign-in", data=own)).status_code == 303
    assert codes == [403] * 8 + [429] * 2


async def test_a_header_does_not_make_somebody_else_of_a_guesser(door: Door, house: House) -> None:
    codes = [
        (await door.stranger(**{"x-forwarded-for": f"203.0.113.{number}"}).post("/sign-in", data=GUESS)).status_code
        for number in range(9)
    ]
    assert codes[-1] == 429


async def test_strangers_do_not_lock_out_who_signed_in_here_before(door: Door, house: House) -> None:
    rosa = door.stranger()
    assert (await rosa.post("/sign-in", data=RIGHT)).status_code == 303
    assert rosa.cookies.get(DEVICE_COOKIE)
    await rosa.post("/sign-out")
    stranger = door.stranger()
    while (await stranger.post("/sign-in", data=GUESS)).status_code != 429:
        pass
    assert (await door.stranger().post("/sign-in", data=RIGHT)).status_code == 429
    assert (await rosa.post("/sign-in", data=RIGHT)).status_code == 303


async def test_a_known_browser_is_known_for_its_own_person_and_lets_nobody_in(
    door: Door, services: Services, house: House
) -> None:
    rosa = door.stranger()
    await rosa.post("/sign-in", data=RIGHT)
    device = rosa.cookies.get(DEVICE_COOKIE) or ""
    assert await services.accounts.knows_device("rosa", device)
    assert not await services.accounts.knows_device("rene", device)
    assert await services.accounts.who(device) is None
    other = door.stranger()
    other.cookies.set(COOKIE, device)
    assert (await other.get("/tasks")).status_code == 303
    await services.accounts.sign_out_everywhere("rosa")
    assert not await services.accounts.knows_device("rosa", device)
    async with services.database.read() as session:
        query = select(func.count()).select_from(SignIn).where(SignIn.account_id == house.requester)
        assert await session.scalar(query) == 0


async def test_signing_out_leaves_nothing_in_the_browser(door: Door, house: House) -> None:
    rosa = await door.browser("rosa")
    answer = await rosa.post("/sign-out")
    assert '"cache"' in answer.headers["clear-site-data"]
    rosa = await door.browser("rosa")
    page = (await rosa.get(f"/tasks/{house.waiting_task}")).text + (await rosa.get(f"/runs/{house.waiting_run}")).text
    for pattern in (r'href="(/tasks/[^"]+/attachments/[^"]+)"', r'src="(/runs/[^"]+/images/[0-9a-f]+)"'):
        found = re.search(pattern, page)
        assert found is not None, pattern
        assert (await rosa.get(found.group(1))).headers["cache-control"] == "no-store"


async def test_what_signs_somebody_in_is_told_when_it_is_made(services: Services, house: House) -> None:
    await services.accounts.link("rosa")
    await services.accounts.token("rene")
    made = [entry.payload for entry in await services.journal.entries(SYSTEM) if entry.kind == "CredentialMinted"]
    assert [(payload["account_id"], payload["credential"]) for payload in made] == [
        (house.requester, "link"),
        (house.reviewer, "token"),
    ]
