"""Tools in real sandboxes, behind the real gateway, with real leases on the insurer's database."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio

from overseen.domain.calls import CallResult, Effect, ToolCall
from overseen.domain.identifiers import new_id
from overseen.journal import Journal
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.connect import broker_vault, effects_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.settings import HttpResourceSettings
from overseen.store import Database, PostgresBlobStore
from overseen.store.tables import Authorization
from overseen.tools.doors import CallDoors
from overseen.tools.gateway import GatewayParts, build_gateway
from overseen.tools.registry import ToolRegistry, load_registry
from overseen.tools.sandbox.bubblewrap import BubblewrapBackend
from overseen.tools.sandbox.monty import MontyBackend
from overseen.tools.sandbox.port import SandboxBackend, SandboxJob
from overseen.tools.sandbox.selection import SelectingBackend
from overseen.tools.types import ToolPort
from tests.stack_fixtures import Insurer, RunningOpenBao
from tests.tool_doubles import Plan, Rules, Switch

REGISTRY = load_registry()


@pytest_asyncio.fixture(scope="session")
async def tool_sandbox() -> AsyncIterator[BubblewrapBackend]:
    """Real sandboxes, built once: making their trees takes seconds."""
    with tempfile.TemporaryDirectory(prefix="overseen-sandbox-") as folder:
        # Sandboxes run as another user where tests run as root, who must get here.
        Path(folder).chmod(0o711)
        backend = BubblewrapBackend(Path(folder), most_prewarmed=0)
        yield backend
        await backend.close()


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a tool answered, checked against its result model, and its output files."""

    value: dict[str, Any]
    files: Mapping[str, bytes]
    wall_seconds: float


@pytest_asyncio.fixture(scope="session")
async def monty() -> AsyncIterator[MontyBackend]:
    """For pure computation."""
    backend = MontyBackend(concurrency=2)
    yield backend
    await backend.close()


RunTool = Callable[[str, bytes], Awaitable[Ran]]


@pytest.fixture
def run_on_file(tool_sandbox: BubblewrapBackend) -> RunTool:
    """Run a tool on one file in the sandbox, without a gateway around it."""

    async def run(tool: str, content: bytes) -> Ran:
        spec = REGISTRY.get(tool)
        job = SandboxJob(
            call_id="call_1", entry=spec.entry, request={"file": "a"}, files={"a": content}, profile=spec.profile
        )
        result = await tool_sandbox.run(job)
        value = spec.result.model_validate(result.value).model_dump(mode="json")
        return Ran(value=value, files=result.files, wall_seconds=result.wall_seconds)

    return run


@dataclass
class House:
    """A gateway of real parts, its store, and the insurer behind it."""

    port: ToolPort
    database: Database
    journal: Journal
    blobs: PostgresBlobStore
    insurer: Insurer
    registry: ToolRegistry
    run_id: str = field(default_factory=lambda: new_id("run"))

    def call(self, tool: str, arguments: Mapping[str, Any], **changes: Any) -> ToolCall:
        values = {"run_id": self.run_id, "step_id": "step_1", "agent": "policy_lookup", "ordinal": 0, **changes}
        return ToolCall(tool=tool, arguments=arguments, **values)

    async def authorized(self, tool: str, arguments: Mapping[str, Any], **changes: Any) -> ToolCall:
        """The call with leave for it, if the tool needs any."""
        authorization_id = new_id("aut")
        made = self.call(tool, arguments, authorization_id=authorization_id, **changes)
        if self.registry.get(tool).effect is not Effect.READ:
            async with self.database.transaction() as session:
                session.add(
                    Authorization(
                        authorization_id=authorization_id,
                        run_id=made.run_id,
                        call_digest=made.digest,
                        granted_by="boundary",
                    )
                )
        return made

    async def use(self, tool: str, arguments: Mapping[str, Any], **changes: Any) -> CallResult:
        """Make the call with leave for it, if it needs any."""
        return await self.port.call(await self.authorized(tool, arguments, **changes))


class MakeHouse(Protocol):
    def __call__(
        self,
        registry: ToolRegistry = ...,
        *,
        servers: Mapping[str, HttpResourceSettings] | None = None,
        sandbox: SandboxBackend | None = None,
    ) -> House: ...


@pytest_asyncio.fixture
async def make_house(
    database: Database,
    insurer: Insurer,
    openbao_server: RunningOpenBao,
    tool_sandbox: BubblewrapBackend,
    monty: MontyBackend,
) -> AsyncIterator[MakeHouse]:
    """The gateway as a worker has it, with every tool of a registry allowed, and HTTP servers that tools may reach."""
    vault, effects = broker_vault(openbao_server.settings), effects_vault(openbao_server.settings)
    backend = SelectingBackend(
        tool_sandbox.doors_folder.parent,
        default="bubblewrap",
        makers={"bubblewrap": lambda: tool_sandbox, "monty": lambda: monty},
    )

    def make(
        registry: ToolRegistry = REGISTRY,
        *,
        servers: Mapping[str, HttpResourceSettings] | None = None,
        sandbox: SandboxBackend | None = None,
    ) -> House:
        journal, blobs = Journal(database), PostgresBlobStore(database, b"k" * 32)
        parts = GatewayParts(
            database=database,
            journal=journal,
            blobs=blobs,
            registry=registry,
            rules=Rules(tools=registry.names),
            plan_lock=Plan(),
            stop_switch=Switch(),
            broker=LeaseBroker(
                database=database,
                journal=journal,
                vault=vault,
                source=VaultCredentials(vault, {"insurer": insurer.resource}),
                worker_id="worker-1",
                effects_vault=effects,
            ),
            backend=sandbox or backend,
            doors=CallDoors(backend.doors_folder, journal=journal, servers=servers),
        )
        return House(
            port=build_gateway(parts),
            database=database,
            journal=journal,
            blobs=blobs,
            insurer=insurer,
            registry=registry,
        )

    yield make
    await vault.close()
    await effects.close()


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """With the built-in tools, and no server."""
    return make_house()
