"""Tool calls: what was asked, by whom, and the digest an approval is bound to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from overseen.domain.canonical import digest
from overseen.domain.findings import Finding
from overseen.domain.identifiers import derived_id

SUPERVISOR = "supervisor"
"""The name under which the supervisor itself makes calls: the effects of a decision."""


class Effect(StrEnum):
    """What a tool does to the world."""

    READ = "read"
    WRITE = "write"
    IRREVERSIBLE = "irreversible"


class Region(StrEnum):
    """Where work and data must stay."""

    LOCAL = "local"
    EU = "eu"
    UK = "uk"
    US = "us"


@dataclass(frozen=True, kw_only=True)
class FileInput:
    """A blob handed into the sandbox under `name` (a safe file name of our own choosing, never the requester's)."""

    name: str
    blob: str


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """One use of a tool, before it happens.

    `arguments` are resolved JSON values. `argument_facts` says which argument came from which fact (argument -> fact
    name); an argument missing there is the caller's own. `ordinal` counts the calls of a step from 0, so that the same
    call made again after a crash has the same id.
    """

    run_id: str
    step_id: str
    agent: str
    tool: str
    arguments: Mapping[str, Any]
    argument_facts: Mapping[str, str] = field(default_factory=dict[str, str])
    files: tuple[FileInput, ...] = ()
    ordinal: int = 0
    authorization_id: str | None = None

    @property
    def digest(self) -> str:
        """Digest of exactly what would be done: tool, arguments, files and the facts they came from."""
        return digest(
            {
                "tool": self.tool,
                "arguments": self.arguments,
                "argument_facts": self.argument_facts,
                "files": [{"name": f.name, "blob": f.blob} for f in self.files],
            }
        )

    @property
    def call_id(self) -> str:
        """The idempotency key of the call: the same run, step, place and content always give the same id."""
        return derived_id("call", self.run_id, self.step_id, self.ordinal, self.digest)


@dataclass(frozen=True, kw_only=True)
class CallResult:
    """What came back. `value` is the tool's JSON result; `blobs` maps output names to blob digests."""

    call_id: str
    tool: str
    value: Any
    blobs: Mapping[str, str] = field(default_factory=dict[str, str])
    findings: tuple[Finding, ...] = ()
    replayed: bool = False
