"""An edit is a new proposal: what a reviewer puts in place of one passes every rule again, or is refused."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from overseen.domain.calls import ToolCall
from overseen.domain.outcomes import DecisionKind, Role, RunState
from overseen.errors import Conflict, Forbidden, InvalidInput
from overseen.store.tables import Account, Decision, Message, Review
from overseen.tools.errors import ToolFailed
from tests.contract.engine.house import REVIEWER, House

SECOND = "acc_second"
Calls = list[dict[str, Any]]


async def parked(house: House, **values: Any) -> tuple[str, str]:
    """A run that waits for a reviewer: (run id, review id). Without `values` it would pay 2,596.00 GBP."""
    house.values["estimate_total"] = house.values["claimed_amount"] = Decimal("2846.00")
    house.values.update(values)
    submitted = await house.submit()
    assert await house.work() == RunState.WAITING_REVIEW
    [summary] = await house.waiting.list()
    return submitted.run_id, summary.review_id


async def add_second_reviewer(house: House) -> None:
    async with house.database.transaction() as session:
        session.add(Account(account_id=SECOND, name=SECOND, display_name=SECOND, roles=[Role.REVIEWER.value]))


async def proposed(house: House, review_id: str) -> Calls:
    case = await house.desk.case(review_id)
    return [{"tool": call["tool"], "arguments": call["arguments"]} for call in case.content["proposal"]["calls"]]


def changed(calls: Sequence[Mapping[str, Any]], tool: str, **arguments: Any) -> Calls:
    return [
        {"tool": call["tool"], "arguments": {**call["arguments"], **(arguments if call["tool"] == tool else {})}}
        for call in calls
    ]


async def decide(
    house: House,
    review_id: str,
    kind: DecisionKind,
    *,
    edit: Mapping[str, Any] | None = None,
    by: str = REVIEWER,
    reason: str = "It is fairer.",
) -> str:
    digest = (await house.desk.case(review_id)).proposal_digest
    return await house.desk.decide(
        review_id, reviewer_id=by, kind=kind, proposal_digest=digest, reason=reason, edit=edit
    )


async def edit(house: House, review_id: str, calls: Calls) -> str:
    return await decide(house, review_id, DecisionKind.EDIT, edit={"calls": calls})


async def refused(house: House, review_id: str, calls: Calls, match: str) -> None:
    """The desk says no, naming why; nothing is stored, and the case still waits."""
    with pytest.raises(InvalidInput, match=match) as caught:
        await edit(house, review_id, calls)
    assert caught.value.not_done
    assert caught.value.next_step
    async with house.database.read() as session:
        assert (await session.scalars(select(Decision))).all() == []
        assert (await session.get_one(Review, review_id)).state == "open"
    assert house.queue.commands == []
    assert house.tools.calls == []


async def told(house: House) -> str:
    async with house.database.read() as session:
        found = await session.scalars(
            select(Message).where(Message.author == "overseen").order_by(Message.created_at.desc()).limit(1)
        )
        return (await house.blobs.get(found.one().body_blob)).decode()


def made(house: House) -> dict[str, ToolCall]:
    return {call.tool: call for call in house.tools.calls}


async def second_review(house: House) -> str:
    [summary] = await house.waiting.list()
    return summary.review_id


FINGERPRINTS = '[{"dhash": "00000000000000ff", "name": "1-door.jpg", "phash": "00000000000000aa"}]'
LETTER = {"to_address": "priya.raman@example.com", "subject": "Your claim", "body": "We look at it again."}
PAYMENT = {
    "policy_number": "CAR-2214-KL",
    "payee": "20-45-11 60317752",
    "amount": "500.00",
    "currency": "GBP",
}


# --- the attacks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "amount", ["9999999999.99", "15000.01", "-5.00", "NaN", "Infinity", "1e3", "0.00", "12.345", "1,590.50", "", "٣٠٠"]
)
async def test_an_extreme_amount_is_refused_at_the_desk_and_the_argument_is_named(house: House, amount: str) -> None:
    _, review_id = await parked(house)
    everywhere = changed(await proposed(house, review_id), "pay_settlement", amount=amount)
    await refused(house, review_id, changed(everywhere, "register_claim", amount=amount), "amount|sum that is paid")
    with pytest.raises(InvalidInput, match="amount"):
        await decide(house, review_id, DecisionKind.EDIT, edit={"amount": amount})


@pytest.mark.parametrize("amount", [2000, 2000.5, None, True, ["2000.00"]])
async def test_an_amount_that_is_no_text_is_refused(house: House, amount: Any) -> None:
    _, review_id = await parked(house)
    await refused(
        house,
        review_id,
        changed(await proposed(house, review_id), "pay_settlement", amount=amount),
        "pay_settlement.amount",
    )


@pytest.mark.parametrize(
    ("tool", "arguments", "match"),
    [
        ("pay_settlement", {"policy_number": "HOM-0001-ZZ"}, "pay_settlement.policy_number"),
        ("register_claim", {"policy_number": "HOM-0001-ZZ"}, "register_claim.policy_number"),
        ("pay_settlement", {"currency": "EUR"}, "pay_settlement.currency"),
        ("pay_settlement", {"claim_id": "clm_of_somebody_else"}, "pay_settlement.claim_id"),
        ("register_claim", {"status": "denied"}, "register_claim.status"),
        ("register_claim", {"photos": []}, "register_claim.photos"),
        ("write_to_claimant", {"to_address": "mallory@example.net"}, "write_to_claimant.to_address"),
        ("write_to_claimant", {"body": "We pay 2,596.00. The token is hvs.CAESIJ8xqkZ0f3l2m9K4Ab"}, "holds a secret"),
        ("write_to_claimant", {"subject": "password: hunter2!x9"}, "holds a secret"),
        ("write_to_claimant", {"body": "We pay 2,000.00 GBP."}, "names 2,000.00, but 2,596.00 is paid"),
        ("write_to_claimant", {"body": "We pay £2000 and not 2,596.00."}, "names 2,000.00"),
        (
            "write_to_claimant",
            {"subject": "Your claim", "body": "It is settled."},
            "does not name the sum that is paid",
        ),
        ("pay_settlement", {"amount": "2000.00"}, "register_claim.amount says 2,596.00, but 2,000.00 is paid"),
    ],
)
async def test_what_a_stranger_would_gain_by_is_refused(
    house: House, tool: str, arguments: dict[str, Any], match: str
) -> None:
    _, review_id = await parked(house, photo_fingerprints=FINGERPRINTS)
    await refused(house, review_id, changed(await proposed(house, review_id), tool, **arguments), match)


async def test_the_calls_lowered_without_the_letter_are_refused(house: House) -> None:
    """The claim was registered with 2,596.00, 2,000.00 was paid, and the letter said 2,596.00."""
    _, review_id = await parked(house)
    calls = await proposed(house, review_id)
    for tool in ("register_claim", "pay_settlement"):
        calls = changed(calls, tool, amount="2000.00")
    await refused(house, review_id, calls, r"write_to_claimant.(subject|body) names 2,596.00, but 2,000.00 is paid")


async def test_a_payment_made_twice_or_an_unknown_tool_is_refused(house: House) -> None:
    _, review_id = await parked(house)
    calls = await proposed(house, review_id)
    await refused(house, review_id, [*calls, calls[1]], "pay_settlement is there twice")
    await refused(house, review_id, [*calls, {"tool": "look_up_policy", "arguments": {}}], "no call of look_up_policy")
    await refused(house, review_id, [*calls, {"tool": "delete_all", "arguments": {}}], "no call of delete_all")


async def test_a_letter_that_speaks_of_a_payment_that_was_taken_out_is_refused(house: House) -> None:
    _, review_id = await parked(house)
    letter = [call for call in await proposed(house, review_id) if call["tool"] == "write_to_claimant"]
    await refused(house, review_id, letter, r"names 2,596.00.*, but nothing is paid")


async def test_without_a_known_limit_nothing_can_be_paid_by_an_edit(house: House) -> None:
    _, review_id = await parked(house, cover_limit=None)
    with pytest.raises(InvalidInput, match="“Cover limit” is not known"):
        await decide(house, review_id, DecisionKind.EDIT, edit={"amount": "10.00"})


# --- one amount -----------------------------------------------------------------------------------------------------


async def test_one_amount_changes_every_call_and_the_letter(house: House) -> None:
    run_id, review_id = await parked(house)
    await decide(house, review_id, DecisionKind.EDIT, edit={"amount": "2000.00"})
    assert await house.work() == RunState.SETTLED
    calls = made(house)
    assert calls["register_claim"].arguments["amount"] == "2000.00"
    assert calls["pay_settlement"].arguments["amount"] == "2000.00"
    letter = calls["write_to_claimant"].arguments
    assert "2,000.00 GBP" in letter["subject"]
    assert "2,596.00" not in letter["subject"] + letter["body"]
    assert "changed by a reviewer: -596.00 GBP" in letter["body"]
    run = await house.run(run_id)
    assert (run.state, run.amount) == (RunState.SETTLED, Decimal("2000.00"))
    said = await told(house)
    assert said.startswith("Settled: 2,000.00 GBP will be paid. A reviewer changed what was proposed.")
    assert "Paid: 2,000.00 GBP. A letter was sent to the policy holder." in said
    assert "2,596" not in said
    assert "Because the rules say so" not in said


async def test_own_words_may_be_added_to_the_letter(house: House) -> None:
    _, review_id = await parked(house)
    calls = await proposed(house, review_id)
    body = calls[2]["arguments"]["body"] + "\nPlease keep the 2 receipts for 30 days. We pay 2,596.00 once."
    await edit(house, review_id, changed(calls, "write_to_claimant", body=body))
    assert await house.work() == RunState.SETTLED
    assert "keep the 2 receipts" in made(house)["write_to_claimant"].arguments["body"]


async def test_a_payment_taken_out_is_told_as_none(house: House) -> None:
    run_id, review_id = await parked(house)
    await edit(house, review_id, [{"tool": "write_to_claimant", "arguments": LETTER}])
    assert await house.work() == RunState.CLOSED
    assert (await house.run(run_id)).amount is None
    assert (await told(house)).startswith("This is closed; nothing was paid. A reviewer changed what was proposed.")
    assert "A letter was sent to the policy holder." in await told(house)


# --- a second person ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "edited", "why"),
    [
        ({"injury_reported": True}, {"amount": "500.00"}, "The rules did not propose pay settlement."),
        ({"policy_status": "lapsed"}, {"amount": "500.00"}, "500.00 GBP is more than the rules came to (nothing)."),
        ({}, {"amount": "2596.01"}, "2,596.01 GBP is more than the rules came to (2,596.00)."),
    ],
)
async def test_more_than_the_rules_came_to_waits_for_a_second_person(
    house: House, values: dict[str, Any], edited: dict[str, Any], why: str
) -> None:
    await add_second_reviewer(house)
    run_id, review_id = await parked(house, **values)
    await decide(house, review_id, DecisionKind.EDIT, edit=edited)
    assert await house.work() == RunState.WAITING_REVIEW
    assert house.tools.calls == []
    second = await second_review(house)
    assert second != review_id
    case = await house.desk.case(second)
    assert case.edited_by == REVIEWER
    assert why in case.content["boundary"]["reasons"]
    with pytest.raises(Forbidden, match="your own edit"):
        await decide(house, second, DecisionKind.APPROVE)
    await decide(house, second, DecisionKind.APPROVE, by=SECOND, reason="")
    assert await house.work() == RunState.SETTLED
    amount = Decimal(edited["amount"])
    assert (await house.run(run_id)).amount == amount
    assert made(house)["pay_settlement"].arguments["amount"] == edited["amount"]
    assert (await told(house)).startswith(
        f"Settled: {amount:,.2f} GBP will be paid. A reviewer changed what was proposed, and a second one agreed."
    )
    assert "Somebody was hurt" not in made(house)["write_to_claimant"].arguments["body"]


async def test_another_account_waits_for_a_second_person(house: House) -> None:
    await add_second_reviewer(house)
    _, review_id = await parked(house)
    calls = changed(await proposed(house, review_id), "pay_settlement", payee="11-22-33 44556677")
    await edit(house, review_id, calls)
    assert await house.work() == RunState.WAITING_REVIEW
    second = await second_review(house)
    reasons = (await house.desk.case(second)).content["boundary"]["reasons"]
    assert "pay_settlement.payee is not the case's “Account to pay into” or “Policy holder”." in reasons
    await decide(house, second, DecisionKind.REJECT, by=SECOND, reason="Not theirs.")
    assert await house.work() == RunState.CLOSED
    assert house.tools.calls == []
    assert (await told(house)).startswith("A reviewer stopped this. Nothing was paid or sent.")


async def test_the_policy_holder_may_be_paid_instead_by_one_person(house: House) -> None:
    _, review_id = await parked(house)
    await edit(house, review_id, changed(await proposed(house, review_id), "pay_settlement", payee="Priya Raman"))
    assert await house.work() == RunState.SETTLED
    assert made(house)["pay_settlement"].argument_facts["payee"] == "policy_holder"


async def test_a_letter_may_be_added_where_the_playbook_gives_leave(house: House) -> None:
    _, review_id = await parked(house, injury_reported=True)
    await edit(house, review_id, [{"tool": "write_to_claimant", "arguments": LETTER}])
    assert await house.work() == RunState.CLOSED
    assert list(made(house)) == ["write_to_claimant"]


async def test_personal_data_of_somebody_else_in_a_letter_waits_for_a_second_person(house: House) -> None:
    _, review_id = await parked(house)
    calls = await proposed(house, review_id)
    body = calls[2]["arguments"]["body"] + "\nAsk john.doe@example.org."
    await edit(house, review_id, changed(calls, "write_to_claimant", body=body))
    assert await house.work() == RunState.WAITING_REVIEW
    reasons = (await house.desk.case(await second_review(house))).content["boundary"]["reasons"]
    assert "The text holds personal data of somebody else: e-mail address." in reasons


async def test_a_second_edit_is_checked_against_the_rules_and_not_against_the_first(house: House) -> None:
    await add_second_reviewer(house)
    _, review_id = await parked(house)
    await decide(house, review_id, DecisionKind.EDIT, edit={"amount": "3000.00"})
    await house.work()
    second = await second_review(house)
    await decide(house, second, DecisionKind.EDIT, edit={"amount": "2999.00"}, by=SECOND)
    assert await house.work() == RunState.WAITING_REVIEW
    third = await second_review(house)
    with pytest.raises(Forbidden):
        await decide(house, third, DecisionKind.APPROVE, by=SECOND)
    await decide(house, third, DecisionKind.APPROVE, by=REVIEWER)
    assert await house.work() == RunState.SETTLED
    assert made(house)["pay_settlement"].arguments["amount"] == "2999.00"
    assert "changed by a reviewer: 403.00 GBP" in made(house)["write_to_claimant"].arguments["body"]


# --- races and changes ----------------------------------------------------------------------------------------------


async def test_of_two_reviewers_who_edit_at_once_one_is_told_that_it_is_decided(house: House) -> None:
    await add_second_reviewer(house)
    _, review_id = await parked(house)
    ends = await asyncio.gather(
        decide(house, review_id, DecisionKind.EDIT, edit={"amount": "2000.00"}),
        decide(house, review_id, DecisionKind.EDIT, edit={"amount": "1000.00"}, by=SECOND),
        return_exceptions=True,
    )
    assert [type(end) for end in ends if not isinstance(end, str)] == [Conflict]
    assert len(house.queue.commands) == 1
    assert await house.work() == RunState.SETTLED
    assert len([call for call in house.tools.calls if call.tool == "pay_settlement"]) == 1


async def test_an_edit_that_no_longer_holds_is_refused_when_it_is_applied_and_the_case_can_be_decided_again(
    house: House,
) -> None:
    run_id, review_id = await parked(house)
    await decide(house, review_id, DecisionKind.EDIT, edit={"amount": "2000.00"})
    async with house.database.transaction() as session:
        decision = (await session.scalars(select(Decision))).one()
        stored = await house.blobs.get(decision.edit_blob or "")
        tampered = stored.replace(b"2000.00", b"9999999999.99").replace(b"2,000.00", b"9,999,999,999.99")
        decision.edit_blob = await house.blobs.put(tampered, "application/json", session=session)
    assert await house.work() == RunState.WAITING_REVIEW
    assert house.tools.calls == []
    assert "DecisionRefused" in await house.kinds(run_id)
    await decide(house, review_id, DecisionKind.APPROVE)
    assert await house.work() == RunState.SETTLED
    assert made(house)["pay_settlement"].arguments["amount"] == "2596.00"


async def test_an_edit_decided_on_other_facts_is_refused(house: House) -> None:
    _, review_id = await parked(house)
    await decide(house, review_id, DecisionKind.EDIT, edit={"amount": "2000.00"})
    async with house.database.transaction() as session:
        review = await session.get_one(Review, review_id)
        before = await house.blobs.get(review.proposal_blob)
        # What the reviewer saw had another limit than what the run holds now: the calls are the same, the facts not.
        seen = before.replace(b'"15000.00"', b'"25000.00"')
        assert seen != before
        review.proposal_blob = await house.blobs.put(seen, "application/json", session=session)
    assert await house.work() == RunState.WAITING_REVIEW
    assert house.tools.calls == []


# --- what is told ---------------------------------------------------------------------------------------------------


async def test_a_letter_that_failed_after_the_payment_is_told_exactly_so(house: House) -> None:
    async def broken(call: ToolCall) -> None:
        if call.tool == "write_to_claimant":
            raise ToolFailed("The letters are out of order.", effect_known="no")

    run_id, review_id = await parked(house)
    house.tools.before = broken
    await decide(house, review_id, DecisionKind.EDIT, edit={"amount": "2000.00"})
    assert await house.work() == RunState.FAILED
    assert (await house.run(run_id)).amount == Decimal("2000.00")
    said = await told(house)
    assert "The claim was registered. Paid: 2,000.00 GBP. No letter was sent." in said
    assert "Nothing was paid" not in said


async def test_a_payment_of_which_nobody_knows_is_told_as_such(house: House) -> None:
    async def broken(call: ToolCall) -> None:
        if call.tool == "pay_settlement":
            raise ToolFailed("The bank did not answer.", effect_known="unknown")

    run_id, review_id = await parked(house)
    house.tools.before = broken
    await decide(house, review_id, DecisionKind.APPROVE)
    assert await house.work() == RunState.FAILED
    assert (await house.run(run_id)).amount is None
    assert "It is not known whether this happened: The payment was made. No letter was sent." in await told(house)


async def test_a_rejected_case_says_what_was_sent_before(house: House) -> None:
    house.values.update(supporting_document=False, estimate_total=None)
    submitted = await house.submit()
    assert await house.work() == RunState.WAITING_REQUESTER
    house.values.update(supporting_document=True, estimate_total=Decimal("2846.00"))
    house.values["claimed_amount"] = Decimal("2846.00")
    await house.intake.add_message(
        task_id=submitted.task_id, account_id="acc_requester", text="Here it is.", attachments=[]
    )
    assert await house.work() == RunState.WAITING_REVIEW
    [summary] = await house.waiting.list()
    await decide(house, summary.review_id, DecisionKind.REJECT, reason="Doctored.")
    assert await house.work() == RunState.CLOSED
    said = await told(house)
    assert said.startswith("A reviewer stopped this. Nothing was paid. A letter was sent to the policy holder.")
