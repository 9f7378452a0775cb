"""The parts of the stack, each a program with a way to prepare, start, check and announce it. `build_parts` is the list."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from overseen.blocking import run_blocking
from overseen.errors import Misconfigured, Unavailable
from overseen.settings import Settings, load_settings
from overseen.stack.files import read_json, write_private
from overseen.stack.model import LOCAL_MODEL, Report, provide_model
from overseen.stack.openbao import EmbeddedOpenBao
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
from overseen.stack.vault_layout import BROKER, KILL_SWITCH, LAYOUT
from overseen.stack.vault_provisioning import DatabaseTarget, Login, provision

_SLOT_TOKENS = 8192
# One request at a time on small machines: with two, each slot computes the shared prompt for itself and both wait.
_CORES_PER_SLOT = 4


class Part(Protocol):
    """A program the stack runs, or a step it takes (`spawn` returns None).

    name: as `overseen status` shows it. after: parts that must be ready first. port: where it listens, if it does.
    log: where its output goes. ready_within_seconds: how long `check` may fail after `spawn`.
    """

    name: str
    after: tuple[str, ...]
    log: Path
    stop_signal: signal.Signals
    ready_within_seconds: float

    @property
    def port(self) -> int | None: ...

    async def prepare(self, report: Report) -> Mapping[str, Any]:
        """Files, downloads, ports; returns settings that must be in stack.json before the program starts."""
        ...

    def spawn(self) -> subprocess.Popen[bytes] | None:
        """Start it. Called from the main thread."""
        ...

    async def check(self) -> None:
        """Raise Unavailable while it does not work."""
        ...

    async def announce(self) -> Mapping[str, Any]:
        """Called when it works; returns settings for stack.json."""
        ...


class PostgresPart:
    """PostgreSQL with the store and the sample insurer."""

    name = "postgres"
    after: tuple[str, ...] = ()
    stop_signal = signal.SIGINT
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
    after = ("postgres",)
    stop_signal = signal.SIGTERM
    ready_within_seconds = 60.0

    def __init__(self, server: EmbeddedOpenBao, postgres: EmbeddedPostgres, log: Path) -> None:
        server.server_log = log
        self.log = log
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
                "killswitch_role_id": logins[KILL_SWITCH].role_id,
                "killswitch_secret_id": logins[KILL_SWITCH].secret_id,
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


class SchemaPart:
    """The store's migrations: a step, not a program."""

    name = "schema"
    stop_signal = signal.SIGTERM
    ready_within_seconds = 0.0
    port: int | None = None

    def __init__(self, home: Path, log: Path, *, after: tuple[str, ...]) -> None:
        self.after = after
        self.log = log
        self._home = home

    async def prepare(self, report: Report) -> Mapping[str, Any]:
        """Run what is missing of the migrations."""
        report("running migrations", None)
        settings = await run_blocking(load_settings, self._home)
        await (await run_blocking(_import_migrate))(settings.database.sqlalchemy_url)
        return {}

    def spawn(self) -> subprocess.Popen[bytes] | None:
        """Nothing to start."""
        return None

    async def check(self) -> None:
        """Done when `prepare` returned."""

    async def announce(self) -> Mapping[str, Any]:
        """Nothing to say."""
        return {}


def _import_migrate() -> Any:
    from overseen.store import migrate

    return migrate


class ModelPart:
    """The local model behind llama.cpp's server."""

    name = "model"
    after: tuple[str, ...] = ()
    stop_signal = signal.SIGTERM
    ready_within_seconds = 300.0

    def __init__(self, folder: Path, log: Path, *, port: int, own_file: Path | None) -> None:
        self.log = log
        self.port: int | None = port
        self._folder = folder
        self._own_file = own_file
        self._slots = max(1, (os.cpu_count() or 1) // _CORES_PER_SLOT)

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
            "threads": os.cpu_count() or 1,
        }
        await run_blocking(write_private, self._folder / "server.json", json.dumps(content))
        return {}

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
        await _expect_answer("The model server", f"http://127.0.0.1:{self.port}/health", self.log)

    async def announce(self) -> Mapping[str, Any]:
        """The route to it."""
        kept = read_json(self._folder / "server.json")
        route = {
            "name": "local",
            "kind": "openai",
            "model": LOCAL_MODEL.name,
            "base_url": f"http://127.0.0.1:{self.port}/v1",
            "api_key": kept["api_key"],
            "concurrency": self._slots,
            "context_tokens": _SLOT_TOKENS,
        }
        return {"routes": [route]}


