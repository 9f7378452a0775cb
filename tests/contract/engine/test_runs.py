"""A run through the real graph with real checkpoints: ends, waits, decisions, and what a second try must not do."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from overseen.domain.commands import Command
from overseen.domain.outcomes import DecisionKind, RunState
from overseen.errors import Conflict, Forbidden, InvalidInput, Unavailable
from overseen.evals.suite import date_back
from overseen.graphs.case_file import CaseFiles
from overseen.journal import verify
from overseen.store.tables import Message, Review, Task
from overseen.tools.errors import ToolFailed
from tests.contract.engine.house import OTHER, REQUESTER, REVIEWER, House


async def parked(house: House) -> tuple[str, str, str]:
    """A run that waits for a reviewer: (run id, review id, digest of what would be done)."""
    house.values["estimate_total"] = house.values["claimed_amount"] = Decimal("1840.50")
    submitted = await house.submit()
    assert await house.work() == RunState.WAITING_REVIEW
    [summary] = await house.waiting.list()
    case = await house.desk.case(summary.review_id)
    return submitted.run_id, summary.review_id, case.proposal_digest


async def decide(house: House, review_id: str, digest: str, kind: DecisionKind, **said: object) -> str:
    said.setdefault("reason", "Looks right.")
    return await house.desk.decide(
        review_id,
        reviewer_id=REVIEWER,
        kind=kind,
        proposal_digest=digest,
        **said,  # type: ignore[arg-type]
    )


async def tools_called(house: House) -> list[str]:
    return [call.tool for call in house.tools.calls]


async def test_a_small_clean_claim_is_settled_alone(house: House) -> None:
    submitted = await house.submit()
    assert await house.work() == RunState.SETTLED
    run = await house.run(submitted.run_id)
    assert (run.amount, run.currency, run.boundary) == (Decimal("492.80"), "GBP", "automate")
    assert await tools_called(house) == ["register_claim", "pay_settlement", "write_to_claimant"]
    assert {leave.granted_by for leave in await house.leave(submitted.run_id)} == {"boundary"}


async def test_the_chain_of_a_finished_run_is_closed_signed_and_holds(house: House) -> None:
    submitted = await house.submit()
    await house.work()
    head = await house.journal.head(submitted.run_id)
    assert head is not None
    assert head.closed
    assert head.signature == f"signed:{head.head_hash}"
    assert (await verify(house.journal)).holds


async def test_the_same_form_sent_twice_is_one_task(house: House) -> None:
    first, second = await house.submit("same"), await house.submit("same")
    assert (second.task_id, second.repeated) == (first.task_id, True)
    assert len(house.queue.commands) == 1


async def test_bad_input_stores_nothing(house: House) -> None:
    with pytest.raises(InvalidInput):
        await house.intake.submit(
            requester_id=REQUESTER,
            playbook_name="claims_intake",
            message="x",
            attachments=[("letter.txt", b"fine"), ("invoice.pdf", b"MZ\x90\x00 a program")],
            form_token="bad",
        )
    async with house.database.read() as session:
        assert (await session.scalars(select(Task))).all() == []
    assert house.queue.commands == []


async def test_a_large_claim_waits_and_is_paid_after_approval(house: House) -> None:
    run_id, review_id, digest = await parked(house)
    assert await tools_called(house) == []
    await decide(house, review_id, digest, DecisionKind.APPROVE)
    assert await house.work() == RunState.SETTLED
    assert (await house.run(run_id)).amount == Decimal("1590.50")
    assert await tools_called(house) == ["register_claim", "pay_settlement", "write_to_claimant"]


async def test_a_rejected_claim_has_no_effect(house: House) -> None:
    run_id, review_id, digest = await parked(house)
    await decide(house, review_id, digest, DecisionKind.REJECT, reason="The estimate looks doctored.")
    assert await house.work() == RunState.CLOSED
    assert await tools_called(house) == []
    assert (await house.run(run_id)).amount is None


async def test_an_edit_does_what_it_says_and_not_what_was_proposed(house: House) -> None:
    run_id, review_id, digest = await parked(house)
    await decide(house, review_id, digest, DecisionKind.EDIT, edit={"amount": "900.00"})
    assert await house.work() == RunState.SETTLED
    assert (await house.run(run_id)).amount == Decimal("900.00")
    paid = next(call for call in house.tools.calls if call.tool == "pay_settlement")
    assert paid.arguments["amount"] == "900.00"
    assert "amount" not in paid.argument_facts


async def test_a_requester_cannot_decide_their_own_claim(house: House) -> None:
    _, review_id, digest = await parked(house)
    with pytest.raises(Forbidden):
        await house.desk.decide(
            review_id, reviewer_id=REQUESTER, kind=DecisionKind.APPROVE, proposal_digest=digest, reason="mine"
        )
    with pytest.raises(Forbidden):
        await house.desk.decide(
            review_id, reviewer_id=OTHER, kind=DecisionKind.APPROVE, proposal_digest=digest, reason="no role"
        )
    assert house.queue.commands == []


async def test_a_decision_on_something_else_than_was_seen_is_refused(house: House) -> None:
    _, review_id, _ = await parked(house)
    with pytest.raises(Conflict):
        await decide(house, review_id, "0" * 64, DecisionKind.APPROVE)


async def test_a_case_is_decided_once(house: House) -> None:
    _, review_id, digest = await parked(house)
    await decide(house, review_id, digest, DecisionKind.APPROVE)
    with pytest.raises(Conflict):
        await decide(house, review_id, digest, DecisionKind.REJECT)


async def test_a_decision_whose_reviewer_lost_the_role_is_not_used(house: House) -> None:
    run_id, review_id, digest = await parked(house)
    await decide(house, review_id, digest, DecisionKind.APPROVE)
    async with house.database.transaction() as session:
        from overseen.store.tables import Account

        (await session.get_one(Account, REVIEWER)).roles = []
    assert await house.work() == RunState.WAITING_REVIEW
    assert await tools_called(house) == []
    assert "DecisionRefused" in await house.kinds(run_id)


async def test_a_proposal_changed_behind_the_reviewers_back_is_not_carried_out(house: House) -> None:
    _, review_id, digest = await parked(house)
    await decide(house, review_id, digest, DecisionKind.APPROVE)
    async with house.database.transaction() as session:
        from overseen.store.tables import Decision

        decision = (await session.scalars(select(Decision))).one()
        decision.proposal_digest = "f" * 64
    assert await house.work() == RunState.WAITING_REVIEW
    assert await tools_called(house) == []


async def test_the_same_decision_handed_over_twice_acts_once(house: House) -> None:
    run_id, review_id, digest = await parked(house)
    await decide(house, review_id, digest, DecisionKind.APPROVE)
    command = house.queue.commands[0]
    assert await house.work() == RunState.SETTLED
    assert await house.runner.advance(command) == RunState.SETTLED
    assert await house.runner.advance(Command(run_id=run_id, kind="start")) == RunState.SETTLED
    assert set(house.tools.effects.values()) == {1}


async def test_a_question_of_the_reviewer_waits_for_the_requester_and_starts_over(house: House) -> None:
    run_id, review_id, digest = await parked(house)
    task_id = (await house.run(run_id)).task_id
    await decide(house, review_id, digest, DecisionKind.ASK, reason="Which door was it?")
    assert await house.work() == RunState.WAITING_REQUESTER
    async with house.database.read() as session:
        said = (await session.scalars(select(Message).where(Message.author == "reviewer"))).one()
    assert (await house.blobs.get(said.body_blob)) == b"Which door was it?"
    house.values["estimate_total"] = house.values["claimed_amount"] = Decimal("742.80")
    await house.intake.add_message(task_id=task_id, account_id=REQUESTER, text="The left one.", attachments=[])
    assert await house.work() == RunState.SETTLED
    assert (await house.kinds(run_id)).count("PlanLocked") == 2


async def test_an_old_decision_does_not_answer_a_later_wait(house: House) -> None:
    run_id, review_id, digest = await parked(house)
    task_id = (await house.run(run_id)).task_id
    await decide(house, review_id, digest, DecisionKind.ASK, reason="Which door was it?")
    old = house.queue.commands[0]
    await house.work()
    await house.intake.add_message(task_id=task_id, account_id=REQUESTER, text="The left one.", attachments=[])
    await house.work()
    async with house.database.read() as session:
        open_reviews = (await session.scalars(select(Review).where(Review.state == "open"))).all()
    assert await house.runner.advance(old) == (await house.run(run_id)).state
    async with house.database.read() as session:
        still_open = (await session.scalars(select(Review).where(Review.state == "open"))).all()
    assert [review.review_id for review in still_open] == [review.review_id for review in open_reviews]
    assert await tools_called(house) == []


async def test_a_missing_document_is_asked_for(house: House) -> None:
    house.values.update(supporting_document=False, estimate_total=None)
    submitted = await house.submit()
    state = await house.work()
    if state == RunState.WAITING_REVIEW:
        [summary] = await house.waiting.list()
        case = await house.desk.case(summary.review_id)
        await decide(house, summary.review_id, case.proposal_digest, DecisionKind.APPROVE)
        state = await house.work()
    assert state == RunState.WAITING_REQUESTER
    assert "pay_settlement" not in await tools_called(house)
    assert "RunParked" in await house.kinds(submitted.run_id)


async def test_a_part_that_is_down_for_a_moment_is_waited_for(house: House) -> None:
    failures = [Unavailable("The vault does not answer."), Unavailable("The vault does not answer.")]

    async def down(_: object) -> None:
        if failures:
            raise failures.pop()

    house.tools.before = down
    await house.submit()
    assert await house.work() == RunState.SETTLED
    assert set(house.tools.effects.values()) == {1}


async def test_a_tool_that_fails_for_good_ends_the_run_and_says_so(house: House) -> None:
    async def broken(_: object) -> None:
        raise ToolFailed("The register is closed.", effect_known="no")

    house.tools.before = broken
    submitted = await house.submit()
    assert await house.work() == RunState.FAILED
    run = await house.run(submitted.run_id)
    assert (run.error_code, run.error_message) == ("tool_failed", "The register is closed.")
    assert (await house.kinds(submitted.run_id))[-1] == "RunFailed"
    assert (await verify(house.journal)).holds


async def test_nobody_adds_to_a_task_that_does_not_wait_for_them(house: House) -> None:
    submitted = await house.submit()
    await house.work()
    with pytest.raises(Conflict):
        await house.intake.add_message(task_id=submitted.task_id, account_id=REQUESTER, text="more", attachments=[])


async def test_nothing_personal_stands_in_the_checkpoints_or_the_journal(house: House, database_url: str) -> None:
    import psycopg

    await house.submit(message="Priya Raman of 14 Elm Street wants 742.80")
    await house.work()
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes", "journal"):
            rows = await (await connection.execute(f"SELECT t::text FROM {table} t")).fetchall()
            text = " ".join(row[0] for row in rows)
            for word in ("Priya", "Elm Street", "CAR-2214-KL", "20-45-11"):
                assert word not in text, f"{word} stands in {table}"
                assert word.encode().hex() not in text, f"{word} stands in {table}"


async def test_the_today_of_a_run_is_the_day_on_which_it_was_last_added_to(house: House) -> None:
    run_id, review_id, digest = await parked(house)
    task_id = (await house.run(run_id)).task_id
    await date_back(house.database, task_id, date(2025, 3, 9))
    cases = CaseFiles(database=house.database, blobs=house.blobs, journal=house.journal, worker_id="worker_2")
    assert (await cases.open(run_id)).handed_in == date(2025, 3, 9)
    await decide(house, review_id, digest, DecisionKind.ASK, reason="Which door was it?")
    await house.work()
    await house.intake.add_message(task_id=task_id, account_id=REQUESTER, text="The left one.", attachments=[])
    assert (await cases.open(run_id)).handed_in == datetime.now(UTC).date()
