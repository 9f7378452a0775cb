"""Every way a run can go leaves rows that the journal agrees with, at each moment on the way."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from overseen.api.accounts import Accounts
from overseen.domain.commands import Command
from overseen.domain.outcomes import DecisionKind, Role, RunState
from overseen.journal import Verdict
from overseen.tools.errors import ToolFailed
from tests.contract.engine.house import REQUESTER, REVIEWER
from tests.contract.journal.conftest import Installation


async def decide(there: Installation, kind: DecisionKind, **said: Any) -> None:
    [summary] = await there.house.waiting.list()
    case = await there.house.desk.case(summary.review_id)
    await there.house.desk.decide(
        summary.review_id,
        reviewer_id=REVIEWER,
        kind=kind,
        proposal_digest=case.proposal_digest,
        reason="Because.",
        **said,
    )


async def approve(there: Installation) -> None:
    await decide(there, DecisionKind.APPROVE)
    await there.house.work()


async def reject(there: Installation) -> None:
    await decide(there, DecisionKind.REJECT)
    await there.house.work()


async def ask_and_be_answered(there: Installation) -> None:
    await decide(there, DecisionKind.ASK)
    assert await there.house.work() == RunState.WAITING_REQUESTER
    await holds(there)
    await there.house.intake.add_message(
        task_id=there.waiting_task, account_id=REQUESTER, text="Here it is.", attachments=[("bill.txt", b"A bill.")]
    )
    await holds(there)
    assert await there.house.work() == RunState.WAITING_REVIEW


async def edit_to_less(there: Installation) -> None:
    await decide(there, DecisionKind.EDIT, edit={"amount": "500.00"})
    assert await there.house.work() == RunState.SETTLED


async def edit_to_more_and_be_stopped_by_the_second(there: Installation) -> None:
    await decide(there, DecisionKind.EDIT, edit={"amount": "1700.00"})
    assert await there.house.work() == RunState.WAITING_REVIEW
    await holds(there)
    [summary] = await there.house.waiting.list()
    case = await there.house.desk.case(summary.review_id)
    accounts = Accounts(there.house.database, there.house.journal)
    second = await accounts.ensure("bert", display_name="Bert", roles=(Role.REVIEWER,))
    await there.house.desk.decide(
        summary.review_id,
        reviewer_id=second,
        kind=DecisionKind.REJECT,
        proposal_digest=case.proposal_digest,
        reason="Too much.",
    )
    assert await there.house.work() == RunState.CLOSED


async def tell_of_a_danger(there: Installation) -> None:
    await there.house.intake.ask(
        task_id=there.waiting_task, account_id=REQUESTER, text="When? My daughter was injured in it, by the way."
    )
    await holds(there)
    assert await there.house.work() == RunState.WAITING_REVIEW


async def fail_at_a_tool(there: Installation) -> None:
    async def broken(_: object) -> None:
        raise ToolFailed("The register is closed.", effect_known="no")

    there.house.tools.before = broken
    await decide(there, DecisionKind.APPROVE)
    assert await there.house.work() == RunState.FAILED


async def be_taken_up_again_after_parking(there: Installation) -> None:
    """A worker died before it could say that the run was parked: the run waits on, and is not shown as working."""
    await there.house.runner.advance(Command(run_id=there.waiting, kind="start"))
    assert (await there.house.run(there.waiting)).state == RunState.WAITING_REVIEW


async def shut_somebody_out(there: Installation) -> None:
    accounts = Accounts(there.house.database, there.house.journal)
    await accounts.set_roles("ann", [Role.AUDITOR, Role.OPERATOR])
    await accounts.disable("ann")
    await accounts.enable("ann")
    await accounts.redeem(await accounts.link("ann"))


async def holds(there: Installation) -> None:
    found = await there.verify()
    assert (found.breaks, found.verdict) == ((), Verdict.VERIFIED)


@pytest.mark.parametrize(
    "go",
    [
        approve,
        reject,
        ask_and_be_answered,
        edit_to_less,
        edit_to_more_and_be_stopped_by_the_second,
        tell_of_a_danger,
        fail_at_a_tool,
        be_taken_up_again_after_parking,
        shut_somebody_out,
    ],
    ids=lambda go: go.__name__,
)
async def test_what_pages_show_is_what_the_journal_says(
    installation: Installation, go: Callable[[Installation], Awaitable[None]]
) -> None:
    await holds(installation)
    await go(installation)
    await holds(installation)
    await installation.checkpoint()
    await holds(installation)
