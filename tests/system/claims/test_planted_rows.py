"""Rows planted in the workflow and checkpoint tables, as somebody with the database's password could."""

import base64
import json
import pickle
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from overseen.engine.queue import APPLICATION_VERSION, runs_queue
from overseen.engine.workflow_library import DBOSClient, DBOSPortableJSONSerializer
from overseen.settings import Settings
from tests.system.claims.conftest import Workers, at_rest

pytestmark = pytest.mark.slow


class Attack:
    """Makes a file in whatever process reads it back."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


async def plant(settings: Settings, trap: Path) -> None:
    """One row on the queue whose input is a pickle, and one that ended with a pickled output."""
    planted = base64.b64encode(pickle.dumps(Attack(trap))).decode()
    now = int(time.time() * 1000)
    row = (
        "INSERT INTO dbos.workflow_status (workflow_uuid, status, name, queue_name, inputs, output, serialization,"
        " application_version, created_at, updated_at, priority)"
        " VALUES (%s, %s, %s, %s, %s, %s, 'py_pickle', %s, %s, %s, 0)"
    )
    async with await psycopg.AsyncConnection.connect(settings.database.dsn) as connection:
        waiting = ("planted-1", "ENQUEUED", "advance", runs_queue("local"), planted, None)
        ended = ("planted-2", "SUCCESS", "advance", None, json.dumps({}), planted)
        for values in (waiting, ended):
            await connection.execute(row, (*values, APPLICATION_VERSION, now, now))


async def status_of(settings: Settings, workflow: str) -> str:
    async with await psycopg.AsyncConnection.connect(settings.database.dsn) as connection:
        cursor = await connection.execute(
            "SELECT status FROM dbos.workflow_status WHERE workflow_uuid = %s", (workflow,)
        )
        found = await cursor.fetchone()
    assert found is not None
    return str(found[0])


async def test_a_planted_pickle_runs_nothing_and_holds_nobody_up(
    services, workers: Workers, hand_in, settings: Settings, tmp_path: Path
) -> None:
    trap = tmp_path / "code-was-run"
    await plant(settings, trap)
    workers.start()
    submitted = await hand_in()
    assert await at_rest(services, submitted.run_id) == "settled", workers.log.read_text()[-3000:]
    assert await status_of(settings, "planted-1") == "ERROR"
    client = DBOSClient(
        system_database_url=settings.database.dsn, serializer=DBOSPortableJSONSerializer(), application_name="overseen"
    )
    try:
        await client.list_workflows_async(workflow_ids=["planted-1", "planted-2"])
    finally:
        client.destroy()
    assert not trap.exists()
