"""The row of each call and its journal entries, always written together."""

import json
from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert

from overseen.domain.calls import CallResult, Effect, ToolCall
from overseen.domain.canonical import canonical_json
from overseen.domain.findings import Finding, Verdict
from overseen.errors import OverseenError
from overseen.journal import Journal
from overseen.journal.events import CallFailed, CallFinished, CallRefused, CallStarted, Event
from overseen.store import BlobStore, Database
from overseen.store.tables import CallRecord
from overseen.tools.errors import EffectKnown, ToolRefused

_JSON = "application/json"
_MOST_NAME = 60
"""Characters of the column: a tool's name may be a model's invention."""


class CallLedger:
    """Writes down tool calls. Arguments and results are blobs; rows and events carry their digests."""

    def __init__(self, *, database: Database, journal: Journal, blobs: BlobStore) -> None:
        self._database = database
        self._journal = journal
        self._blobs = blobs

    async def finished_before(self, call: ToolCall) -> CallResult | None:
        """What the call returned when it was made before, None when it never came back."""
        query = select(CallRecord.result_blob).where(CallRecord.call_id == call.call_id, CallRecord.state == "finished")
        async with self._database.read() as session:
            blob = await session.scalar(query)
        return None if blob is None else _restored(call, await self._blobs.get(blob))

    async def start(self, call: ToolCall, effect: Effect | None) -> None:
        """Write down that the call is about to be made, for the first time or again."""
        arguments = canonical_json({"arguments": call.arguments, "files": call.files})
        tool, effect_name = call.tool[:_MOST_NAME], effect.value if effect else "unknown"
        async with self._database.transaction() as session:
            blob = await self._blobs.put(arguments, _JSON, session=session)
            earlier = await session.scalar(select(CallRecord.attempts).where(CallRecord.call_id == call.call_id))
            attempt = 1 + (earlier or 0)
            event = CallStarted(
                call_id=call.call_id,
                step_id=call.step_id,
                agent=call.agent,
                tool=tool,
                effect=effect_name,
                digest=call.digest,
                arguments_blob=blob,
                argument_facts=dict(call.argument_facts),
                attempt=attempt,
            )
            # The journal first: its lock on the run's chain makes `started_at` follow the order of the calls.
            await self._append(event, call, session)
            statement = insert(CallRecord).values(
                call_id=call.call_id,
                run_id=call.run_id,
                step_id=call.step_id,
                agent=call.agent,
                tool=tool,
                effect=effect_name,
                digest=call.digest,
                arguments_blob=blob,
                state="started",
                attempts=attempt,
                started_at=func.clock_timestamp(),
                timings={},
            )
            again: dict[str, Any] = {
                "state": "started",
                "attempts": attempt,
                "error_code": None,
                "ended_at": None,
                # A refused call gave its place in the budget back and takes a new one.
                "started_at": case(
                    (CallRecord.state == "refused", func.clock_timestamp()), else_=CallRecord.started_at
                ),
            }
            await session.execute(statement.on_conflict_do_update(index_elements=[CallRecord.call_id], set_=again))

    async def finish(self, call: ToolCall, result: CallResult, timings: dict[str, float]) -> None:
        """Write down what came back."""
        content = canonical_json({"value": result.value, "blobs": result.blobs, "findings": result.findings})
        blob = await self._blobs.put(content, _JSON)
        event = CallFinished(
            call_id=call.call_id, step_id=call.step_id, tool=call.tool, result_blob=blob, timings=timings
        )
        await self._end(call, event, {"state": "finished", "result_blob": blob, "timings": timings})

    async def refuse(self, call: ToolCall, error: ToolRefused, timings: dict[str, float]) -> None:
        """Write down that a rule said no."""
        event = CallRefused(
            call_id=call.call_id,
            step_id=call.step_id,
            agent=call.agent,
            tool=call.tool[:_MOST_NAME],
            digest=call.digest,
            rule=error.rule,
            message=error.message,
        )
        await self._end(call, event, {"state": "refused", "error_code": error.rule, "timings": timings})

    async def fail(self, call: ToolCall, error: OverseenError, known: EffectKnown, timings: dict[str, float]) -> None:
        """Write down that the call ended in an error, and what is certain about its effect."""
        event = CallFailed(
            call_id=call.call_id,
            step_id=call.step_id,
            tool=call.tool[:_MOST_NAME],
            error_code=error.code,
            message=error.message,
            effect_known=known,
        )
        await self._end(call, event, {"state": "failed", "error_code": error.code, "timings": timings})

    async def _end(self, call: ToolCall, event: Event, row: dict[str, Any]) -> None:
        statement = update(CallRecord).where(CallRecord.call_id == call.call_id)
        async with self._database.transaction() as session:
            await self._append(event, call, session)
            await session.execute(statement.values(**row, ended_at=func.clock_timestamp()))

    async def _append(self, event: Event, call: ToolCall, session: Any) -> None:
        await self._journal.append(event, stream=call.run_id, actor=f"agent:{call.agent}", session=session)


def _restored(call: ToolCall, content: bytes) -> CallResult:
    stored = json.loads(content)
    return CallResult(
        call_id=call.call_id,
        tool=call.tool,
        value=stored["value"],
        blobs=stored["blobs"],
        findings=tuple(_finding(item) for item in stored["findings"]),
        replayed=True,
    )


def _finding(item: dict[str, Any]) -> Finding:
    return Finding(
        check=item["check"],
        verdict=Verdict(item["verdict"]),
        subject=item["subject"],
        message=item["message"],
        evidence=item["evidence"],
    )
