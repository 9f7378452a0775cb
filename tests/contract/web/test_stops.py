"""Kill switches from the page and the JSON API, where this process has no login for Vault."""

import pytest

from overseen.journal import SYSTEM
from overseen.secrets.ledger import Ledger
from overseen.secrets.stops import Scope, Stops
from overseen.store.tables import CallRecord, StopRecord, now
from tests.contract.web.conftest import Door
from tests.web_scenario import House


def form(scope: str = "run", target: str = "", reason: str = "It misbehaves.") -> dict[str, str]:
    return {"scope": scope, "target": target, "reason": reason}


async def in_force(services) -> list[tuple[str, str]]:
    return [(stop.scope, stop.target) for stop in await Stops(services.database).in_force()]


@pytest.mark.parametrize("account", ["rosa", "rene"])
async def test_nobody_else_stops_anything(door: Door, services, house: House, account: str) -> None:
    browser, program = await door.browser(account), await door.program(account)
    answers = [
        await browser.post("/leases/stops", data=form(target=house.working_run)),
        await browser.post(f"/leases/stops/{house.stop}/confirm"),
        await browser.post(f"/leases/stops/{house.stop}/lift", data={"reason": "x"}),
        await browser.post(f"/leases/findings/{house.finding}/explain", data={"reason": "x"}),
        await program.post("/api/v1/stops", json=form(target=house.working_run)),
        await program.post(f"/api/v1/stops/{house.stop}/confirm"),
        await program.post(f"/api/v1/stops/{house.stop}/lift", json={"reason": "x"}),
        await program.post(f"/api/v1/findings/{house.finding}/explain", json={"reason": "x"}),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert await in_force(services) == []
    page = (await browser.get(f"/runs/{house.waiting_run}")).text
    assert "Stop run" not in page


async def test_without_vault_the_stop_holds_and_the_proof_is_left_to_the_sweeper(
    door: Door, services, house: House
) -> None:
    aude = await door.browser("aude")
    answer = await aude.post("/leases/stops", data=form(target=house.working_run))
    assert answer.status_code == 303
    assert await Stops(services.database).is_stopped(house.working_run, "extractor", "read_document")
    page = (await aude.get(answer.headers["location"])).text
    assert "Not proven yet" in page
    assert "The sweeper of the workers goes on" in page
    leases = (await aude.get(f"/api/v1/leases?run_id={house.working_run}")).json()["leases"]
    assert {lease["state"] for lease in leases} == {"closed", "revoking"}


async def test_what_the_sweeper_proves_later_is_shown_as_proven(door: Door, services, house: House) -> None:
    aude = await door.browser("aude")
    stop = (await aude.post("/leases/stops", data=form(target=house.working_run))).headers["location"]
    ledger = Ledger(services.database, services.journal, actor="service:sweeper")
    left = [lease for lease in (await services.security.reach(Scope.RUN, house.working_run)).leases if lease.is_live]
    await ledger.closed([lease.lease_id for lease in left], reason="swept_revoking")
    page = (await aude.get(stop)).text
    assert "Proven gone after" in page
    assert f"{len(left)} leases were ended" in page


async def test_a_killed_run_says_so_on_its_page_in_its_task_and_in_its_journal(
    door: Door, services, house: House
) -> None:
    aude = await door.browser("aude")
    await aude.post("/leases/stops", data=form(target=house.working_run))
    run = (await aude.get(f"/runs/{house.working_run}")).text
    task = (await (await door.browser("rosa")).get(f"/tasks/{house.working_task}")).text
    for page in (run, task):
        assert "This run was stopped by a kill switch." in page
        assert "the task can be handed in again" in page
    assert "It misbehaves." in run
    assert "It misbehaves." not in task
    kinds = [entry.kind for entry in await services.journal.entries(house.working_run)]
    assert kinds[-1] == "KillSwitchPulled"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (form(target="run_nowhere"), 404),
        (form(scope="call", target="call_nowhere"), 404),
        (form(scope="house", target="x"), 422),
        (form(scope="agent", target=""), 422),
        (form(scope="agent", target="extractor", reason="  "), 422),
        (form(scope="agent", target="extractor", reason="x" * 1001), 422),
    ],
)
async def test_a_switch_that_makes_no_sense_is_refused(
    door: Door, services, house: House, sent: dict[str, str], status: int
) -> None:
    assert (await (await door.browser("aude")).post("/leases/stops", data=sent)).status_code == status
    assert await in_force(services) == []


