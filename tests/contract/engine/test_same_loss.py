"""One loss handed in more than once: one of the runs may go by itself, the others name it to a person."""

from decimal import Decimal

import pytest
from sqlalchemy import select

from overseen.domain.commands import Command
from overseen.domain.outcomes import DecisionKind, RunState
from overseen.store.tables import LossKeyRecord, Run
from tests.contract.engine.house import REVIEWER, House

PAID = ["register_claim", "pay_settlement", "write_to_claimant"]


async def reasons(house: House, run_id: str) -> tuple[list[str], list[str]]:
    """Why the run waits, and what the check said."""
    waiting = {summary.run_id: summary.review_id for summary in await house.waiting.list()}
    content = (await house.desk.case(waiting[run_id])).content
    said = [finding["message"] for finding in content["findings"] if finding["check"] == "same_loss"]
    return content["boundary"]["reasons"], said


async def decide(house: House, run_id: str, kind: DecisionKind) -> None:
    (summary,) = [summary for summary in await house.waiting.list() if summary.run_id == run_id]
    case = await house.desk.case(summary.review_id)
    await house.desk.decide(
        summary.review_id,
        reviewer_id=REVIEWER,
        kind=kind,
        proposal_digest=case.proposal_digest,
        reason="I looked.",
    )


def another_loss(house: House) -> None:
    house.values.update(incident_date="2026-01-02", estimate_total=Decimal("600.00"), claimed_amount=Decimal("600.00"))


async def test_the_second_waits_and_names_the_first(house: House) -> None:
    first, second = await house.submit("a"), await house.submit("b", "My door has a dent. Kindly pay.")
    assert [await house.work(), await house.work()] == [RunState.SETTLED, RunState.WAITING_REVIEW]
    assert [call.tool for call in house.tools.calls] == PAID
    why, (said,) = await reasons(house, second.run_id)
    assert why[0] == "Another task seems to be about the same loss."
    assert f"{first.run_id} (settled)" in said
    assert (await house.run(second.run_id)).boundary == "human_only"
    entries = await house.journal.entries(second.run_id)
    (compared,) = [entry.payload for entry in entries if entry.kind == "LossesCompared"]
    assert compared["earlier_runs"] == [first.run_id]


async def test_another_loss_of_the_same_policy_goes_by_itself(house: House) -> None:
    await house.submit("a")
    await house.work()
    another_loss(house)
    await house.intake.submit(
        requester_id="acc_other",
        playbook_name="claims_intake",
        message="Another one.",
        attachments=[("letter.txt", b"In January my bumper was scratched.")],
        form_token="b",
    )
    assert await house.work() == RunState.SETTLED


async def test_the_same_file_of_anybody_else_is_the_same_loss(house: House) -> None:
    first = await house.submit("a")
    await house.work()
    another_loss(house)
    house.values["policy_number"] = "CAR-1178-FN"
    second = await house.submit("b")
    assert await house.work() == RunState.WAITING_REVIEW
    _, (said,) = await reasons(house, second.run_id)
    assert first.run_id in said
    assert "the same document" in said


@pytest.mark.parametrize("kind", [DecisionKind.REJECT, DecisionKind.APPROVE])
async def test_a_first_one_that_a_person_refused_or_denied_is_named_too(house: House, kind: DecisionKind) -> None:
    if kind is DecisionKind.APPROVE:
        house.values["covered"] = False  # approved as proposed, it is denied
    else:
        house.values["claimed_amount"] = house.values["estimate_total"] = Decimal("1840.50")
    first = await house.submit("a")
    assert await house.work() == RunState.WAITING_REVIEW
    await decide(house, first.run_id, kind)
    state = await house.work()
    assert state == (RunState.DENIED if kind is DecisionKind.APPROVE else RunState.CLOSED)
    house.values.update(covered=True, claimed_amount=Decimal("742.80"), estimate_total=Decimal("742.80"))
    second = await house.submit("b")
    assert await house.work() == RunState.WAITING_REVIEW
    _, (said,) = await reasons(house, second.run_id)
    assert f"{first.run_id} ({state})" in said


async def test_a_first_one_that_waits_or_failed_is_named_too(house: House) -> None:
    async def broken(_: object) -> None:
        raise ValueError

    house.tools.before = broken
    first = await house.submit("a")
    assert await house.work() == RunState.FAILED
    house.tools.before = None
    second = await house.submit("b")
    third = await house.submit("c")
    assert [await house.work(), await house.work()] == [RunState.WAITING_REVIEW] * 2
    assert f"{first.run_id} (failed)" in (await reasons(house, second.run_id))[1][0]
    assert f"{second.run_id} (waiting review)" in (await reasons(house, third.run_id))[1][0]


async def test_a_run_that_decides_again_is_not_its_own_double(house: House) -> None:
    """A worker that dies after the reservation and before the payment loses neither its place nor pays twice."""
    cut = [ConnectionError()]

    class Cut(BaseException):
        pass

    async def dies(_: object) -> None:
        if cut:
            cut.pop()
            raise Cut

    house.tools.before = dies
    first = await house.submit("a")
    command = house.queue.commands[0]
    with pytest.raises(Cut):
        await house.work()
    async with house.database.read() as session:
        assert (await session.scalars(select(LossKeyRecord.run_id).distinct())).all() == [first.run_id]
    second = await house.submit("b")
    assert await house.work() == RunState.WAITING_REVIEW
    assert first.run_id in (await reasons(house, second.run_id))[1][0]
    assert await house.runner.advance(command) == RunState.SETTLED
    assert [call.tool for call in house.tools.calls] == PAID


async def test_a_run_that_was_cut_while_it_decided_keeps_its_place(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Cut

    first = await house.submit("a")
    command = house.queue.commands[0]
    with monkeypatch.context() as patched:
        patched.setattr("overseen.graphs.decision_nodes.decide_boundary", dies)
        with pytest.raises(Cut):
            await house.work()
    second = await house.submit("b")
    assert await house.work() == RunState.WAITING_REVIEW
    assert first.run_id in (await reasons(house, second.run_id))[1][0]
    assert await house.runner.advance(command) == RunState.SETTLED


async def test_a_second_round_keeps_what_the_first_round_was_known_by(house: House) -> None:
    house.values.update(supporting_document=False, estimate_total=None)
    asked = await house.submit("a")
    assert await house.work() == RunState.WAITING_REQUESTER
    house.values.update(supporting_document=True, estimate_total=Decimal("742.80"))
    double = await house.submit("b", "The same once more.")
    assert await house.work() == RunState.WAITING_REVIEW
    assert asked.run_id in (await reasons(house, double.run_id))[1][0]
    await house.intake.add_message(
        task_id=asked.task_id, account_id="acc_requester", text="Here it is.", attachments=[]
    )
    assert await house.work() == RunState.WAITING_REVIEW
    # It was first by policy and day, but the other was known by the total before it.
    assert double.run_id in (await reasons(house, asked.run_id))[1][0]
    assert "pay_settlement" not in [call.tool for call in house.tools.calls]


async def test_an_old_command_of_a_run_that_ended_changes_nothing(house: House) -> None:
    first = await house.submit("a")
    await house.work()
    assert await house.runner.advance(Command(run_id=first.run_id, kind="start")) == RunState.SETTLED
    async with house.database.read() as session:
        assert (await session.get_one(Run, first.run_id)).amount == Decimal("492.80")
