"""Advances one run: from its last checkpoint until it parks or ends."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Protocol

from langgraph.types import Command as ResumeCommand
from psycopg_pool import AsyncConnectionPool

from overseen.domain.commands import Command
from overseen.domain.outcomes import ENDED, RunState
from overseen.engine.checkpoints import state_saver
from overseen.engine.failures import RunFailures, as_overseen_error
from overseen.errors import OverseenError
from overseen.graphs.case_file import CaseFiles
from overseen.graphs.supervisor_graph import CompiledGraph
from overseen.journal import events
from overseen.models.errors import RouteUnavailable
from overseen.models.work_time import WorkClock, WorkClocks
from overseen.playbooks import load_playbook
from overseen.store import tables
from overseen.tracing import RunTrace, Tracer

RETRY_DELAYS_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0, 120.0)
"""How long to wait between tries while a part of the house is down: five minutes in all."""


class RunLeases(Protocol):
    """Knows the token that a run's credentials hang from."""

    async def end_run(self, run_id: str) -> bool:
        """Revoke the run's token and all below it; False when that is not proven yet."""
        ...


class RunRunner:
    """Runs the supervisor graph for commands. One per worker; every run gets its own checkpoint saver."""

    def __init__(
        self,
        *,
        graph: CompiledGraph,
        pool: AsyncConnectionPool[Any],
        cases: CaseFiles,
        failures: RunFailures,
        tracer: Tracer,
        leases: RunLeases,
        clocks: WorkClocks | None = None,
        retry_delays: tuple[float, ...] = RETRY_DELAYS_SECONDS,
    ) -> None:
        self._graph = graph
        self._pool = pool
        self._cases = cases
        self._failures = failures
        self._tracer = tracer
        self._leases = leases
        self._worker_id = cases.worker_id
        self._clocks = clocks or WorkClocks(cases.database)
        self._retry_delays = retry_delays

    async def advance(self, command: Command) -> str:
        """Carry out `command`; returns the run's state afterwards. Safe to call again after a crash at any point."""
        async with self._cases.database.read() as session:
            run = await session.get_one(tables.Run, command.run_id)
        if run.state in ENDED and await self._closed(command.run_id):
            # Nothing can be recorded any more, so a failed one is not gone on with either.
            return run.state
        graph = self._graph.copy(update={"checkpointer": state_saver(self._pool)})
        wall_seconds = load_playbook(run.playbook).budget.wall_seconds
        try:
            # What the requester adds starts the reading anew, and with it the time that it may take.
            async with self._clocks.running(command.run_id, wall_seconds, anew=command.kind == "message") as clock:
                await self._advance_with_patience(graph, command, clock)
        finally:
            await self._leases.end_run(command.run_id)
        async with self._cases.database.read() as session:
            return (await session.get_one(tables.Run, command.run_id)).state

    async def _closed(self, run_id: str) -> bool:
        head = await self._cases.journal.head(run_id)
        return head is not None and head.closed

    async def _advance_with_patience(self, graph: CompiledGraph, command: Command, clock: WorkClock) -> None:
        error = await self._tried(graph, command)
        for delay in self._retry_delays:
            if error is None or not error.retryable:
                break
            await asyncio.sleep(delay)
            error = await self._tried(graph, command)
        if isinstance(error, RouteUnavailable):
            # No model for so long: a person goes on with what is known. A run does not fail because of a model.
            clock.end(f"No model answered for {sum(self._retry_delays):.0f} seconds.")
            error = await self._tried(graph, command)
        if error is not None:
            await self._failures.fail(command.run_id, error)

    async def _tried(self, graph: CompiledGraph, command: Command) -> OverseenError | None:
        """One try; what it failed on, None when it did not."""
        try:
            await self._advance_once(graph, command)
        except Exception as error:  # noqa: BLE001 - every failure of a run ends in the journal, none in silence
            return as_overseen_error(error)
        return None

    async def _advance_once(self, graph: CompiledGraph, command: Command) -> None:
        config = {
            "configurable": {"thread_id": command.run_id, "__pregel_strict_resume": True},
            "recursion_limit": 100,
        }
        handed_in = False
        while not handed_in:
            snapshot = await graph.aget_state(config)
            given = await self._input(snapshot, command)
            parked = any(task.interrupts for task in snapshot.tasks)
            if given is None and (parked or not snapshot.next):
                return  # also when a crash lost that it had parked: its row says for whom it waits
            await self._mark_running(command.run_id)
            await graph.ainvoke(given, config, durability="sync")
            # Without an input it went on after a crash, maybe up to the very wait that this command ends.
            handed_in = given is not None

    async def _input(self, snapshot: Any, command: Command) -> Any:
        """What to hand to the graph: the first state, an answer to the wait it is for, or None to go on."""
        if command.kind == "start":
            await self._note_started(command)
            return None if snapshot.created_at else {"run_id": command.run_id}
        waits = [interrupt for task in snapshot.tasks for interrupt in task.interrupts]
        if not waits:
            return None
        wait = waits[0]
        if not await self._ends(command, wait):
            return None
        resumed = events.RunResumed(
            interrupt_id=wait.id,
            decision_id=command.subject_id if command.kind == "decision" else None,
            message_id=command.subject_id if command.kind == "message" else None,
        )
        key = f"resumed:{command.command_id}"
        entry = await self._cases.journal.append(
            resumed, stream=command.run_id, actor=f"worker:{self._worker_id}", once=key
        )
        if entry.payload["interrupt_id"] != wait.id:
            # This answer ended an earlier wait before a crash; the run now waits for something else.
            return None
        return ResumeCommand(resume={wait.id: command.subject_id})

    async def _ends(self, command: Command, wait: Any) -> bool:
        """Whether the command answers this wait: a decision on its review, a message where one is awaited."""
        if command.kind == "message":
            return wait.value["waits_for"] == "requester" or await self._withdrawn(wait.value.get("review_id", ""))
        async with self._cases.database.read() as session:
            decision = await session.get(tables.Decision, command.subject_id)
        return decision is not None and decision.review_id == wait.value.get("review_id")

    async def _withdrawn(self, review_id: str) -> bool:
        """Whether the review was withdrawn because the requester told something that has to be read first."""
        async with self._cases.database.read() as session:
            review = await session.get(tables.Review, review_id)
        return review is not None and review.state == "withdrawn"

    async def _note_started(self, command: Command) -> None:
        async with self._cases.database.transaction() as session:
            run = await session.get_one(tables.Run, command.run_id, with_for_update=True)
            described = RunTrace(run_id=run.run_id, task_id=run.task_id, playbook=run.playbook, region=run.region)
            trace = self._tracer.begin_run(described)
            run.trace_id, run.root_span_id = trace.trace_id, trace.root_span_id
            started = events.RunStarted(worker_id=self._worker_id, trace_id=trace.trace_id)
            key = f"started:{command.command_id}:{self._worker_id}"
            await self._cases.note(command.run_id, started, once=key, session=session)

    async def _mark_running(self, run_id: str) -> None:
        async with self._cases.database.transaction() as session:
            run = await session.get_one(tables.Run, run_id, with_for_update=True)
            run.state = RunState.RUNNING
            run.started_at = run.started_at or datetime.now(UTC)
            run.parked_at = None
