"""Outermost: what is about to happen is written down before, what came of it after; what finished never runs again."""

from overseen.domain.calls import CallResult, ToolCall
from overseen.errors import Defect, OverseenError
from overseen.tools.errors import ToolFailed, ToolRefused
from overseen.tools.gateway.call_ledger import CallLedger
from overseen.tools.gateway.progress import new_progress, timed
from overseen.tools.registry import ToolRegistry
from overseen.tools.types import ToolPort


class RecordedCalls:
    """Answers a finished call from its record; makes every other call under the same idempotency key.

    A record that still says `started` is of a worker that died. A call that was refused or failed is judged anew. When
    the task is cancelled the record stays `started`, as after a crash: nobody knows what came of the call.
    """

    def __init__(self, inner: ToolPort, *, ledger: CallLedger, registry: ToolRegistry) -> None:
        self._inner = inner
        self._ledger = ledger
        self._registry = registry

    async def call(self, call: ToolCall) -> CallResult:
        """See ToolPort."""
        with new_progress() as progress:
            with timed("record"):
                before = await self._ledger.finished_before(call)
                if before is not None:
                    return before
                effect = self._registry.effect_of(call.tool)
                await self._ledger.start(call, effect)
            try:
                result = await self._inner.call(call)
            except ToolRefused as error:
                await self._ledger.refuse(call, error, progress.rounded_timings())
                raise
            except OverseenError as error:
                known = error.effect_known if isinstance(error, ToolFailed) else progress.effect_known(effect)
                await self._ledger.fail(call, error, known, progress.rounded_timings())
                raise
            except Exception as error:
                defect = Defect(f"The tool gateway failed with {type(error).__name__}.", not_done="There is no result.")
                await self._ledger.fail(call, defect, progress.effect_known(effect), progress.rounded_timings())
                raise defect from error
            with timed("record"):
                await self._ledger.finish(call, result, progress.rounded_timings())
            return result
