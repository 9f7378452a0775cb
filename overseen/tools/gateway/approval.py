"""A tool that changes the world is called only with leave for exactly this call, and a leave is used once."""

from datetime import UTC, datetime

from sqlalchemy import or_, update

from overseen.domain.calls import CallResult, Effect, ToolCall
from overseen.store import Database
from overseen.store.tables import Authorization
from overseen.tools.errors import ToolRefused
from overseen.tools.registry import ToolRegistry
from overseen.tools.types import ToolPort


class ApprovedCalls:
    """Asks for an unused authorization whose digest is that of the call.

    Looking and marking as used is one statement, so of two calls that bring the same authorization one is refused. The
    same call made again after a crash finds its own mark and goes through.
    """

    def __init__(self, inner: ToolPort, *, database: Database, registry: ToolRegistry) -> None:
        self._inner = inner
        self._database = database
        self._registry = registry

    async def call(self, call: ToolCall) -> CallResult:
        """See ToolPort."""
        if self._registry.get(call.tool).effect is not Effect.READ:
            await self._use(call)
        return await self._inner.call(call)

    async def _use(self, call: ToolCall) -> None:
        if call.authorization_id is None:
            raise _refused(call, "nobody has given leave for it")
        statement = (
            update(Authorization)
            .where(
                Authorization.authorization_id == call.authorization_id,
                Authorization.run_id == call.run_id,
                Authorization.call_digest == call.digest,
                or_(Authorization.used_call_id.is_(None), Authorization.used_call_id == call.call_id),
            )
            .values(used_call_id=call.call_id, used_at=datetime.now(UTC))
            .returning(Authorization.authorization_id)
        )
        async with self._database.transaction() as session:
            if await session.scalar(statement) is not None:
                return
            known = await session.get(Authorization, call.authorization_id)
        if known is None or known.run_id != call.run_id:
            raise _refused(call, "the leave it brings is not of this run")
        if known.call_digest != call.digest:
            raise _refused(call, "the leave it brings is for another call: something was changed after it was given")
        raise _refused(call, "the leave it brings was used before")


def _refused(call: ToolCall, reason: str) -> ToolRefused:
    return ToolRefused(
        f"{call.tool} changes something, and {reason}.",
        rule="approval",
        next_step="A reviewer decides on a new proposal for exactly this call.",
    )
