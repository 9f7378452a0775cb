"""What becomes of a run that cannot go on."""

import logging
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.identifiers import derived_id
from overseen.domain.outcomes import RunState
from overseen.errors import Defect, OverseenError
from overseen.graphs.case_file import CaseFiles
from overseen.graphs.closing import done_text
from overseen.graphs.effects import Effects, effects_of
from overseen.graphs.services import HeadSigner
from overseen.journal import events, seal_or_leave
from overseen.store import tables
from overseen.tools.errors import ToolFailed, ToolRefused

_LOG = logging.getLogger(__name__)

_NEXT = "Nothing further will be done. An operator has been told; you can hand the task in again."
_STOPPED = (
    "The security team stopped this. The credentials it worked with are revoked, and nothing more is paid or sent.\n\n"
    "You need do nothing now. When the security team has looked into it, the task can be handed in again."
)


def as_overseen_error(error: Exception) -> OverseenError:
    """The error as one of ours; what is not ours is a defect, and only its type is told: its text may hold content."""
    if isinstance(error, OverseenError):
        return error
    _LOG.error("a run stopped on an unexpected error", exc_info=error)
    return Defect(
        f"The run stopped on an unexpected {type(error).__name__}.",
        not_done="The run did not go on.",
        next_step="The worker's log has the details; an operator can retry the run.",
    )


def _was_stopped(error: OverseenError) -> bool:
    return isinstance(error, ToolRefused) and error.rule == "stopped"


def _why(error: OverseenError) -> str:
    """What the requester is told of it: how a tool failed may say what stands in a record, so that is left out."""
    return "." if isinstance(error, ToolFailed | ToolRefused) else f": {error.message}"


class RunFailures:
    """Ends runs on errors that no retry mends."""

    def __init__(self, cases: CaseFiles, signer: HeadSigner) -> None:
        self._cases = cases
        self._signer = signer

    async def fail(self, run_id: str, error: OverseenError) -> None:
        """Write down why, tell the requester, and seal the chain (later, when the vault is down)."""
        state = RunState.STOPPED if _was_stopped(error) else RunState.FAILED
        effects = await self._effects(run_id)
        failed = events.RunFailed(
            error_code=error.code,
            message=error.message,
            who_acts=error.who_acts.value,
            state=state.value,
            amount=None if effects is None or effects.paid is None else format(effects.paid, "f"),
        )
        async with self._cases.database.transaction() as session:
            run = await session.get_one(tables.Run, run_id, with_for_update=True)
            run.state, run.error_code, run.error_message = state, error.code, error.message
            run.amount, run.ended_at = effects.paid if effects else None, datetime.now(UTC)
            await self._cases.note(run_id, failed, once="failed", session=session)
            await self._tell((run.task_id, run_id), error, effects, session)
        await seal_or_leave(self._cases.database, self._cases.journal, self._signer, run_id)

    async def _effects(self, run_id: str) -> Effects | None:
        """What the run did before it failed; None where it cannot be read any more."""
        try:
            case = await self._cases.open(run_id)
            async with self._cases.database.read() as session:
                run = await session.get_one(tables.Run, run_id)
            currency = run.currency or case.playbook.currency
            return await effects_of(self._cases, run_id, rules=case.playbook.calls, currency=currency)
        except OverseenError:
            _LOG.exception("what a failed run did before cannot be told")
            return None

    async def _tell(
        self, named: tuple[str, str], error: OverseenError, effects: Effects | None, session: AsyncSession
    ) -> None:
        task_id, run_id = named
        message_id = derived_id("msg", run_id, "failed")
        if await session.get(tables.Message, message_id) is not None:
            return
        done = "What was done before is not known." if effects is None else done_text(effects)
        opening = _STOPPED if _was_stopped(error) else f"This could not be finished{_why(error)}"
        text = f"{opening}\n\n{done}" if _was_stopped(error) else f"{opening}\n\n{done} {_NEXT}"
        body = await self._cases.blobs.put(text.encode(), "text/plain", session=session)
        session.add(
            tables.Message(message_id=message_id, task_id=task_id, author="overseen", kind="notice", body_blob=body)
        )
        added = events.MessageAdded(message_id=message_id, author="overseen", message_kind="notice", body_blob=body)
        await self._cases.note_task(task_id, added, once=f"said:{message_id}", session=session)
