"""Runs jobs on E2B: a virtual machine for each, and in it the same walls as on our own machine.

The machine is the outer wall: another kernel, no network but to hosts that are named, with credentials put into
requests by E2B's own proxy. What E2B has no limits for is enforced inside by bwrap and the syscall filter of the
bubblewrap sandbox, which are sent along. Needs the extra `e2b`, an API key, and a template with Python 3.11 or newer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping

from overseen.blocking import run_blocking
from overseen.tools.sandbox.answers import Answers, hear_answer
from overseen.tools.sandbox.e2b_bundle import job_package, machine_archive
from overseen.tools.sandbox.e2b_machine import E2BConnection, Machine, end_tasks, load_sdk, rented_machine, spoken
from overseen.tools.sandbox.judgement import Exchange, judge
from overseen.tools.sandbox.port import (
    Capability,
    CapabilityMissing,
    InvalidJob,
    SandboxJob,
    SandboxProfile,
    SandboxResult,
    SandboxUnavailable,
    check_job,
)
from overseen.tools.sandbox.sealing import check_walls, wall_probe

_ALWAYS = frozenset(
    {
        Capability.CREDENTIAL_INJECTION,
        Capability.PIDS,
        Capability.CPU,
        Capability.DISK,
        Capability.SYSCALL_FILTER,
        Capability.PER_CALL_ISOLATION,
    }
)
_HELLO_SECONDS = 30.0
_ENDING_SECONDS = 5.0
_COMMAND = "exec python3 -I -S machine.zip job.bin"
_WORKER, _INSTALLATION = "worker", "overseen"


class E2BBackend:
    """A machine of E2B for each job. `worker_id` and `installation` are how a sweep knows whose machine it is."""

    name = "e2b"

    def __init__(
        self, connection: E2BConnection, *, installation: str, worker_id: str = "", concurrency: int = 4
    ) -> None:
        self._connection = connection
        self._installation = installation
        self._worker_id = worker_id
        self._free = asyncio.Semaphore(concurrency)
        self._probing = asyncio.Lock()
        self._probed = False
        self._closed = False
        self._running: set[asyncio.Task[SandboxResult]] = set()

    async def capabilities(self) -> frozenset[Capability]:
        """See the port. Not among them: looking at methods and paths on the way out, doors, snapshots."""
        await self._ready()
        return self._capabilities_for(SandboxProfile(), egress=False)

    def _capabilities_for(self, profile: SandboxProfile, *, egress: bool) -> frozenset[Capability]:
        known = set(_ALWAYS)
        if profile.processes == 1:
            known.add(Capability.MEMORY_TOTAL)
        if not egress:
            known.add(Capability.NETWORK_DENY)
        return frozenset(known)

    async def run(self, job: SandboxJob) -> SandboxResult:
        """See the port. Doors lead to sockets of this machine, which a machine elsewhere cannot be shown."""
        check_job(job)
        missing = job.profile.needs - self._capabilities_for(job.profile, egress=bool(job.egress))
        if job.doors:
            missing |= {Capability.EGRESS_ALLOW_LIST}
        if missing:
            raise CapabilityMissing(
                backend=self.name,
                missing=missing,
                next_step='Set `backend="bubblewrap"` in the tool\'s profile, or need less in it.',
            )
        await self._ready()
        async with self._free:
            running = asyncio.create_task(self._run(job))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await end_tasks({running})
                if self._closed and not _cancelling():
                    raise _closed() from None
                raise

    async def _run(self, job: SandboxJob) -> SandboxResult:
        try:
            package = await run_blocking(job_package, job)
        except (ValueError, TypeError) as error:
            raise InvalidJob(
                "The request is not JSON.", not_done="The tool was not run.", next_step="Send JSON types only."
            ) from error
        archive = await run_blocking(machine_archive)
        labels = {
            _INSTALLATION: self._installation,
            _WORKER: self._worker_id,
            "run": job.run_id,
            "call": job.call_id,
        }
        answers, exchange = Answers(job.profile.output_bytes), Exchange()
        started = time.monotonic()
        async with rented_machine(self._connection, job.profile, job.egress, labels) as machine:
            await machine.send({"machine.zip": archive, "job.bin": package})
            started = time.monotonic()
            await self._exchange(job.profile, machine, answers, exchange)
        if answers.unfit is not None:
            raise SandboxUnavailable(
                f"The E2B template cannot run tools: {answers.unfit}.",
                not_done="The tool was not run.",
                next_step="Name a template that can in OVERSEEN_E2B_TEMPLATE.",
            )
        ended = answers.ended or answers.unknown_end()
        return judge(job, answers, exchange, ended, time.monotonic() - started)

    async def _exchange(self, profile: SandboxProfile, machine: Machine, answers: Answers, exchange: Exchange) -> None:
        lifetime = profile.wall_seconds + _HELLO_SECONDS + _ENDING_SECONDS
        watching = asyncio.create_task(machine.run(_COMMAND, answers, lifetime))
        hearing = asyncio.create_task(hear_answer(answers.frames, profile, exchange, _HELLO_SECONDS))
        overflow = asyncio.create_task(answers.too_much.wait())
        try:
            await asyncio.wait({hearing, overflow}, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                hearing.result()
                if not exchange.timed_out:
                    await asyncio.wait({watching, overflow}, timeout=_ENDING_SECONDS, return_when="FIRST_COMPLETED")
            elif not answers.log_overflowed:
                exchange.too_large = True
            if watching.done() and exchange.header is None:
                watching.result()
        finally:
            await end_tasks({watching, hearing, overflow})

    async def _ready(self) -> None:
        """Look at the walls from inside, once."""
        async with self._probing:
            if self._closed:
                raise _closed()
            await run_blocking(load_sdk)
            if not self._probed:
                check_walls(self.name, (await self._run(wall_probe())).value)
                self._probed = True

    async def sweep(self, dead: Callable[[Collection[str]], Awaitable[set[str]]]) -> int:
        """End machines whose worker is dead; returns how many. `dead` picks the dead ones out of worker ids.

        A worker ends its machines itself; this is for those that were killed. Raises SandboxUnavailable.
        """
        await run_blocking(load_sdk)
        found = await _machines(self._connection, self._installation)
        owners = {labels.get(_WORKER, "") for labels in found.values()} - {"", self._worker_id}
        gone = await dead(owners) if owners else set[str]()
        swept = 0
        for machine, labels in found.items():
            if labels.get(_WORKER, "") in gone:
                swept += await _end_by_id(self._connection, machine)
        return swept

    async def close(self) -> None:
        """See the port."""
        self._closed = True
        await end_tasks(set(self._running))


async def _machines(connection: E2BConnection, installation: str) -> dict[str, Mapping[str, str]]:
    """All machines of this installation with their labels, by id."""
    from e2b import AsyncSandbox, SandboxQuery

    found: dict[str, Mapping[str, str]] = {}
    with spoken("machines could not be listed"):
        pages = AsyncSandbox.list(query=SandboxQuery(metadata={_INSTALLATION: installation}), **connection.options())
        while pages.has_next:
            found |= {machine.sandbox_id: machine.metadata for machine in await pages.next_items()}
    return found


async def _end_by_id(connection: E2BConnection, machine: str) -> bool:
    from e2b import AsyncSandbox

    with spoken("a machine could not be ended"):
        return await AsyncSandbox.kill(machine, **connection.options())


def _cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _closed() -> SandboxUnavailable:
    return SandboxUnavailable("The sandbox is closed.", not_done="There is no result.", next_step="Try again.")
