"""A broker on real servers, and the calls it gives leases to."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import hvac
import pytest
import pytest_asyncio

from overseen.domain.calls import ToolCall
from overseen.domain.identifiers import new_id
from overseen.journal import Journal
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.connect import broker_vault, effects_vault, killswitch_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.vault_client import VaultClient
from overseen.settings import ResourceSettings
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import INSURER_DATABASE, INSURER_OWNER
from overseen.stack.vault_layout import PROVISIONER
from overseen.stack.vault_provisioning import read_logins
from overseen.store import Database
from overseen.store.tables import Authorization, now
from tests.stack_fixtures import Insurer, RunningOpenBao


@dataclass(frozen=True, kw_only=True)
class Grant:
    """As a tool declares it."""

    name: str
    kind: str
    resource: str
    ttl_seconds: int = 60


PAY = Grant(name="insurer_pay", kind="database", resource="insurer")
READ = Grant(name="insurer_read", kind="database", resource="insurer")
WRITE = Grant(name="insurer_claims_write", kind="database", resource="insurer")


@dataclass
class Liveness:
    """Workers that are dead; all others live."""

    dead: set[str] = field(default_factory=set)

    async def is_alive(self, worker_id: str) -> bool:
        return worker_id not in self.dead


def make_call(
    *,
    run_id: str | None = None,
    agent: str = "policy_lookup",
    tool: str = "look_up_policy",
    authorization_id: str | None = None,
) -> ToolCall:
    return ToolCall(
        authorization_id=authorization_id,
        run_id=run_id or new_id("run"),
        step_id="step_1",
        agent=agent,
        tool=tool,
        arguments={"policy_number": new_id("policy")},
    )


async def authorized_call(database: Database, **values: Any) -> ToolCall:
    """A call with an authorization that the gateway has marked as used for it, as it does before it asks the broker."""
    call = make_call(authorization_id=new_id("aut"), **values)
    async with database.transaction() as session:
        used = {"call_digest": call.digest, "granted_by": "boundary", "used_call_id": call.call_id, "used_at": now()}
        session.add(Authorization(authorization_id=call.authorization_id, run_id=call.run_id, **used))
    return call


@pytest.fixture(scope="session")
def insurer(postgres_server: EmbeddedPostgres) -> Insurer:
    """The insurer's database as it is: what is in its tables does not matter here, and filling it anew takes time."""
    return Insurer(
        url=postgres_server.url(INSURER_DATABASE, INSURER_OWNER),
        resource=ResourceSettings(host="127.0.0.1", port=postgres_server.port, database=INSURER_DATABASE),
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


@pytest_asyncio.fixture
async def effects(openbao_server: RunningOpenBao) -> AsyncIterator[VaultClient]:
    client = effects_vault(openbao_server.settings)
    yield client
    await client.close()


@pytest.fixture
def broker(
    database: Database,
    journal: Journal,
    vault: VaultClient,
    effects: VaultClient,
    resources: dict[str, ResourceSettings],
) -> LeaseBroker:
    return LeaseBroker(
        database=database,
        journal=journal,
        vault=vault,
        source=VaultCredentials(vault, resources),
        worker_id="worker-1",
        effects_vault=effects,
    )


@pytest.fixture
def administrator(openbao_server: RunningOpenBao) -> hvac.Client:
    """Someone who administers Vault and gave themselves the right to read what Overseen's tools read."""
    login = read_logins(openbao_server.server)[PROVISIONER]
    client = hvac.Client(openbao_server.server.address)
    client.auth.approle.login(login.role_id, login.secret_id)
    rules = "".join(
        f'path "{path}" {{ capabilities = ["create", "read", "update", "list"] }}\n'
        for path in ("kv/data/*", "database/creds/*")
    )
    client.sys.create_or_update_acl_policy("curious", rules)
    client.write_data("auth/approle/role/curious", data={"token_policies": "curious", "token_ttl": "5m"})
    role_id = client.auth.approle.read_role_id("curious")["data"]["role_id"]
    secret_id = client.auth.approle.generate_secret_id("curious")["data"]["secret_id"]
    curious = hvac.Client(openbao_server.server.address)
    curious.auth.approle.login(role_id, secret_id)
    curious.secrets.kv.v2.create_or_update_secret(
        "tools/write-to-claimant", {"api_key": "kept-in-vault"}, mount_point="kv"
    )
    return curious
