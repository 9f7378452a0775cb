"""What is written down about a call, on a real database."""

import asyncio
import json

import pytest

from overseen.domain.calls import CallResult, ToolCall
from overseen.domain.canonical import canonical_json
from overseen.errors import Defect, Unavailable
from overseen.journal import Journal
from overseen.store import Database, PostgresBlobStore
from overseen.store.tables import CallRecord
from overseen.tools.errors import ToolFailed, ToolRefused
from overseen.tools.gateway.call_ledger import CallLedger
from overseen.tools.gateway.progress import present_progress
from overseen.tools.gateway.record import RecordedCalls
from tests.tool_doubles import REGISTRY, AnsweringPort, call


class Recorded:
    """A record around an answering port, and what it wrote."""

    def __init__(self, database: Database, inner: AnsweringPort | None = None) -> None:
        self.database = database
        self.journal = Journal(database)
        self.blobs = PostgresBlobStore(database, b"k" * 32)
        self.inner = inner or AnsweringPort()
        ledger = CallLedger(database=database, journal=self.journal, blobs=self.blobs)
        self.port = RecordedCalls(self.inner, ledger=ledger, registry=REGISTRY)

    async def row(self, made: ToolCall) -> CallRecord:
        async with self.database.read() as session:
            found = await session.get(CallRecord, made.call_id)
        assert found is not None
        return found

    async def kinds(self) -> list[str]:
        return [entry.kind for entry in await self.journal.entries("run_1")]


async def test_a_finished_call_has_a_row_two_entries_and_its_contents_in_blobs(database: Database) -> None:
    recorded = Recorded(database)
    made = call()
    await recorded.port.call(made)
    row = await recorded.row(made)
    assert (row.state, row.attempts, row.digest) == ("finished", 1, made.digest)
    assert await recorded.kinds() == ["CallStarted", "CallFinished"]
    assert json.loads(await recorded.blobs.get(row.arguments_blob))["arguments"] == {"text": "hello"}
    assert row.result_blob is not None
    assert json.loads(await recorded.blobs.get(row.result_blob))["value"] == {"length": 5}


async def test_the_start_is_written_before_the_tool_runs(database: Database) -> None:
    seen: list[str] = []
    recorded = Recorded(database)

    async def look(made: ToolCall) -> CallResult:
        seen.extend(await recorded.kinds())
        seen.append((await recorded.row(made)).state)
        return CallResult(call_id=made.call_id, tool=made.tool, value={"length": 1})

    recorded.inner.call = look  # type: ignore[method-assign]
    await recorded.port.call(call())
    assert seen == ["CallStarted", "started"]


async def test_a_finished_call_is_answered_from_its_record_and_runs_no_second_time(database: Database) -> None:
    recorded = Recorded(database)
    first = await recorded.port.call(call())
    again = await recorded.port.call(call())
    assert (again.value, again.blobs, again.replayed) == (first.value, first.blobs, True)
    assert len(recorded.inner.calls) == 1
    assert await recorded.kinds() == ["CallStarted", "CallFinished"]


async def test_a_call_of_a_worker_that_died_is_made_again_under_the_same_id(database: Database) -> None:
    recorded = Recorded(database, AnsweringPort(error=asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError):
        await recorded.port.call(call())
    assert (await recorded.row(call())).state == "started"
    recorded.inner.error = None
    result = await recorded.port.call(call())
    row = await recorded.row(call())
    assert (row.state, row.attempts, result.replayed) == ("finished", 2, False)
    assert {made.call_id for made in recorded.inner.calls} == {row.call_id}


async def test_a_refusal_is_recorded_with_its_rule(database: Database) -> None:
    recorded = Recorded(database, AnsweringPort(error=ToolRefused("No.", rule="plan_lock")))
    with pytest.raises(ToolRefused):
        await recorded.port.call(call())
    row = await recorded.row(call())
    assert (row.state, row.error_code) == ("refused", "plan_lock")
    assert await recorded.kinds() == ["CallStarted", "CallRefused"]


async def test_a_call_of_a_tool_that_does_not_exist_is_recorded_too(database: Database) -> None:
    recorded = Recorded(database, AnsweringPort(error=ToolRefused("No.", rule="policy")))
    made = call("x" * 200)
    with pytest.raises(ToolRefused):
        await recorded.port.call(made)
    assert ((await recorded.row(made)).effect, (await recorded.row(made)).tool) == ("unknown", "x" * 60)


async def test_a_failure_is_recorded_and_the_call_may_be_made_again(database: Database) -> None:
    recorded = Recorded(database, AnsweringPort(error=ToolFailed("Broken.", effect_known="no")))
    with pytest.raises(ToolFailed):
        await recorded.port.call(call())
    assert (await recorded.row(call())).state == "failed"
    recorded.inner.error = None
    assert (await recorded.port.call(call())).value == {"length": 5}
    assert await recorded.kinds() == ["CallStarted", "CallFailed", "CallStarted", "CallFinished"]


@pytest.mark.parametrize(
    ("tool", "started", "known"), [("pay", False, "no"), ("pay", True, "unknown"), ("note", True, "no")]
)
async def test_what_is_certain_about_the_effect_depends_on_how_far_the_call_came(
    database: Database, tool: str, started: bool, known: str
) -> None:
    recorded = Recorded(database)

    async def fail(made: ToolCall) -> CallResult:
        present_progress().tool_started = started
        raise Unavailable("Down.")

    recorded.inner.call = fail  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await recorded.port.call(call(tool))
    last = (await recorded.journal.entries("run_1"))[-1]
    assert (last.kind, last.payload["effect_known"]) == ("CallFailed", known)


async def test_an_error_nobody_foresaw_is_recorded_and_raised_as_a_defect(database: Database) -> None:
    recorded = Recorded(database, AnsweringPort(error=ZeroDivisionError("secret 1234")))
    with pytest.raises(Defect):
        await recorded.port.call(call())
    last = (await recorded.journal.entries("run_1"))[-1]
    assert last.payload["error_code"] == "defect"
    assert b"1234" not in canonical_json(last.payload)


async def test_no_argument_or_result_stands_in_the_journal_or_the_row(database: Database) -> None:
    recorded = Recorded(database, AnsweringPort(value={"length": 987654321}))
    made = call(arguments={"text": "Priya Raman"})
    await recorded.port.call(made)
    written = [canonical_json(entry.payload) for entry in await recorded.journal.entries("run_1")]
    row = await recorded.row(made)
    written.append(repr({key: value for key, value in vars(row).items() if not key.startswith("_")}).encode())
    assert not any(b"Priya" in text or b"987654321" in text for text in written)


async def test_a_result_that_cannot_be_stored_leaves_the_call_to_be_made_again(database: Database) -> None:
    recorded = Recorded(database, AnsweringPort(value={"length": float("nan")}))
    with pytest.raises(ValueError, match="JSON"):
        await recorded.port.call(call())
    assert (await recorded.row(call())).state == "started"
