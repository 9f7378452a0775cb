"""What the security team does, in a real browser on a real Vault: find a lease, export it, pull the plug."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from overseen.api.services import Services, open_services
from overseen.domain.calls import ToolCall
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.connect import broker_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.stops import Scope
from overseen.settings import Settings
from tests.contract.secrets.conftest import READ
from tests.system.browser.conftest import Site, serve
from tests.system.browser.test_pages import keep_picture
from tests.web_scenario import House, Scenario

# The ledger of these tests is drawn up, and what they kill was never in Vault.
pytestmark = [pytest.mark.browser, pytest.mark.anomalies]


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """A site whose process may reach Vault, and a run with a credential that lives there."""

    site: Site
    house: House
    lease_id: str
    services: Services


@pytest_asyncio.fixture
async def guarded(settings: Settings, chromium: Browser) -> AsyncIterator[Guarded]:
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))
        house = await Scenario(services).build()
        vault = broker_vault(settings.vault)
        stack.push_async_callback(vault.close)
        broker = LeaseBroker(
            database=services.database,
            journal=services.journal,
            vault=vault,
            source=VaultCredentials(vault, settings.database_resources),
            worker_id="worker-1",
        )
        call = ToolCall(
            run_id=house.working_run, step_id="step-3", agent="policy_lookup", tool="look_up_policy", arguments={}
        )
        lease = await stack.enter_async_context(broker.lease(call, [READ], wall_seconds=30))
        server, task, base = await serve(services)
        site = Site(base=base, services=services, browser=chromium, house=house)
        yield Guarded(site=site, house=house, lease_id=lease.lease_id, services=services)
        for context in site.contexts:
            await context.close()
        server.should_exit = True
        await task
        assert site.errors == []


async def exported(page: Page, word: str) -> list[str]:
    async with page.expect_download() as started:
        await page.get_by_role("link", name=word).click()
    path = await (await started.value).path()
    return path.read_text(encoding="utf-8").splitlines()


async def test_an_auditor_finds_the_lease_behind_a_payment_in_three_clicks_and_exports_it(site, house: House) -> None:
    page = await site.page("aude", f"/runs/{house.settled_run}")
    await page.get_by_role("link", name="Leases").last.click()
    await page.wait_for_url("**/leases?run_id=*")
    await page.get_by_role("link", name=re.compile("pay_settlement")).click()
    await expect(page.get_by_role("heading", name="Its life, to scale")).to_be_visible()
    await expect(page.get_by_text("v-insurer-pay-k2")).to_be_visible()
    await expect(page.get_by_text("René Okafor")).to_be_visible()
    assigned, revoked = [json.loads(line) for line in await exported(page, "OCSF")]
    assert assigned["unmapped"]["lease_id"] == house.payment_lease
    assert (assigned["activity_name"], revoked["activity_name"]) == ("Assign Privileges", "Revoke Privileges")
    assert [line.split("|")[4] for line in await exported(page, "CEF")] == ["lease-granted", "lease-ended"]


async def test_the_filtered_list_is_what_is_exported(site, house: House) -> None:
    page = await site.page("aude", "/leases")
    await page.get_by_label("Tool").first.select_option("pay_settlement")
    await page.wait_for_url("**tool=pay_settlement**")
    await page.get_by_text("Export", exact=True).click()
    lines = await exported(page, "JSONL, every column")
    assert [json.loads(line)["lease_id"] for line in lines] == [house.payment_lease]


async def test_an_auditor_kills_a_running_run_and_sees_it_proven_gone(guarded: Guarded, violations) -> None:
    house, site = guarded.house, guarded.site
    watcher = await site.page("rosa", f"/tasks/{house.working_task}")
    page = await site.page("aude", f"/leases/{guarded.lease_id}")
    await expect(page.get_by_text("token made")).to_be_visible()
    await keep_picture(page, "lease-live-1440-light")
    await page.get_by_role("button", name="This run").click()
    dialog = page.get_by_role("dialog", name="Stop this run?")
    await expect(dialog).to_contain_text(house.working_run)
    await expect(dialog).to_contain_text("3 live leases in 1 run")
    assert await violations(page) == []
    await keep_picture(page, "stop-dialog")
    await dialog.get_by_role("button", name="Stop it now").click()
    await expect(dialog).to_be_visible()  # without a reason nothing is sent
    await dialog.get_by_label("Why").fill("It reads policies of other people.")
    await dialog.get_by_role("button", name="Stop it now").click()
    await page.wait_for_url("**/leases/stops/stop_*")
    await expect(page.get_by_text(re.compile(r"Proven gone after [\d.]+ m?s"))).to_be_visible()
    await expect(page.get_by_text("3 leases were ended")).to_be_visible()
    assert await violations(page) == []
    await keep_picture(page, "stop-proven-1440-light")
    stop = (await guarded.services.security.stops())[0]
    assert stop.proven_seconds is not None
    assert stop.proven_seconds < 5
    await page.get_by_role("link", name="The run", exact=True).click()
    await expect(page.get_by_text("This run was stopped by a kill switch.")).to_be_visible()
    await expect(watcher.get_by_text("This run was stopped by a kill switch.")).to_be_visible()
    await keep_picture(watcher, "stopped-task")
    await keep_picture(page, "stopped-run")


async def test_everything_is_asked_for_by_one_and_stopped_by_another(guarded: Guarded) -> None:
    asker = await guarded.site.page("aude", "/leases")
    other = await guarded.site.page("otto", "/leases")
    await asker.get_by_role("button", name="Kill switch").click()
    await asker.get_by_label("everything").check()
    await expect(asker.locator("#reach-any")).to_contain_text("live leases in")
    await asker.get_by_label("Why").fill("The broker's secret id leaked.")
    await keep_picture(asker, "stop-everything-dialog")
    await asker.get_by_role("button", name="Stop it now").click()
    await expect(asker.get_by_text("Nothing is stopped yet.")).to_be_visible()
    await expect(other.get_by_text("Aude Meyer asks to stop everything.")).to_be_visible()
    await keep_picture(other, "leases-asked-1440-light")
    await other.get_by_role("link", name=re.compile("Decide")).click()
    await other.get_by_role("button", name="Stop everything").click()
    await other.get_by_role("button", name="Stop everything now").click()
    await expect(other.get_by_text(re.compile("Proven gone after"))).to_be_visible()
    await expect(asker.get_by_text(re.compile("Proven gone after"))).to_be_visible()


async def test_the_keyboard_alone_stops_a_run_and_lifts_the_switch(guarded: Guarded) -> None:
    page = await guarded.site.page("aude", f"/leases/{guarded.lease_id}")
    await page.get_by_role("button", name="This call").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog").get_by_label("Why")).to_be_focused()
    await page.keyboard.type("A drill.")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_text(re.compile("Proven gone after"))).to_be_visible()
    await page.get_by_role("button", name="Lift it").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.type("The drill is over.")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_text("Lifted by Aude Meyer.")).to_be_visible()


async def test_an_agent_is_chosen_from_a_list_and_a_switch_that_met_nothing_says_so(
    guarded: Guarded, violations
) -> None:
    page = await guarded.site.page("aude", "/leases")
    await page.get_by_role("button", name="Kill switch").click()
    dialog = page.get_by_role("dialog", name="Pull a kill switch")
    await expect(dialog.get_by_label("Runs that have not ended")).to_be_visible()
    await dialog.get_by_label("an agent").check()
    await expect(dialog.get_by_label("Runs that have not ended")).to_be_hidden()
    await dialog.get_by_label("Agents").select_option("policy_lookup")
    await expect(page.locator("#reach-any")).to_contain_text("live lease")
    await keep_picture(page, "stop-agent-chosen")
    await dialog.get_by_label("a tool").check()
    await dialog.get_by_label("Tools").select_option("register_claim")
    await expect(page.locator("#reach-any")).to_contain_text("nothing would be ended")
    assert await violations(page) == []
    await dialog.get_by_label("Why").fill("A drill.")
    await dialog.get_by_role("button", name="Stop it now").click()
    await page.wait_for_url("**/leases/stops/stop_*")
    await expect(page.get_by_text("Nothing was live; new ones are refused from now on.")).to_be_visible()
    await expect(page.get_by_text("proven gone")).to_have_count(0)
    assert await violations(page) == []
    await keep_picture(page, "stop-met-nothing")


async def test_numbers_follow_without_a_reload(guarded: Guarded) -> None:
    page = await guarded.site.page("aude", "/leases")
    live = page.get_by_role("navigation", name="Where the ledger stands").get_by_role("link", name=re.compile("live"))
    await expect(live).to_contain_text("3")
    viewer = await guarded.services.accounts.viewer("aude")
    await guarded.services.security_desk.pull(viewer, Scope.RUN, guarded.house.working_run, reason="A drill.")
    await expect(live).to_contain_text("0")
    await expect(page.get_by_text(f"Run {guarded.house.working_run} is stopped")).to_be_visible()


async def test_a_reviewer_can_neither_look_nor_stop(site, house: House) -> None:
    page = await site.page("rene", f"/runs/{house.working_run}")
    await expect(page.get_by_role("link", name="Leases")).to_have_count(0)
    await expect(page.get_by_role("button", name="Stop run")).to_have_count(0)
    for path in ("/leases", f"/leases/{house.payment_lease}", f"/leases/stops/{house.stop}"):
        await page.goto(path)
        await expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()


@pytest.mark.parametrize("name", ["stop-any", "findings explained"])
async def test_forms_of_the_security_team_have_no_accessibility_violation(site, house, violations, name: str) -> None:
    path = "/leases" if name == "stop-any" else "/leases/findings"
    page = await site.page("aude", path, width=390 if name == "stop-any" else 1440, dark=True)
    if name == "stop-any":
        await page.get_by_role("button", name="Kill switch").click()
    else:
        await page.get_by_text("What was seen, and explain it").first.click()
    assert await violations(page) == []
    await keep_picture(page, f"leases-{name}-dark")
