"""The web process of production on a database with some history, for what only shows on a real socket."""

import asyncio
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import pytest_asyncio
import yaml
from psycopg import sql

from overseen.api.services import Services, open_services
from overseen.settings import load_settings
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import STORE_OWNER, make_database

if TYPE_CHECKING:
    from tests.contract.web.conftest import Furnished

LIMITS = {"head_seconds": 1.5, "idle_seconds": 1.0, "body_seconds": 3.0, "streams_per_account": 2}


@dataclass(frozen=True, kw_only=True)
class Server:
    """The web process of production. `log` is all it wrote."""

    port: int
    process: psutil.Process
    services: Services
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def memory(self) -> int:
        return self.process.memory_info().rss

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@pytest_asyncio.fixture(scope="module")
async def server(
    postgres_server: EmbeddedPostgres, furnished: "Furnished", tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    name = f"web_{secrets.token_hex(4)}"
    home = tmp_path_factory.mktemp("bodies")
    (home / "keys").mkdir()
    (home / "keys" / "blob.key").write_bytes((furnished.home / "keys" / "blob.key").read_bytes())
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {
        "database": {"url": postgres_server.url(name, STORE_OWNER)},
        "web": {"port": port, "limits": LIMITS},
    }
    (home / "settings.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    connection = await postgres_server.connect()
    async with connection:
        await make_database(connection, name, STORE_OWNER, template=furnished.template)
        log = home / "web.log"
        with log.open("w") as output:
            started = subprocess.Popen(
                [sys.executable, "-m", "overseen.server"],
                env={"OVERSEEN_HOME": str(home), "PATH": "/usr/bin:/bin"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            async with open_services(load_settings(home, {})) as services:
                until = time.monotonic() + 60
                while "Uvicorn running" not in log.read_text():
                    assert started.poll() is None and time.monotonic() < until, log.read_text()
                    await asyncio.sleep(0.1)
                yield Server(port=port, process=psutil.Process(started.pid), services=services, log_file=log)
        finally:
            started.kill()
            started.wait()
        await connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
