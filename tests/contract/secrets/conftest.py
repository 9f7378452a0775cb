"""A broker on real servers, and the calls it gives leases to."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from overseen.domain.calls import ToolCall
from overseen.domain.identifiers import new_id
from overseen.journal import Journal
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.connect import broker_vault, killswitch_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.vault_client import VaultClient
from overseen.settings import ResourceSettings
from overseen.store import Database
from tests.stack_fixtures import Insurer, RunningOpenBao


@dataclass(frozen=True, kw_only=True)
class Grant:
    """As a tool declares it."""

    name: str
    kind: str
    resource: str
    ttl_seconds: int = 60


READ = Grant(name="insurer_read", kind="database", resource="insurer")
WRITE = Grant(name="insurer_claims_write", kind="database", resource="insurer")


@dataclass
class Liveness:
    """Workers that are dead; all others live."""

    dead: set[str] = field(default_factory=set)

    async def is_alive(self, worker_id: str) -> bool:
        return worker_id not in self.dead


def make_call(*, run_id: str | None = None, agent: str = "policy_lookup", tool: str = "look_up_policy") -> ToolCall:
    return ToolCall(
        run_id=run_id or new_id("run"),
        step_id="step_1",
        agent=agent,
        tool=tool,
        arguments={"policy_number": new_id("policy")},
    )


@pytest.fixture
def journal(database: Database) -> Journal:
    return Journal(database)


@pytest.fixture
def resources(insurer: Insurer) -> dict[str, ResourceSettings]:
    return {"insurer": insurer.resource}


@pytest_asyncio.fixture
async def vault(openbao_server: RunningOpenBao) -> AsyncIterator[VaultClient]:
    client = broker_vault(openbao_server.settings)
    yield client
    await client.close()


@pytest_asyncio.fixture
async def killswitch(openbao_server: RunningOpenBao) -> AsyncIterator[VaultClient]:
    client = killswitch_vault(openbao_server.settings)
    yield client
    await client.close()


@pytest.fixture
def broker(
    database: Database, journal: Journal, vault: VaultClient, resources: dict[str, ResourceSettings]
) -> LeaseBroker:
    return LeaseBroker(
        database=database,
        journal=journal,
        vault=vault,
        source=VaultCredentials(vault, resources),
        worker_id="worker-1",
    )


@pytest_asyncio.fixture(scope="session")
async def store_template(postgres_server):
    from sqlalchemy.ext.asyncio import create_async_engine
    from overseen.stack.postgres_layout import STORE_OWNER, make_database
    from overseen.store.tables import Base
    from tests.stack_fixtures import async_url

    connection = await postgres_server.connect()
    async with connection:
        await make_database(connection, "secrets_template", STORE_OWNER)
    engine = create_async_engine(async_url(postgres_server.url("secrets_template", STORE_OWNER)))
    async with engine.begin() as c:
        await c.run_sync(Base.metadata.create_all)
    await engine.dispose()
    return "secrets_template"
