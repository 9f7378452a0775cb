"""What people do on the pages, in a real browser."""

import asyncio
import re
from datetime import timedelta

import pytest
from playwright.async_api import Route, expect

from overseen.journal import events
from overseen.models.turns import TurnQueue
from overseen.models.types import RouteProfile
from overseen.store.tables import ModelTurn, now
from tests.contract.models.conftest import ask
from tests.web_scenario import House

pytestmark = pytest.mark.browser

LETTER = {"name": "letter.txt", "mimeType": "text/plain", "buffer": b"Dear insurer, a pipe burst. Policy HOM-4471-BX."}
PATIENCE = 30_000
PROGRAM = {"name": "estimate.pdf", "mimeType": "application/pdf", "buffer": b"MZ\x90\x00" + bytes(400)}


async def test_a_bad_file_is_named_in_place_and_nothing_typed_is_lost(site) -> None:
    page = await site.page("rosa", "/tasks/new")
    await page.get_by_label("What happened").fill("The roof leaks.")
    await page.set_input_files("#files", [LETTER, PROGRAM])
    await page.get_by_role("button", name="Hand in").click()
    await expect(page.get_by_role("alert")).to_contain_text("estimate.pdf")
    await expect(page.get_by_label("What happened")).to_have_value("The roof leaks.")
    await page.get_by_role("button", name="Remove estimate.pdf").click()
    await page.get_by_role("button", name="Hand in").click()
    await page.wait_for_url("**/tasks/task_*")
    await expect(page.get_by_role("link", name=re.compile("letter.txt"))).to_be_visible()