@pytest.mark.parametrize(
    ("scope", "worded", "name"),
    [
        ("agent", "policy lookup", "policy_lookup"),
        ("agent", "Policy_Lookup", "policy_lookup"),
        ("agent", "policy-lookup", "policy_lookup"),
        ("tool", "pay settlement", "pay_settlement"),
        ("tool", "look_up_polcy", "look_up_policy"),
    ],
)
async def test_a_name_that_there_is_not_stops_nothing_and_the_nearest_is_said(
    door: Door, services, house: House, scope: str, worded: str, name: str
) -> None:
    aude, program = await door.browser("aude"), await door.program("aude")
    page = await aude.post("/leases/stops", data=form(scope, worded))
    answer = await program.post("/api/v1/stops", json=form(scope, worded))
    reach = await aude.get(f"/leases/reach?scope={scope}&target={worded}", headers={"hx-request": "true"})
    assert (page.status_code, answer.status_code) == (404, 404)
    for text in (page.text, answer.text, reach.text):
        assert f"Did you mean {name}" in text
    assert await in_force(services) == []
    assert (await aude.post("/leases/stops", data=form(scope, name))).status_code == 303
    assert await in_force(services) == [(scope, name)]


async def test_an_agent_nobody_ever_heard_of_is_refused_with_those_there_are(
    door: Door, services, house: House
) -> None:
    aude = await door.program("aude")
    answer = await aude.post("/api/v1/stops", json=form("agent", "zzz"))
    assert (answer.status_code, "extractor" in answer.json()["error"]["next_step"]) == (404, True)
    assert await in_force(services) == []


async def test_what_can_be_stopped_is_chosen_from_lists_with_the_names_as_they_are(
    door: Door, services, house: House
) -> None:
    aude = await door.browser("aude")
    page = (await aude.get("/leases")).text
    for name in ("policy_lookup", "vision_checker", "extractor", "pay_settlement", "write_to_claimant"):
        assert f"<option>{name}</option>" in page
    assert house.working_run in page
    assert f'<option value="{house.settled_run}">' not in page
    targets = (await aude.get("/api/v1/stop-targets")).json()
    assert "policy_lookup" in targets["agents"]
    assert house.working_run in [run["run_id"] for run in targets["runs"]]
    sent = {**form("agent"), "target_agent": "extractor", "target_tool": "pay_settlement", "target_run": ""}
    assert (await aude.post("/leases/stops", data=sent)).status_code == 303
    assert await in_force(services) == [("agent", "extractor")]
    assert (await (await door.browser("rosa")).get("/api/v1/stop-targets")).status_code == 403


async def test_pages_show_names_as_a_switch_takes_them(door: Door, services, house: House) -> None:
    aude = await door.browser("aude")
    stop = (await aude.post("/leases/stops", data=form("agent", "policy_lookup"))).headers["location"]
    for path in (stop, "/leases/stops", "/leases", f"/leases/{house.payment_lease}"):
        page = (await aude.get(path)).text
        assert "policy lookup" not in page.lower()
        assert "pay settlement" not in page.lower()
    assert '<span class="mono">policy_lookup</span>' in (await aude.get(stop)).text


async def test_a_switch_that_met_nothing_does_not_say_proven_gone(door: Door, services, house: House) -> None:
    aude = await door.browser("aude")
    stop = (await aude.post("/leases/stops", data=form("tool", "register_claim"))).headers["location"]
    async with services.database.transaction() as session:  # as where the kill switch's login could ask Vault
        row = await session.get_one(StopRecord, stop.rsplit("/", 1)[1])
        row.proven_at = now()
    page, listed = (await aude.get(stop)).text, (await aude.get("/leases/stops")).text
    assert "Nothing was live; new ones are refused from now on." in page
    assert "proven gone" not in page.lower()
    assert "stopped, proven gone" not in listed
    for text in (page, listed):
        assert "stopped, nothing was live" in text
    shown = (await aude.get(f"/api/v1{stop.removeprefix('/leases')}")).json()
    assert (shown["met_nothing"], shown["leases_before"], shown["calls_before"]) == (True, 0, 0)


