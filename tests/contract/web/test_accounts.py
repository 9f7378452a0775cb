"""Accounts change: who is shut out is out at once, everywhere, and the journal tells."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from overseen.api.services import Services
from overseen.domain.outcomes import Role
from overseen.errors import Conflict, Forbidden, NotFound
from overseen.journal import SYSTEM
from overseen.store.tables import SignIn, now
from tests.contract.web.conftest import Door
from tests.web_scenario import House


async def changes(services: Services) -> list[tuple[str, list[str]]]:
    """What the journal tells of accounts, but that they were made and how they are reached."""
    told = [entry.payload for entry in await services.journal.entries(SYSTEM) if entry.kind == "AccountChanged"]
    return [(payload["change"], payload["roles"]) for payload in told if payload["change"] not in ("made", "email")]


async def test_who_is_disabled_is_out_at_once_and_cannot_come_back(
    door: Door, services: Services, house: House
) -> None:
    browser, program = await door.browser("rosa"), await door.program("rosa")
    link = await services.accounts.link("rosa")
    assert (await browser.get("/tasks")).status_code == 200
    await services.accounts.disable("rosa")
    assert (await browser.get("/tasks")).status_code == 303
    assert (await program.get("/api/v1/runs")).status_code == 401
    with pytest.raises(Forbidden):
        await services.accounts.redeem(link)
    with pytest.raises(Forbidden):
        await services.accounts.sign_in("rosa", "correct horse")
    with pytest.raises(NotFound, match="is disabled"):
        await services.accounts.link("rosa")
    with pytest.raises(Conflict, match="accounts enable rosa"):
        await services.accounts.add("rosa", display_name="Rosa", roles=[Role.REQUESTER])
    assert [account.name for account in await services.accounts.disabled()] == ["rosa"]
    assert await changes(services) == [("disabled", ["requester"])]


async def test_who_is_enabled_again_signs_in_anew(door: Door, services: Services, house: House) -> None:
    browser = await door.browser("rosa")
    await services.accounts.disable("rosa")
    await services.accounts.enable("rosa")
    assert (await browser.get("/tasks")).status_code == 303
    assert await services.accounts.sign_in("rosa", "correct horse")
    assert await services.accounts.disabled() == []
    assert [change for change, _ in await changes(services)] == ["disabled", "enabled"]


async def test_signing_out_everywhere_ends_sessions_links_and_tokens(
    door: Door, services: Services, house: House
) -> None:
    browser, other, program = await door.browser("rosa"), await door.browser("bea"), await door.program("rosa")
    link = await services.accounts.link("rosa")
    await services.accounts.sign_out_everywhere("rosa")
    assert (await browser.get("/tasks")).status_code == 303
    assert (await program.get("/api/v1/runs")).status_code == 401
    with pytest.raises(Forbidden):
        await services.accounts.redeem(link)
    assert (await other.get("/tasks")).status_code == 200
    assert await services.accounts.sign_in("rosa", "correct horse")


async def test_roles_count_from_the_next_request_on(door: Door, services: Services, house: House) -> None:
    browser = await door.browser("rene")
    assert (await browser.get("/leases")).status_code == 403
    await services.accounts.set_roles("rene", [Role.AUDITOR])
    assert (await browser.get("/leases")).status_code == 200
    assert await changes(services) == [("roles", ["auditor"])]


async def test_an_account_that_does_not_exist_changes_nothing(services: Services, house: House) -> None:
    with pytest.raises(NotFound):
        await services.accounts.disable("nobody")
    assert await changes(services) == []


async def test_sign_ins_that_ran_out_are_not_kept_for_ever(services: Services, house: House) -> None:
    for _ in range(3):
        await services.accounts.link("bea")
    async with services.database.transaction() as session:
        await session.execute(update(SignIn).values(expires_at=now() - timedelta(seconds=1)))
    await services.accounts.link("bea")
    bea = await services.accounts.viewer("bea")
    async with services.database.read() as session:
        kept = select(func.count()).select_from(SignIn).where(SignIn.account_id == bea.account_id)
        assert await session.scalar(kept) == 1
