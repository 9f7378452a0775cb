"""Every page: no accessibility violation, no sideways scrolling, light and dark, desk and phone."""

import os
from pathlib import Path

import pytest

from tests.web_scenario import House

pytestmark = pytest.mark.browser

PICTURES = os.environ.get("OVERSEEN_SCREENSHOTS")
"""Folder to keep screenshots in, for people to look at."""

PAGES = {
    "sign in": (None, lambda _: "/sign-in"),
    "tasks": ("rosa", lambda _: "/tasks"),
    "no tasks": ("rosa", lambda _: "/tasks?show=nothing"),
    "new task": ("rosa", lambda _: "/tasks/new"),
    "settled task": ("rosa", lambda house: f"/tasks/{house.settled_task}"),
    "waiting task": ("rosa", lambda house: f"/tasks/{house.waiting_task}"),
    "working task": ("rosa", lambda house: f"/tasks/{house.working_task}"),
    "runs": ("aude", lambda _: "/runs"),
    "run": ("aude", lambda house: f"/runs/{house.waiting_run}"),
    "reviews": ("rene", lambda _: "/reviews"),
    "case": ("rene", lambda house: f"/reviews/{house.other_review}"),
    "case seen by an auditor": ("aude", lambda house: f"/reviews/{house.other_review}"),
    "leases": ("aude", lambda _: "/leases"),
    "no leases": ("aude", lambda _: "/leases?state=irrevocable"),
    "lease": ("aude", lambda house: f"/leases/{house.payment_lease}"),
    "findings": ("aude", lambda _: "/leases/findings"),
    "kill switches": ("aude", lambda _: "/leases/stops"),
    "kill switch": ("aude", lambda house: f"/leases/stops/{house.stop}"),
    "nothing there": ("rosa", lambda _: "/tasks/task_unknown"),
}


@pytest.mark.parametrize("name", PAGES)
async def test_page_has_no_accessibility_violation(site, house: House, violations, name: str) -> None:
    account, path = PAGES[name]
    for width, dark in ((1440, False), (390, True), *((1440, True), (390, False)) * bool(PICTURES)):
        page = await site.page(account, path(house), width=width, dark=dark)
        await page.wait_for_load_state("load")
        assert await violations(page) == [], f"{width} {'dark' if dark else 'light'}"
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"the page is {wide} wide on a screen of {width}"
        await keep_picture(page, f"{name}-{width}-{'dark' if dark else 'light'}")


@pytest.mark.parametrize("decision", ["Approve", "Edit", "Reject", "Ask"])
async def test_dialog_of_a_decision_has_no_accessibility_violation(
    site, house: House, violations, decision: str
) -> None:
    page = await site.page("rene", f"/reviews/{house.other_review}")
    await page.get_by_role("button", name=decision).click()
    await page.get_by_role("dialog").wait_for()
    assert await violations(page) == []
    await keep_picture(page, f"case-{decision}")


async def keep_picture(page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name.replace(' ', '_')}.png", full_page=True)