@dataclass(kw_only=True)
class ModulePart:
    """A process of Overseen itself, `python -m <module>`; it reads its settings from the data folder.

    path: the page that answers when it is ready; None for a process that does not listen, which is taken as ready when
    it has run for `settle_seconds`.
    """

    name: str
    module: str
    home: Path
    log: Path
    after: tuple[str, ...]
    path: str | None = None
    port: int | None = None
    settings: Settings
    settle_seconds: float = 1.0
    stop_signal: signal.Signals = signal.SIGTERM
    ready_within_seconds: float = 60.0

    async def prepare(self, report: Report) -> Mapping[str, Any]:
        """Choose a port, if it listens."""
        report("choosing a port" if self.path else "starting", None)
        if self.path is None:
            return {}
        wanted = self.settings.web.port
        self.port = free_port(wanted or self.port or 0)
        if wanted and self.port != wanted:
            raise Misconfigured(
                f"Port {wanted} is taken by another program.",
                not_done="Pages are not served.",
                next_step="Set OVERSEEN_WEB_PORT to a free port, or unset it to have one chosen.",
            )
        return {"web": {"port": self.port}}

    def spawn(self) -> subprocess.Popen[bytes] | None:
        """Start it."""
        return spawn(
            [sys.executable, "-m", self.module],
            log=self.log,
            folder=self.home,
            environment={**os.environ, "OVERSEEN_HOME": str(self.home)},
            death_signal=self.stop_signal,
        )

    async def check(self) -> None:
        """Its page answers."""
        if self.path is not None:
            await _expect_answer(self.name, f"http://127.0.0.1:{self.port}{self.path}", self.log)

    async def announce(self) -> Mapping[str, Any]:
        """Nothing to say beyond its port."""
        return {}


async def _expect_answer(what: str, url: str, log: Path) -> None:
    async with httpx.AsyncClient(timeout=5.0) as client:
        try:
            answer = await client.get(url)
        except httpx.HTTPError as error:
            raise Unavailable(f"{what} does not answer: {type(error).__name__}.", next_step=f"Read {log}.") from error
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"{what} answers {answer.status_code}.", next_step=f"Read {log}.")


def build_parts(home: Path, ports: Mapping[str, int], *, model: bool = True) -> tuple[Part, ...]:
    """The parts this machine must run: whatever the operator's own settings name is left to them.

    PostgreSQL runs unless the settings name a store, a Vault and the insurer: the embedded OpenBao makes its leases on it.
    """
    named = load_settings(home, embedded=False)
    logs = home / "logs"
    parts: list[Part] = []
    embedded_vault = named.vault.addr is None
    if named.database.url is None or embedded_vault or "insurer" not in named.resources:
        postgres = EmbeddedPostgres(home / "postgres", port=ports.get("postgres", 0))
        parts.append(PostgresPart(postgres, logs / "postgres.log"))
        if embedded_vault:
            openbao = EmbeddedOpenBao(home / "openbao", port=ports.get("openbao", 0))
            parts.append(OpenBaoPart(openbao, postgres, logs / "openbao.log"))
    if model and not named.routes:
        port = ports.get("model", 0)
        parts.append(ModelPart(home / "model", logs / "model.log", port=port, own_file=named.model_file))
    servers = tuple(part.name for part in parts if part.name != "model")
    parts.append(SchemaPart(home, logs / "stack.log", after=servers[:1]))
    parts.append(
        ModulePart(
            name="web",
            module="overseen.server",
            path="/",
            port=ports.get("web", 0),
            home=home,
            log=logs / "web.log",
            after=("schema", *servers),
            settings=named,
        )
    )
    parts.append(
        ModulePart(
            name="worker",
            module="overseen.engine.worker",
            home=home,
            log=logs / "worker.log",
            after=tuple(part.name for part in parts if part.name != "web"),
            settings=named,
        )
    )
    return tuple(parts)
