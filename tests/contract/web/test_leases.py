"""The security page: who may look, what is listed, filtered and exported, and what the findings say."""

import json

import pytest
from sqlalchemy import text, update

from overseen.domain.identifiers import derived_id
from overseen.journal import SYSTEM
from overseen.store.tables import ServiceReport, now
from tests.contract.web.conftest import Door
from tests.web_scenario import House

PATHS = (
    "/leases",
    "/leases/export?format=ocsf",
    "/leases/findings",
    "/leases/stops",
    "/leases/reach?scope=everything",
    "/leases/{lease}",
    "/leases/stops/{stop}",
    "/api/v1/leases",
    "/api/v1/leases/export",
    "/api/v1/leases/{lease}",
    "/api/v1/security",
    "/api/v1/findings",
    "/api/v1/stops",
)


@pytest.mark.parametrize("path", PATHS)
async def test_only_auditors_and_operators_see_leases(door: Door, house: House, path: str) -> None:
    path = path.format(lease=house.payment_lease, stop=house.stop)
    answers = {
        account: (await (await door.browser(account)).get(path)).status_code for account in ("rosa", "rene", "aude")
    }
    assert answers == {"rosa": 403, "rene": 403, "aude": 200}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tool=pay_settlement", True),
        ("kind=token", False),
        ("requester={requester}", True),
        ("approver={reviewer}", True),
        ("approver={requester}", False),
        ("search=v-insurer-pay", True),
        ("search=4Rk9", True),
        ("search=%25", False),
        ("since=2020-01-01T00:00&until=2999-01-01T00:00:00Z", True),
        ("since=2999-01-01T00:00", False),
        ("show=denied", False),
    ],
)
async def test_filters_are_in_the_address(door: Door, house: House, query: str, found: bool) -> None:
    query = query.format(requester=house.requester, reviewer=house.reviewer)
    aude = await door.browser("aude")
    page = (await aude.get(f"/leases?{query}")).text
    assert (f"/leases/{house.payment_lease}" in page) is found
    listed = (await aude.get(f"/api/v1/leases?{query}")).json()["leases"]
    assert (house.payment_lease in {lease["lease_id"] for lease in listed}) is found


async def test_a_time_that_is_none_is_said(door: Door, house: House) -> None:
    aude = await door.browser("aude")
    answer = await aude.get("/leases?since=yesterday")
    assert answer.status_code == 422
    assert "is not a time" in answer.text
    assert (await aude.get("/leases/export?since=yesterday")).status_code == 422


async def test_exports_hold_the_filtered_list_and_nothing_else(door: Door, house: House) -> None:
    aude = await door.browser("aude")
    total = (await aude.get("/api/v1/leases?tool=pay_settlement")).json()["total"]
    for name, lines in (("jsonl", total), ("ocsf", total * 2), ("cef", total * 2)):
        answer = await aude.get(f"/leases/export?format={name}&tool=pay_settlement")
        assert "attachment" in answer.headers["content-disposition"]
        assert len(answer.text.splitlines()) == lines
        assert "pay_settlement" in answer.text


async def test_who_exports_is_in_the_journal_without_the_words_they_searched_for(
    door: Door, services, house: House
) -> None:
    aude = await door.browser("aude")
    await aude.get("/leases/export?format=cef&tool=pay_settlement&search=Jane")
    await (await door.browser("rosa")).get("/leases/export")
    told = [entry for entry in await services.journal.entries(SYSTEM) if entry.kind == "LeasesExported"]
    assert [(entry.actor, entry.payload["format"], entry.payload["narrowed_by"]) for entry in told] == [
        (f"account:{house.auditor}", "cef", ["tool=pay_settlement", "search"])
    ]


