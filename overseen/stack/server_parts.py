"""The parts that are other people's servers: PostgreSQL, OpenBao, llama.cpp."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from overseen.blocking import run_blocking
from overseen.stack.files import read_json, write_private
from overseen.stack.model import LOCAL_MODEL, Report, provide_model
from overseen.stack.model_server import usable_cores
from overseen.stack.openbao import EmbeddedOpenBao
from overseen.stack.part import expect_answer
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import (
    INSURER_DATABASE,
    LEASE_MANAGER,
    STORE_DATABASE,
    STORE_OWNER,
    lay_out,
    set_password,
)
from overseen.stack.processes import free_port, spawn
from overseen.stack.vault_layout import BROKER, EFFECTS, KILL_SWITCH, LAYOUT
from overseen.stack.vault_provisioning import DatabaseTarget, Login, provision

_SLOT_TOKENS = 8192
# One request at a time on small machines: with two, each slot computes the shared prompt for itself and both wait.
_CORES_PER_SLOT = 4


class PostgresPart:
    """PostgreSQL with the store and the sample insurer."""

    name = "postgres"
    after: tuple[str, ...] = ()
    after_prepared: tuple[str, ...] = ()
    stop_signal = signal.SIGINT
    audit_file: Path | None = None
    ready_within_seconds = 60.0

    def __init__(self, server: EmbeddedPostgres, log: Path) -> None:
        server.log = log
        self.log = log
        self._server = server

    @property
    def port(self) -> int | None:
        """Where it listens on 127.0.0.1."""
        return self._server.port

    async def prepare(self, report: Report) -> Mapping[str, Any]:
        """Make the cluster the first time."""
        report("making the database cluster" if not self._server.data.exists() else "checking files", None)
        await self._server.prepare()
        return {}

    def spawn(self) -> subprocess.Popen[bytes] | None:
        """Start the server."""
        return self._server.spawn()

    async def check(self) -> None:
        """An authenticated query."""
        await self._server.check()

    async def announce(self) -> Mapping[str, Any]:
        """Databases, roles, sample rows; says where they are."""
        await lay_out(self._server)
        return {
            "database": {"url": self._server.url(STORE_DATABASE, STORE_OWNER)},
            "resources": {"insurer": {"host": "127.0.0.1", "port": self._server.port, "database": INSURER_DATABASE}},
        }


class OpenBaoPart:
    """OpenBao, provisioned to make leases on the insurer's database."""

    name = "openbao"
    after: tuple[str, ...] = ("postgres",)
    after_prepared: tuple[str, ...] = ()
    stop_signal = signal.SIGTERM
    ready_within_seconds = 60.0

    def __init__(self, server: EmbeddedOpenBao, postgres: EmbeddedPostgres, log: Path) -> None:
        server.server_log = log
        self.log = log
        self.audit_file: Path | None = server.audit_file
        self._server = server
        self._postgres = postgres

    @property
    def port(self) -> int | None:
        """Where it listens on 127.0.0.1."""
        return self._server.port

    async def prepare(self, report: Report) -> Mapping[str, Any]:
        """Keys and configuration."""
        report("checking files", None)
        await self._server.prepare()
        return {}

    def spawn(self) -> subprocess.Popen[bytes] | None:
        """Start the server."""
        return self._server.spawn()

    async def check(self) -> None:
        """Initialised, unsealed and active."""
        await self._server.check()

    async def announce(self) -> Mapping[str, Any]:
        """Policies, roles and logins; says where they are."""
        logins = await provision_leases(self._server, self._postgres)
        return {
            "vault": {
                "addr": self._server.address,
                "role_id": logins[BROKER].role_id,
                "secret_id": logins[BROKER].secret_id,
                "effects_role_id": logins[EFFECTS].role_id,
                "effects_secret_id": logins[EFFECTS].secret_id,
                "killswitch_role_id": logins[KILL_SWITCH].role_id,
                "killswitch_secret_id": logins[KILL_SWITCH].secret_id,
                # This server is ours alone, so what acts without leave is nobody else's.
                "stop_unauthorized": True,
                "audit_file": str(self._server.audit_file),
                "server_log": str(self._server.server_log),
            }
        }


async def provision_leases(server: EmbeddedOpenBao, postgres: EmbeddedPostgres) -> dict[str, Login]:
    """Bring `server` to the layout, with leases on the insurer's database of `postgres`; returns its logins."""

    async def set_manager_password(password: str) -> None:
        connection = await postgres.connect()
        async with connection:
            await set_password(connection, LEASE_MANAGER, password)

    target = DatabaseTarget(host="127.0.0.1", port=postgres.port, database=INSURER_DATABASE, manager=LEASE_MANAGER)
    return await provision(server, LAYOUT, target, set_manager_password)


class ModelPart:
    """The local model behind llama.cpp's server."""

    name = "model"
    after: tuple[str, ...] = ()
    after_prepared: tuple[str, ...] = ()
    stop_signal = signal.SIGTERM
    audit_file: Path | None = None
    ready_within_seconds = 300.0

    def __init__(self, folder: Path, log: Path, *, port: int, own_file: Path | None) -> None:
        self.log = log
        self.port: int | None = port
        self._folder = folder
        self._own_file = own_file
        self._slots = max(1, usable_cores() // _CORES_PER_SLOT)

    async def prepare(self, report: Report) -> Mapping[str, Any]:
        """Fetch the weights the first time."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        report("looking for the weights", None)
        weights = await provide_model(self._folder, report, own_file=self._own_file)
        self.port = free_port(self.port or 0)
        known = read_json(self._folder / "server.json")
        content = {
            "weights": str(weights),
            "name": LOCAL_MODEL.name,
            "port": self.port,
            "api_key": known.get("api_key") or secrets.token_urlsafe(24),
            "slots": self._slots,
            "slot_tokens": _SLOT_TOKENS,
            "threads": usable_cores(),
        }
        await run_blocking(write_private, self._folder / "server.json", json.dumps(content))
        route = {
            "name": "local",
            "kind": "openai",
            "model": LOCAL_MODEL.name,
            "base_url": f"http://127.0.0.1:{self.port}/v1",
            "api_key": content["api_key"],
            "concurrency": self._slots,
            "context_tokens": _SLOT_TOKENS,
            # Tells how far it has read the question: a sign of life that comes long before the first token.
            "extra": {"return_progress": True},
        }
        return {"routes": [route]}

    def spawn(self) -> subprocess.Popen[bytes] | None:
        """Start the server; loading the weights takes seconds."""
        return spawn(
            [sys.executable, "-m", "overseen.stack.model_server", str(self._folder)],
            log=self.log,
            folder=self._folder,
            environment=dict(os.environ),
            death_signal=self.stop_signal,
        )

    async def check(self) -> None:
        """Weights are loaded and requests are taken."""
        await expect_answer("The model server", f"http://127.0.0.1:{self.port}/health", self.log)

    async def announce(self) -> Mapping[str, Any]:
        """Nothing to say: the route is published while the weights load, so that the worker can start meanwhile."""
        return {}
