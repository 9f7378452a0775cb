"""Small doubles of what stands around the tool gateway."""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from overseen.domain.calls import CallResult, Effect, FileInput, ToolCall
from overseen.errors import OverseenError
from overseen.tools.gateway import CallBudget
from overseen.tools.registry import ToolRegistry
from overseen.tools.sandbox.port import SandboxProfile
from overseen.tools.types import Grant, ToolSpec

READ_GRANT = Grant(name="insurer_read", kind="database", resource="insurer")


class NoteArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str
    file: str | None = None


class NoteResult(BaseModel):
    model_config = ConfigDict(extra="forbid")
    length: int


def spec(name: str = "note", effect: Effect = Effect.READ, **changes: Any) -> ToolSpec:
    values: dict[str, Any] = {
        "name": name,
        "description": "Takes a note.",
        "effect": effect,
        "arguments": NoteArguments,
        "result": NoteResult,
        "profile": SandboxProfile(),
        "entry": f"somewhere.{name}:run",
        "file_arguments": ("file",),
    }
    return ToolSpec(**{**values, **changes})


REGISTRY = ToolRegistry(
    [spec(), spec("write_note", Effect.WRITE), spec("pay", Effect.IRREVERSIBLE), spec("look", grants=(READ_GRANT,))]
)


def call(tool: str = "note", **changes: Any) -> ToolCall:
    values: dict[str, Any] = {
        "run_id": "run_1",
        "step_id": "step_1",
        "agent": "extractor",
        "tool": tool,
        "arguments": {"text": "hello"},
    }
    return ToolCall(**{**values, **changes})


def file(name: str, blob: str) -> FileInput:
    return FileInput(name=name, blob=blob)


@dataclass
class AnsweringPort:
    """A ToolPort that answers with its value, or raises its error, and remembers what it was asked."""

    value: Any = field(default_factory=lambda: {"length": 5})
    error: BaseException | None = None
    calls: list[ToolCall] = field(default_factory=list)

    async def call(self, call: ToolCall) -> CallResult:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return CallResult(call_id=call.call_id, tool=call.tool, value=self.value)


@dataclass
class Rules:
    """Every agent may call `tools`; the budget is the same for every run."""

    tools: frozenset[str] = frozenset(
        {"note", "write_note", "pay", "look"},
    )
    budget: CallBudget = field(default_factory=lambda: CallBudget(calls=100, seconds=600.0))

    async def tools_of(self, run_id: str, agent: str) -> frozenset[str]:
        return self.tools

    async def budget_of(self, run_id: str) -> CallBudget:
        return self.budget


@dataclass
class Plan:
    """A locked plan that holds every call, or none."""

    holds: bool = True

    async def permits(self, call: ToolCall) -> bool:
        return self.holds


@dataclass
class Switch:
    """Nothing is stopped unless a reason is given."""

    reason: str | None = None

    async def stopped(self, call: ToolCall) -> str | None:
        return self.reason


@dataclass(frozen=True)
class Password:
    secret: str

    def reveal(self) -> str:
        return self.secret


@dataclass(frozen=True)
class Login:
    username: str = "nobody"
    password: Password = Password("none")
    host: str = "127.0.0.1"
    port: int = 5432
    database: str = "insurer"


@dataclass
class OneLease:
    lease_id: str = "lease_1"
    login: Login = Login()

    def credential(self, grant_name: str) -> Login:
        return self.login


@dataclass
class Broker:
    """Leases one login; `open` says how many leases are alive."""

    login: Login = Login()
    error: OverseenError | None = None
    open: int = 0
    grants: list[tuple[str, ...]] = field(default_factory=list)

    @asynccontextmanager
    async def lease(self, call: ToolCall, grants: Sequence[Grant], *, wall_seconds: float) -> AsyncIterator[OneLease]:
        if self.error is not None:
            raise self.error
        self.grants.append(tuple(grant.name for grant in grants))
        self.open += 1
        try:
            yield OneLease(login=self.login)
        finally:
            self.open -= 1


@dataclass
class DoorsOf:
    """Doors that lead nowhere; remembers what they were opened with."""

    opened: list[tuple[str, Any]] = field(default_factory=list)
    open: int = 0

    @asynccontextmanager
    async def database(self, call: ToolCall, grant: Grant, credential: Any) -> AsyncIterator[Path]:
        self.opened.append((grant.name, credential))
        self.open += 1
        try:
            yield Path(f"/doors/{grant.name}.socket")
        finally:
            self.open -= 1

    def http(self, call: ToolCall, grant: Grant, credential: Any) -> AbstractAsyncContextManager[Path]:
        return self.database(call, grant, credential)


@dataclass
class MemoryBlobs:
    """A BlobStore in a dictionary."""

    content: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    async def put(self, content: bytes, media_type: str, *, session: Any = None) -> str:
        from overseen.domain.canonical import digest_bytes

        sha256 = digest_bytes(content)
        self.content[sha256] = (content, media_type)
        return sha256

    async def get(self, sha256: str) -> bytes:
        return self.content[sha256][0]

    async def get_many(self, sha256s: Collection[str]) -> dict[str, bytes]:
        return {sha256: self.content[sha256][0] for sha256 in sha256s if sha256 in self.content}

    async def media_type_of(self, sha256: str) -> str:
        return self.content[sha256][1]

    async def erase(self, sha256: str) -> None:
        del self.content[sha256]


@dataclass
class Spans:
    """A CallTracer that keeps what its spans were told."""

    ended: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def tool_call(self, call: ToolCall) -> Iterator["Spans"]:
        yield self

    def finished(self, result: CallResult) -> None:
        self.ended.append(("finished", result.tool))

    def failed(self, error: OverseenError) -> None:
        self.ended.append(("failed", error.code))