@pytest.mark.parametrize("moved", ["asked_at", "now()"], ids=["one after another", "all at once"])
async def test_an_export_has_every_lease_however_many_pages_there_are(
    door: Door, services, house: House, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    monkeypatch.setattr("overseen.api.reading.leases._EXPORT_BATCH", 4)
    async with services.database.transaction() as session:
        await session.execute(text(f"UPDATE leases SET asked_at = {moved}"))
    aude = await door.browser("aude")
    lines = (await aude.get("/leases/export?format=jsonl")).text.splitlines()
    ids = [json.loads(line)["lease_id"] for line in lines]
    assert len(ids) == len(set(ids)) == (await services.leases.counters()).total


async def test_a_lease_leads_to_its_call_its_run_and_the_decision_behind_it(door: Door, services, house: House) -> None:
    page = (await (await door.browser("aude")).get(f"/leases/{house.payment_lease}")).text
    detail = await services.leases.detail(house.payment_lease)
    assert f"/runs/{house.settled_run}#entry-{detail.call_sequence}" in page
    assert f"/reviews/{detail.review_id}" in page
    assert "René Okafor" in page


async def test_it_is_said_when_vaults_own_records_cannot_be_read(door: Door, house: House) -> None:
    page = (await (await door.browser("aude")).get(f"/leases/{house.payment_lease}")).text
    assert "OVERSEEN_VAULT_AUDIT_FILE" in page


async def test_a_service_that_is_down_or_silent_is_shown_so(door: Door, services, house: House) -> None:
    async with services.database.transaction() as session:
        await session.execute(update(ServiceReport).where(ServiceReport.name == "canary").values(ok=False))
        old = now().replace(year=2020)
        await session.execute(update(ServiceReport).where(ServiceReport.name == "reconciler").values(at=old))
    standing = await services.security.standing()
    assert (standing.canary.ok, standing.reconciler.silent) == (False, True)
    page = (await (await door.browser("aude")).get("/leases")).text
    assert "down</b>" in page
    assert "silent</b>" in page


async def test_a_finding_counts_until_someone_explains_it(door: Door, services, house: House) -> None:
    aude = await door.browser("aude")
    assert (await services.security.standing()).unreconciled == 1
    assert "A probe" in (await aude.get("/leases")).text
    path = f"/leases/findings/{house.finding}/explain"
    assert (await aude.post(path, data={"reason": " "})).status_code == 422
    assert (await aude.post(path, data={"reason": "An exercise of ours."})).status_code == 303
    assert (await services.security.standing()).unreconciled == 0
    assert "An exercise of ours." in (await aude.get("/leases/findings")).text
    assert (await aude.post(path, data={"reason": "Again."})).status_code == 409
    entry = (await services.journal.entries(SYSTEM))[-1]
    assert (entry.kind, entry.actor) == ("FindingExplained", f"account:{house.auditor}")
    assert "exercise" not in str(entry.payload)


async def test_an_unknown_lease_is_not_found(door: Door, house: House) -> None:
    assert (await (await door.browser("aude")).get(f"/leases/{derived_id('lease', 'nowhere')}")).status_code == 404


async def test_every_state_is_counted_where_it_belongs(services, house: House) -> None:
    before = await services.leases.counters()
    async with services.database.transaction() as session:
        await session.execute(text("UPDATE leases SET state = 'closed', expires_at = now() + interval '1 minute'"))
        ids = list(await session.scalars(text("SELECT lease_id FROM leases ORDER BY lease_id LIMIT 5")))
        for lease_id, state in zip(ids, ("intent", "issued", "revoking", "refused", "irrevocable"), strict=True):
            values = {"state": state, "lease_id": lease_id}
            await session.execute(text("UPDATE leases SET state = :state WHERE lease_id = :lease_id"), values)
        overdue = "UPDATE leases SET expires_at = now() - interval '1 minute' WHERE state IN ('issued', 'closed')"
        await session.execute(text(overdue))
    after = await services.leases.counters()
    assert (after.live, after.overdue, after.denied, after.irrevocable) == (3, 1, 1, 1)
    assert after.total == before.total > 5