async def test_what_was_live_before_and_what_is_after_is_shown(door: Door, services, house: House) -> None:
    aude = await door.browser("aude")
    before = await services.security.reach(Scope.RUN, house.working_run)
    async with services.database.transaction() as session:
        session.add(
            CallRecord(
                call_id="call_running",
                run_id=house.working_run,
                step_id="step-1",
                agent="extractor",
                tool="read_document",
                effect="read",
                digest="d" * 64,
                arguments_blob="a" * 64,
                state="started",
            )
        )
    stop = (await aude.post("/leases/stops", data=form(target=house.working_run))).headers["location"]
    ledger = Ledger(services.database, services.journal, actor="service:sweeper")
    await ledger.closed([lease.lease_id for lease in before.leases], reason="swept_revoking")
    page = (await aude.get(stop)).text
    assert before.living >= 1
    assert "Live when it was pulled" in page
    assert f"{before.living} lease{'s' if before.living > 1 else ''}, {before.running + 1} running call" in page
    assert "0 leases, " in page
    assert "without a credential" in page


async def test_the_dialog_says_how_much_would_be_ended(door: Door, house: House) -> None:
    aude = await door.browser("aude")
    fragment = {"hx-request": "true"}
    answer = await aude.get(f"/leases/reach?scope=run&target={house.working_run}", headers=fragment)
    assert "<html" not in answer.text
    assert "1 run" in answer.text
    none = await aude.get(f"/leases/reach?scope=run&target={house.settled_run}", headers=fragment)
    assert "No live lease" in none.text
    assert "There is no run" in (await aude.get("/leases/reach?scope=run&target=run_x", headers=fragment)).text


async def test_everything_takes_two_people(door: Door, services, house: House) -> None:
    aude, otto = await door.browser("aude"), await door.browser("otto")
    asked = (await aude.post("/leases/stops", data=form("everything"))).headers["location"]
    assert not await Stops(services.database).is_stopped("any", "any", "any")
    assert "asks to stop everything" in (await otto.get("/leases")).text
    assert "Stop everything now" not in (await aude.get(asked)).text
    assert (await aude.post(f"{asked}/confirm")).status_code == 409
    assert "Stop everything now" in (await otto.get(asked)).text
    assert (await otto.post(f"{asked}/confirm")).status_code == 303
    assert await Stops(services.database).is_stopped("any", "any", "any")
    assert (await otto.post(f"{asked}/confirm")).status_code == 409


async def test_lifting_needs_a_reason_and_is_in_the_journal(door: Door, services, house: House) -> None:
    aude = await door.browser("aude")
    stop = (await aude.post("/leases/stops", data=form("tool", "pay_settlement"))).headers["location"]
    assert (await aude.post(f"{stop}/lift", data={"reason": ""})).status_code == 422
    assert await in_force(services) == [("tool", "pay_settlement")]
    assert (await aude.post(f"{stop}/lift", data={"reason": "It was a drill."})).status_code == 303
    assert await in_force(services) == []
    kinds = [entry.kind for entry in await services.journal.entries(SYSTEM)]
    assert kinds[-2:] == ["KillSwitchPulled", "KillSwitchLifted"]


async def test_programs_pull_and_lift_too(door: Door, house: House) -> None:
    aude = await door.program("aude")
    pulled = await aude.post("/api/v1/stops", json=form(target=house.working_run))
    assert (pulled.status_code, pulled.json()["state"], pulled.json()["living"] > 0) == (201, "pulled", True)
    path = f"/api/v1/stops/{pulled.json()['stop_id']}"
    lifted = await aude.post(f"{path}/lift", json={"reason": "A drill."})
    assert lifted.json()["state"] == "lifted"
    assert (await aude.get("/api/v1/security")).json()["last_kill"]["stop_id"] == pulled.json()["stop_id"]


async def test_another_sites_page_pulls_nothing(door: Door, services, house: House) -> None:
    aude = await door.browser("aude")
    headers = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
    answer = await aude.post("/leases/stops", data=form("agent", "extractor"), headers=headers)
    assert answer.status_code == 403
    assert await in_force(services) == []


async def test_switches_are_not_pulled_by_the_hundred(door: Door, services, house: House) -> None:
    aude = await door.browser("aude")
    sent = form("everything", reason="")
    codes = [(await aude.post("/leases/stops", data=sent)).status_code for _ in range(21)]
    assert codes == [422] * 20 + [429]
    program = await door.program("aude")
    assert (await program.post("/api/v1/stops", json=form("everything"))).status_code == 429
