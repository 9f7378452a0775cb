"""The tools on the insurer's records: behind the gateway, in the sandbox, with leases on a real database."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from overseen.domain.calls import ToolCall
from overseen.errors import NotFound
from overseen.store.tables import CallRecord, LeaseRecord
from overseen.tools.errors import ToolFailed, ToolRefused
from tests.contract.tools.conftest import House

CLAIM: dict[str, Any] = {
    "policy_number": "CAR-2214-KL",
    "incident_date": "2026-10-03",
    "amount": "236.20",
    "status": "settled",
    "photos": [{"name": "door.jpg", "phash": "f0f0f0f0f0f0f0f0", "dhash": "0123456789abcdef"}],
}
PAYMENT = {"policy_number": "CAR-2214-KL", "payee": "Priya Raman", "amount": "236.20", "currency": "GBP"}
LETTER = {"to_address": "priya.raman@example.com", "subject": "Your claim", "body": "We pay 236.20 GBP.\n"}


async def test_a_policy_is_found_by_its_number(house: House) -> None:
    found = (await house.use("look_up_policy", {"policy_number": " car-2214-kl "})).value
    assert found["found"]
    assert found["policy"]["holder"] == "Priya Raman"
    assert (found["policy"]["excess"], found["policy"]["starts_on"]) == ("250.00", "2026-02-01")


async def test_an_unknown_number_is_no_error(house: House) -> None:
    found = (await house.use("look_up_policy", {"policy_number": "CAR-0000-XX'; DROP TABLE policies"})).value
    assert found == {"found": False, "policy": None}


@pytest.mark.parametrize(
    ("kind", "query", "clause"),
    [
        ("car", "a shopping trolley rolled into my parked car and left a dent", "A2"),
        ("home", "the pipe under the sink burst and the ceiling below is stained", "B1"),
        ("travel", "the airline broke the wheel off my suitcase", "T2"),
    ],
)
async def test_the_clause_that_applies_is_found_by_plain_words(
    house: House, kind: str, query: str, clause: str
) -> None:
    clauses = (await house.use("search_policy_wording", {"kind": kind, "query": query})).value["clauses"]
    assert clause in [found["clause_id"] for found in clauses[:2]]
    assert len(clauses) <= 5


async def test_words_of_no_clause_find_none(house: House) -> None:
    found = (await house.use("search_policy_wording", {"kind": "car", "query": "the of !& | ' zzz"})).value
    assert found == {"clauses": []}


async def test_earlier_claims_are_listed(house: House) -> None:
    claims = (await house.use("list_prior_claims", {"policy_number": "CAR-7745-DN"})).value["claims"]
    assert [(claim["claim_id"], claim["amount"]) for claim in claims] == [("CLM-2026-0019", "212.50")]


async def test_a_photo_that_came_with_an_earlier_claim_is_found_though_it_was_saved_anew(house: House) -> None:
    ((phash, dhash),) = await house.insurer.rows("SELECT phash, dhash FROM claim_photos ORDER BY claim_id LIMIT 1")
    near = f"{int(str(phash), 16) ^ 0b101:016x}"
    matches = (await house.use("find_duplicate_photos", {"phash": near, "dhash": dhash})).value["matches"]
    assert (matches[0]["distance"], matches[0]["dhash_distance"]) == (2, 0)


async def test_a_photo_nobody_has_seen_matches_none(house: House) -> None:
    asked = {"phash": "5555555555555555", "dhash": "aaaaaaaaaaaaaaaa"}
    assert (await house.use("find_duplicate_photos", asked)).value == {"matches": []}


async def test_a_claim_is_registered_paid_and_answered_under_one_number(house: House) -> None:
    claim = (await house.use("register_claim", CLAIM, ordinal=0)).value
    payment = (await house.use("pay_settlement", PAYMENT, ordinal=1)).value
    letter = await house.use("write_to_claimant", LETTER, ordinal=2)
    assert claim["photos"] == 1
    assert payment["claim_id"] == claim["claim_id"]
    assert b"To: priya.raman@example.com" in await house.blobs.get(letter.blobs["letter.eml"])
    paid = await house.insurer.rows(
        "SELECT payment_id, amount::text FROM payments WHERE claim_id = %s", claim["claim_id"]
    )
    assert paid == [(payment["payment_id"], "236.20")]


EFFECTS = [
    ("register_claim", CLAIM, "claims"),
    ("pay_settlement", {**PAYMENT, "claim_id": "CLM-2026-0019"}, "payments"),
    ("write_to_claimant", LETTER, "outbox"),
]


async def forget_that_it_finished(house: House, made: ToolCall) -> None:
    """As if the worker had died after the effect and before it was written down."""
    async with house.database.transaction() as session:
        row = await session.get(CallRecord, made.call_id)
        assert row is not None
        row.state, row.result_blob = "started", None


@pytest.mark.parametrize(("tool", "arguments", "table"), EFFECTS)
async def test_an_effect_happens_once_though_the_worker_died_after_it(
    house: House, tool: str, arguments: dict[str, Any], table: str
) -> None:
    made = await house.authorized(tool, arguments)
    first = (await house.port.call(made)).value
    await forget_that_it_finished(house, made)
    again = (await house.port.call(made)).value
    assert (first["already_there"], again["already_there"]) == (False, True)
    assert {**again, "already_there": False} == first
    rows = await house.insurer.rows(f"SELECT 1 FROM {table} WHERE idempotency_key = %s", made.call_id)
    assert len(rows) == 1


async def test_an_effect_happens_once_though_two_workers_try_at_once(house: House) -> None:
    made = await house.authorized("pay_settlement", {**PAYMENT, "claim_id": "CLM-2026-0019"})
    results = await asyncio.gather(house.port.call(made), house.port.call(made))
    assert len({result.value["payment_id"] for result in results}) == 1
    rows = await house.insurer.rows("SELECT 1 FROM payments WHERE idempotency_key = %s", made.call_id)
    assert len(rows) == 1


async def test_a_claim_is_paid_once_whichever_calls_ask(house: House) -> None:
    payment = {**PAYMENT, "claim_id": "CLM-2026-0019"}
    other = {**payment, "amount": "236.21", "payee": "20-45-11 60317752"}
    calls = [await house.authorized("pay_settlement", payment)]
    calls += [await house.authorized("pay_settlement", other, ordinal=1, run_id="run_other")]
    came = await asyncio.gather(*(house.port.call(made) for made in calls), return_exceptions=True)
    (refused,) = [result for result in came if isinstance(result, BaseException)]
    assert isinstance(refused, ToolFailed)
    assert "payment_exists" in refused.message
    assert len(await house.insurer.rows("SELECT 1 FROM payments WHERE claim_id = 'CLM-2026-0019'")) == 1


async def test_the_same_loss_is_not_settled_twice_over_the_same_sum(house: House) -> None:
    calls = [await house.authorized("register_claim", CLAIM, run_id=f"run_{number}") for number in range(3)]
    came = await asyncio.gather(*(house.port.call(made) for made in calls), return_exceptions=True)
    assert sum(isinstance(result, ToolFailed) for result in came) == 2
    rows = await house.insurer.rows("SELECT 1 FROM claims WHERE incident_on = '2026-10-03'")
    assert len(rows) == 1
    await house.use("register_claim", {**CLAIM, "amount": "99.00"}, run_id="run_another_loss")
    await house.use("register_claim", {**CLAIM, "status": "denied", "amount": "0"}, run_id="run_denied")


@pytest.mark.parametrize(("tool", "arguments", "table"), EFFECTS)
async def test_no_effect_happens_without_leave(house: House, tool: str, arguments: dict[str, Any], table: str) -> None:
    made = house.call(tool, arguments)
    with pytest.raises(ToolRefused) as caught:
        await house.port.call(made)
    assert caught.value.rule == "approval"
    assert await house.insurer.rows(f"SELECT 1 FROM {table} WHERE idempotency_key = %s", made.call_id) == []


async def test_a_payment_for_a_claim_that_was_never_registered_fails(house: House) -> None:
    with pytest.raises(ToolFailed):
        await house.use("pay_settlement", PAYMENT)
    assert await house.insurer.rows("SELECT 1 FROM payments WHERE payee = 'Priya Raman'") == []


@pytest.mark.parametrize("amount", ["0", "0.00", "-5", "1e9", "12.345", "NaN", "", 12.5, True])
async def test_an_amount_that_is_no_sum_of_money_is_refused(house: House, amount: object) -> None:
    with pytest.raises(ToolRefused):
        await house.use("pay_settlement", {**PAYMENT, "amount": amount})


@pytest.mark.parametrize("key", ["idempotency_key", "run_id"])
async def test_nobody_but_the_gateway_names_the_idempotency_key(house: House, key: str) -> None:
    with pytest.raises(ToolRefused):
        await house.use("write_to_claimant", {**LETTER, key: "call_other"})


async def test_a_subject_of_two_lines_is_refused(house: House) -> None:
    with pytest.raises(ToolRefused):
        await house.use("write_to_claimant", {**LETTER, "subject": "Hello\nBcc: everyone@example.com"})


async def test_every_lease_is_gone_when_the_call_has_ended(house: House) -> None:
    await house.use("look_up_policy", {"policy_number": "CAR-2214-KL"})
    async with house.database.read() as session:
        leases = (await session.scalars(select(LeaseRecord))).all()
    assert [(lease.tool, lease.state) for lease in leases] == [("look_up_policy", "closed")]
    for principal in leases[0].principals:
        assert await house.insurer.rows("SELECT 1 FROM pg_roles WHERE rolname = %s", principal) == []


async def test_the_parts_of_a_call_are_timed(house: House) -> None:
    made = house.call("look_up_policy", {"policy_number": "CAR-2214-KL"})
    await house.port.call(made)
    async with house.database.read() as session:
        row = await session.get(CallRecord, made.call_id)
    assert row is not None
    assert set(row.timings) == {"record", "lease", "files", "doors", "sandbox"}
    assert all(0 <= seconds < 60 for seconds in row.timings.values())


async def test_a_document_goes_in_and_its_pages_come_out_as_blobs(house: House) -> None:
    from overseen.domain.calls import FileInput
    from tests.contract.tools import documents

    blob = await house.blobs.put(documents.pdf([documents.LETTER]), "application/pdf")
    made = house.call("read_document", {"file": "letter.pdf"}, files=(FileInput(name="letter.pdf", blob=blob),))
    result = await house.port.call(made)
    assert result.value["kind"] == "pdf"
    assert await house.blobs.media_type_of(result.blobs["page-1.jpg"]) == "image/jpeg"


async def test_a_file_whose_content_was_erased_is_said_to_be_gone(house: House) -> None:
    from overseen.domain.calls import FileInput

    made = house.call("read_document", {"file": "a.pdf"}, files=(FileInput(name="a.pdf", blob="0" * 64),))
    with pytest.raises(NotFound):
        await house.port.call(made)
