"""A worker process: takes runs and questions of its region from the queue until it is told to stop."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import psycopg

from overseen.blocking import run_blocking
from overseen.engine.backups import BackupService
from overseen.engine.composition import WorkerHouse, compose_worker
from overseen.engine.liveness import living_worker, new_worker_id
from overseen.engine.queue import APPLICATION_NAME, APPLICATION_VERSION, questions_queue, runs_queue
from overseen.engine.reaper import Reaper
from overseen.engine.services import ReaperService, ServiceKeeper
from overseen.engine.workflow_library import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from overseen.engine.workflows import install
from overseen.models.types import ModelRoute
from overseen.settings import Settings, load_settings
from overseen.store.file_names import seal_old_file_names

_LOG = logging.getLogger(__name__)

_RUNS_POLL_SECONDS = 0.5
_QUESTIONS_POLL_SECONDS = 0.25
_LOCK_CHECK_SECONDS = 1.0
_END_SECONDS = 10.0


@asynccontextmanager
async def running_worker(
    settings: Settings, *, routes: Sequence[ModelRoute] | None = None
) -> AsyncGenerator[WorkerHouse]:
    """A worker that takes work for as long as the block lasts. One per process: the workflow library is global."""
    worker_id = new_worker_id()
    region = settings.worker.region
    async with (
        compose_worker(settings, worker_id, routes=routes) as house,
        living_worker(house.database, worker_id, region) as lock,
    ):
        client = DBOSClient(
            system_database_url=settings.database.dsn,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION_NAME,
        )
        await seal_old_file_names(house.database, house.blobs)
        install(house.runner, house.answering)
        await _launch(settings, worker_id)
        keeper = ServiceKeeper(database=house.database, journal=house.journal, worker_id=worker_id)
        services = (
            *house.services,
            ReaperService(Reaper(client, house.liveness)),
            BackupService(settings, house.database, house.journal, worker_id),
        )
        async with asyncio.TaskGroup() as background:
            tasks = [background.create_task(keeper.keep(service), name=service.name) for service in services]
            tasks.append(background.create_task(_hold(lock), name="lock"))
            _LOG.info("worker %s takes work of region %s", worker_id, region)
            try:
                yield house
            finally:
                await run_blocking(DBOS.destroy, workflow_completion_timeout_sec=0)
                await run_blocking(client.destroy)
                for task in tasks:
                    task.cancel()


async def _launch(settings: Settings, worker_id: str) -> None:
    config: DBOSConfig = {
        "name": APPLICATION_NAME,
        "system_database_url": settings.database.dsn,
        "application_version": APPLICATION_VERSION,
        "executor_id": worker_id,
        "serializer": DBOSPortableJSONSerializer(),
        "log_level": "WARNING",
        "run_migrations": False,
    }
    DBOS(config=config)
    region = settings.worker.region
    DBOS.listen_queues([runs_queue(region), questions_queue(region)])
    # Launched inside the running loop, so that workflows run on the loop that owns our connections.
    DBOS.launch()
    for name, concurrency, seconds in (
        (runs_queue(region), settings.worker.concurrency, _RUNS_POLL_SECONDS),
        (questions_queue(region), 1, _QUESTIONS_POLL_SECONDS),
    ):
        await DBOS.register_queue_async(
            name, worker_concurrency=concurrency, polling_interval_sec=seconds, on_conflict="always_update"
        )


async def _hold(lock: psycopg.AsyncConnection) -> None:
    """Ends the worker when its lock is gone: from then on others take over its work."""
    while True:
        await asyncio.sleep(_LOCK_CHECK_SECONDS)
        await lock.execute("SELECT 1")


async def _main() -> None:
    settings = load_settings()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        _end_soon()
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    async with running_worker(settings):
        try:
            await stopped.wait()
        finally:
            _end_soon()


def _end_soon() -> None:
    """Ends the process after `_END_SECONDS`, whatever still hangs in it.

    The workflow library waits for a database that is gone without an end, and by then others may be taking over the
    work of this worker. Nothing is lost by ending hard: a worker may be killed at any moment.
    """
    timer = threading.Timer(_END_SECONDS, _end_now)
    timer.daemon = True
    timer.start()


def _end_now() -> None:
    _LOG.warning("did not end within %.0f s and is ended now; another worker takes over what it held", _END_SECONDS)
    os._exit(1)


def main() -> None:
    """Entry of the process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("httpx", "dbos", "LiteLLM"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())


if __name__ == "__main__":
    main()