async def test_a_file_too_large_is_refused_before_it_is_sent(site) -> None:
    page = await site.page("rosa", "/tasks/new")
    await page.evaluate(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(26 * 1024 * 1024)], "huge.png", { type: "image/png" }));
            document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
        }"""
    )
    await expect(page.get_by_role("alert")).to_contain_text("huge.png is larger than 25 MB")
    await page.get_by_role("button", name="Hand in").click()
    assert page.url.endswith("/tasks/new")


async def test_files_arrive_by_drop_and_by_paste(site) -> None:
    page = await site.page("rosa", "/tasks/new")
    for kind, name in (("drop", "dropped.txt"), ("paste", "pasted.txt")):
        await page.evaluate(
            """([kind, name]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File(["words"], name, { type: "text/plain" }));
                const made = kind === "drop"
                    ? new DragEvent("drop", { dataTransfer: transfer, cancelable: true })
                    : new ClipboardEvent("paste", { clipboardData: transfer, cancelable: true });
                document.dispatchEvent(made);
            }""",
            [kind, name],
        )
    await expect(page.get_by_role("listitem").filter(has_text="dropped.txt")).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="pasted.txt")).to_be_visible()


async def test_progress_is_shown_while_it_happens_and_survives_a_lost_connection(site, house: House) -> None:
    page = await site.page("rosa", f"/tasks/{house.working_task}")
    step = page.locator(".plan-step").nth(1)
    await expect(step).to_contain_text("working")
    await page.context.set_offline(True)
    finished = events.StepFinished(step_id="step-2", agent="vision_checker", facts=2, findings=0, seconds=3.0)
    await site.services.journal.append(finished, stream=house.working_run, actor="agent:vision_checker")
    await page.context.set_offline(False)
    await expect(step).to_contain_text("done")
    site.errors.clear()


async def test_how_far_an_answer_is_shows_while_it_comes(site, house: House) -> None:
    page = await site.page("rosa", f"/tasks/{house.working_task}")
    queue = TurnQueue(site.services.database)
    narrow = RouteProfile(name="narrow", model="qwen", regions=frozenset({"local"}))
    async with queue.turn(ask(run_id=house.working_run, purpose="read_letter"), narrow) as turn:
        turn.heard(41)
        await page.get_by_text("41 tokens so far").wait_for(timeout=PATIENCE)
        turn.heard(57)
        await page.get_by_text("57 tokens so far").wait_for(timeout=PATIENCE)
        async with site.services.database.transaction() as session:
            row = await session.get_one(ModelTurn, turn.turn_id)
            row.started_at, row.usual_seconds = now() - timedelta(minutes=3), 8.0
        await page.get_by_text("Slower than usual").wait_for(timeout=PATIENCE)
    await page.get_by_text("tokens so far").wait_for(state="detached", timeout=PATIENCE)
    await queue.close()


async def test_a_page_is_live_however_late_its_scripts_arrive(site, house: House) -> None:
    async def late(route: Route) -> None:
        await asyncio.sleep(1.0)
        await route.continue_()

    page = await site.page("aude", "/runs")
    for script in ("hx-sse.min.js", "live.js"):
        await page.route(f"**/{script}", late)
        async with page.expect_request("**/events*"):
            await page.goto(f"/runs/{house.working_run}")
        await page.unroute(f"**/{script}")


@pytest.mark.parametrize("way", ["unreachable", "unavailable"])
async def test_a_page_whose_first_connection_fails_says_so_and_tries_again(site, house: House, way: str) -> None:
    failures = 2

    async def fail_first(route: Route) -> None:
        nonlocal failures
        failures -= 1
        if failures < 0:
            await route.continue_()
        elif way == "unreachable":
            await route.abort()
        else:
            await route.fulfill(status=503, body="<p>The page of an error.</p>")

    page = await site.page("aude", "/runs")
    await page.route("**/events*", fail_first)
    await page.goto(f"/runs/{house.working_run}")
    await expect(page.get_by_text("Connection lost; trying again.")).to_be_visible()
    await expect(page.get_by_role("heading", name="Plan from the model")).to_be_visible()
    told = events.FindingReported(check="drift", verdict="flag", subject="run", message=f"After {way}.")
    await site.services.journal.append(told, stream=house.working_run, actor="service:test")
    await expect(page.get_by_text(f"After {way}.").first).to_be_attached()
    await expect(page.get_by_text("Connection lost; trying again.")).to_have_count(0)
    await expect(page.get_by_text("The page of an error.")).to_have_count(0)
    site.errors.clear()


async def test_a_page_whose_first_connection_is_refused_stands_still_and_says_so(site, house: House) -> None:
    async def refuse(route: Route) -> None:
        await route.fulfill(status=403, body="<p>The page of an error.</p>")

    page = await site.page("aude", "/runs")
    await page.route("**/events*", refuse)
    await page.goto(f"/runs/{house.working_run}")
    await expect(page.get_by_text("You are signed out, or may not see this any more.")).to_be_visible()
    await expect(page.get_by_role("heading", name="Plan from the model")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 390])
async def test_a_note_leaves_the_place_to_write_free(site, house: House, width: int) -> None:
    page = await site.page("rosa", "/tasks", width=width)
    await page.route("**/events*", lambda route: route.abort())
    await page.goto(f"/tasks/{house.waiting_task}")
    note = await page.get_by_text("Connection lost; trying again.").bounding_box()
    button = await page.get_by_role("button", name="Send").bounding_box()
    assert note["y"] + note["height"] <= button["y"]
    site.errors.clear()


async def test_a_question_appears_in_the_chat_at_once(site, house: House) -> None:
    page = await site.page("rosa", f"/tasks/{house.waiting_task}")
    await page.get_by_placeholder("Ask about this claim").fill("Why is it waiting?")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Chat")).to_contain_text("Why is it waiting?")
    await expect(page.get_by_placeholder("Ask about this claim")).to_have_value("")


async def test_a_cited_fact_shows_its_source_on_focus(site, house: House) -> None:
    page = await site.page("rosa", f"/tasks/{house.waiting_task}")
    chip = page.get_by_role("button", name=re.compile("Total of the estimate"))
    await chip.focus()
    await expect(page.get_by_role("tooltip").filter(has_text="estimate.png")).to_be_visible()


async def test_moving_over_the_facts_moves_the_evidence(site, house: House) -> None:
    page = await site.page("rene", f"/reviews/{house.other_review}")
    await page.keyboard.press("f")
    await expect(page.locator("mark.focused")).to_have_text("HOM-4471-BX")
    for _ in range(4):
        await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("tab", name="estimate.png")).to_have_attribute("aria-selected", "true")
    image = page.get_by_role("img", name="estimate.png")
    await image.evaluate("image => image.decode()")
    box = await page.locator("rect.focused").bounding_box()
    picture = await image.bounding_box()
    assert box is not None
    assert picture is not None
    assert abs((box["x"] - picture["x"]) / picture["width"] - 0.765) < 0.01
    assert abs((box["y"] - picture["y"]) / picture["height"] - 0.405) < 0.01


async def test_a_reviewer_decides_with_the_keyboard_alone(site, house: House) -> None:
    page = await site.page("rene", "/reviews")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/reviews/{house.review}")
    await page.keyboard.press("a")
    dialog = page.get_by_role("dialog", name="Approve?")
    await expect(dialog).to_contain_text("pay_settlement")
    await expect(dialog).to_contain_text("1590.50")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url(re.compile(r"/reviews/rev_\w+\?decided="))
    case = await site.services.reviews.case(house.review)
    assert case.decision is not None
    assert case.decision["kind"] == "approve"


async def test_the_next_and_the_other_page_are_a_key_away(site) -> None:
    page = await site.page("aude", "/leases")
    await page.keyboard.press("g")
    await page.keyboard.press("r")
    await page.wait_for_url("**/reviews")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()


async def test_nobody_is_offered_to_decide_a_task_of_their_own(site, house: House) -> None:
    page = await site.page("bea", f"/reviews/{house.own_review}")
    await expect(page.get_by_text("You handed in this task yourself")).to_be_visible()
    await expect(page.get_by_role("button", name="Approve")).to_have_count(0)


async def test_a_journal_entry_opens_to_its_prompt_and_stays_open_when_news_arrives(site, house: House) -> None:
    page = await site.page("aude", f"/runs/{house.working_run}")
    entry = page.locator(".entry").filter(has_text="qwen2.5-coder-1.5b answered").first
    await entry.locator("summary").click()
    await expect(entry).to_contain_text("You read insurance claims.")
    finding = events.FindingReported(check="drift", verdict="flag", subject="run", message="A note of the test.")
    await site.services.journal.append(finding, stream=house.working_run, actor="service:test")
    await expect(page.get_by_text("A note of the test.").first).to_be_attached()
    await expect(entry).to_contain_text("You read insurance claims.")


async def test_a_page_stands_still_and_says_so_when_its_reader_is_shut_out(site, house: House) -> None:
    async def tell(message: str) -> None:
        told = events.FindingReported(check="drift", verdict="flag", subject="run", message=message)
        await site.services.journal.append(told, stream=house.working_run, actor="service:test")

    page = await site.page("aude", f"/runs/{house.working_run}")
    await tell("News in time.")
    await expect(page.get_by_text("News in time.").first).to_be_attached()
    await site.services.accounts.disable("aude")
    try:
        await tell("A secret of later.")
        await expect(page.get_by_text("You are signed out, or may not see this any more.")).to_be_visible()
        await expect(page.get_by_text("A secret of later.")).to_have_count(0)
        # htmx itself tells the console that it was refused, once: it does not ask again.
        assert ["status 401" in error for error in site.errors] == [True]
        site.errors.clear()
        reload = page.get_by_role("link", name="Reload")
        await reload.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    finally:
        await site.services.accounts.enable("aude")


async def test_a_link_signs_in_whoever_presses_its_button(site) -> None:
    link = await site.services.accounts.link("rosa")
    page = await site.page(None, f"/sign-in/link/{link}")
    await page.get_by_role("button", name="Sign in as").click()
    await page.wait_for_url(re.compile(r"/(tasks)?$"))
    await expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
