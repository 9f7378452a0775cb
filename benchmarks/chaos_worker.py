"""One worker of the chaos run: makes its share of the calls through the whole gateway until all have come back.

Everything in it is what a worker of Overseen runs: its own lock, sweeper, reconciler and canary beside the work. Only
the graph is left out: which calls are made is written in a file.
"""

import asyncio
import json
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from benchmarks.rules import Everything
from overseen.domain.calls import ToolCall
from overseen.engine.liveness import WorkerLiveness, living_worker, new_worker_id
from overseen.engine.services import CanaryService, ReconcilerService, Service, ServiceKeeper, SweeperService
from overseen.errors import OverseenError
from overseen.journal import Journal
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.canary import Canary
from overseen.secrets.connect import broker_vault, effects_vault, killswitch_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.kill import KillSwitch
from overseen.secrets.sweeper import Sweeper
from overseen.secrets.vault_search import VaultSearch
from overseen.settings import Settings, load_settings
from overseen.store import Database, PostgresBlobStore
from overseen.store.tables import CallRecord
from overseen.tools.doors import CallDoors
from overseen.tools.gateway import GatewayParts, build_gateway
from overseen.tools.registry import load_registry
from overseen.tools.sandbox.bubblewrap import BubblewrapBackend
from overseen.tools.types import ToolPort

_LOG = logging.getLogger("chaos")
_RUNS_AT_ONCE = 3
_BLOB_KEY = b"c" * 32


@dataclass(frozen=True, kw_only=True)
class House:
    port: ToolPort
    database: Database
    journal: Journal
    broker: LeaseBroker
    services: tuple[Service, ...]


@asynccontextmanager
async def house(settings: Settings, worker_id: str) -> AsyncGenerator[House]:
    async with AsyncExitStack() as stack:
        database = Database(settings.database.sqlalchemy_url)
        stack.push_async_callback(database.close)
        journal, blobs = Journal(database), PostgresBlobStore(database, _BLOB_KEY)
        vault, killswitch = broker_vault(settings.vault), killswitch_vault(settings.vault)
        effects = effects_vault(settings.vault)
        stack.push_async_callback(vault.close)
        stack.push_async_callback(effects.close)
        stack.push_async_callback(killswitch.close)
        resources = settings.database_resources
        source = VaultCredentials(vault, resources)
        broker = LeaseBroker(
            database=database, journal=journal, vault=vault, source=source, worker_id=worker_id, effects_vault=effects
        )
        stack.push_async_callback(broker.drain)
        backend = BubblewrapBackend(settings.sandbox_folder, most_prewarmed=0)
        stack.push_async_callback(backend.close)
        registry = load_registry()
        rules = Everything(registry.names)
        parts = GatewayParts(
            database=database,
            journal=journal,
            blobs=blobs,
            registry=registry,
            rules=rules,
            plan_lock=rules,
            stop_switch=rules,
            broker=broker,
            backend=backend,
            doors=CallDoors(backend.doors_folder, journal=journal),
        )
        ending = VaultCredentials(killswitch, resources)
        switch = KillSwitch(database=database, journal=journal, blobs=blobs, vault=killswitch, source=ending)
        sweeper = Sweeper(
            database=database,
            journal=journal,
            source=ending,
            search=VaultSearch(killswitch),
            liveness=WorkerLiveness(database),
            resources=resources,
        )
        reconciler = ReconcilerService(
            database=database, journal=journal, killswitch=killswitch, audit_file=settings.vault.audit_file
        )
        canary = Canary(database=database, journal=journal, vault=vault)
        yield House(
            port=build_gateway(parts),
            database=database,
            journal=journal,
            broker=broker,
            services=(CanaryService(canary), SweeperService(sweeper, switch), reconciler),
        )


async def make_calls(made: House, calls: list[dict[str, Any]]) -> None:
    """Every call of one run, in order; each until it has come back."""
    for described in calls:
        call = ToolCall(**described)
        delay = 0.1
        while True:
            try:
                await made.port.call(call)
                break
            except OverseenError as error:
                _LOG.info("again %s %s %s", error.code, call.call_id, error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
    await made.broker.end_run(calls[0]["run_id"])


async def work(made: House, runs: list[list[dict[str, Any]]]) -> None:
    async with made.database.read() as session:
        done = set((await session.scalars(select(CallRecord.call_id).where(CallRecord.state == "finished"))).all())
    left = [run for run in runs if any(ToolCall(**call).call_id not in done for call in run)]
    at_once = asyncio.Semaphore(_RUNS_AT_ONCE)

    async def one(run: list[dict[str, Any]]) -> None:
        async with at_once:
            await make_calls(made, run)

    async with asyncio.TaskGroup() as group:
        for run in left:
            group.create_task(one(run))
    _LOG.info("all calls of this share have come back")


async def main(runs: list[list[dict[str, Any]]]) -> None:
    settings, worker_id = load_settings(), new_worker_id()
    async with (
        house(settings, worker_id) as made,
        living_worker(made.database, worker_id, "local") as lock,
        asyncio.TaskGroup() as group,
    ):
        keeper = ServiceKeeper(database=made.database, journal=made.journal, worker_id=worker_id)
        for service in made.services:
            service.interval_seconds = min(service.interval_seconds, 3.0)
            group.create_task(keeper.keep(service))
        group.create_task(work(made, runs))
        while True:  # as a worker does: without its lock others take over its work
            await asyncio.sleep(1.0)
            await lock.execute("SELECT 1")


def run(home: str, log: str, share: int, shares: int) -> None:
    """The process: `share` of `shares` of the calls in HOME/calls.json."""
    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.environ["OVERSEEN_HOME"] = home
    runs = json.loads((Path(home) / "calls.json").read_text())
    asyncio.run(main(runs[share::shares]))
