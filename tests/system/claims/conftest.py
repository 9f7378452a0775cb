import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest_asyncio

from overseen.api.services import Services, open_services
from overseen.domain.identifiers import new_id
from overseen.domain.outcomes import ENDED, Role, RunState
from overseen.engine.intake import Submitted
from overseen.playbooks import load_playbook
from overseen.playbooks.samples import load_sample
from overseen.settings import Settings

AT_REST = {*ENDED, RunState.WAITING_REVIEW, RunState.WAITING_REQUESTER}


@dataclass
class Workers:
    """Worker processes of a test. `log` is what all of them printed."""

    settings: Settings
    log: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.system.claims.scripted_worker"],
                env={**os.environ, "OVERSEEN_HOME": str(self.settings.home)},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()


def write_stack_file(settings: Settings) -> None:
    """What `overseen up` would have left for other processes to read."""
    database, vault = settings.database, settings.vault
    content = {
        "settings": {
            "database": {"url": database.dsn},
            "vault": {
                "addr": vault.addr,
                "role_id": vault.role_id,
                "secret_id": vault.secret_id.get_secret_value() if vault.secret_id else None,
                "audit_file": str(vault.audit_file),
                "server_log": str(vault.server_log),
                "effects_role_id": vault.effects_role_id,
                "effects_secret_id": vault.effects_secret_id.get_secret_value() if vault.effects_secret_id else None,
                "killswitch_role_id": vault.killswitch_role_id,
                "killswitch_secret_id": (
                    vault.killswitch_secret_id.get_secret_value() if vault.killswitch_secret_id else None
                ),
            },
            "sandbox": {"folder": str(settings.sandbox_folder)},
            "witness": {"vault_name": settings.witness.vault_name},
            "resources": {name: resource.model_dump() for name, resource in settings.resources.items()},
        }
    }
    settings.stack_file.write_text(json.dumps(content))
    settings.stack_file.chmod(0o600)


@pytest_asyncio.fixture
async def workers(settings: Settings, tmp_path: Path) -> AsyncIterator[Workers]:
    write_stack_file(settings)
    started = Workers(settings=settings, log=tmp_path / "workers.log")
    yield started
    started.stop()


@pytest_asyncio.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with open_services(settings) as opened:
        yield opened


@pytest_asyncio.fixture
async def hand_in(services: Services) -> Callable[..., object]:
    async def submit(case_id: str = "car_door_plain", message: str | None = None) -> Submitted:
        requester = await services.accounts.ensure("rosa", display_name="Rosa", roles=(Role.REQUESTER,))
        case = load_sample(load_playbook("claims_intake"), case_id)
        return await services.intake.submit(
            requester_id=requester,
            playbook_name="claims_intake",
            message=message or case.message,
            attachments=[(path.name, path.read_bytes()) for path in case.attachments],
            form_token=new_id("form"),
        )

    return submit


async def at_rest(services: Services, run_id: str, seconds: float = 120.0) -> RunState:
    """The state in which the run came to rest."""
    end = time.monotonic() + seconds
    while True:
        state = (await services.runs.run(run_id)).state
        if state in AT_REST:
            return RunState(state)
        if time.monotonic() > end:
            told = [
                f"{entry.at:%H:%M:%S} {entry.kind} {entry.payload}"[:300]
                for entry in await services.journal.entries(run_id)
            ]
            raise AssertionError(f"the run is still {state}:\n" + "\n".join(told[-25:]))
        await asyncio.sleep(0.1)


async def database_text(dsn: str) -> str:
    """Every row of every table, as text: store, journal, checkpoints, workflows."""
    parts: list[str] = []
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        tables = await connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for (table,) in await tables.fetchall():
            rows = await connection.execute(f"SELECT t::text FROM {table} t".encode())
            parts += [row[0] for row in await rows.fetchall()]
    return "\n".join(parts)
