"""What `compute` and `python` take and return: tools that run a script the agent wrote. Not imported in sandboxes."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from overseen.domain.calls import Effect
from overseen.domain.canonical import canonical_json
from overseen.tools.sandbox.port import Capability, SandboxProfile
from overseen.tools.types import ToolSpec

_MIB = 1 << 20
_LONGEST_SCRIPT = 20_000
_MOST_ARGUMENT_BYTES = 200_000


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ScriptArguments(_Shape):
    """`code` is Python that finds `arguments` and leaves its answer, JSON types only, in `result`."""

    code: Annotated[str, Field(min_length=1, max_length=_LONGEST_SCRIPT)]
    arguments: dict[str, JsonValue] = {}

    @field_validator("arguments")
    @classmethod
    def _is_small(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if len(canonical_json(value)) > _MOST_ARGUMENT_BYTES:
            raise ValueError(f"more than {_MOST_ARGUMENT_BYTES} bytes of arguments")
        return value


class ScriptError(_Shape):
    """What the script raised: the exception's name, its message, and the line of the script, counted from 1."""

    type: Annotated[str, Field(max_length=200)]
    message: Annotated[str, Field(max_length=500)]
    line: int | None


class ScriptResult(_Shape):
    """What the script left in `result`, or the error that kept it from doing so, and the end of what it printed."""

    result: JsonValue
    error: ScriptError | None
    printed: Annotated[str, Field(max_length=4096)]


SCRIPT_TOOLS = (
    ToolSpec(
        name="compute",
        description=(
            "Run a short Python script over `arguments`: sums, dates, comparisons. No files, no third-party modules. "
            "Leave the answer in `result`."
        ),
        effect=Effect.READ,
        arguments=ScriptArguments,
        result=ScriptResult,
        profile=SandboxProfile(
            backend="monty",
            # No syscall filter: what holds there is the language, which has no way out.
            needs=frozenset(
                {
                    Capability.NETWORK_DENY,
                    Capability.MEMORY_TOTAL,
                    Capability.PIDS,
                    Capability.CPU,
                    Capability.DISK,
                    Capability.PER_CALL_ISOLATION,
                }
            ),
            wall_seconds=10.0,
            cpu_seconds=5.0,
            memory_bytes=128 * _MIB,
            output_bytes=1 * _MIB,
        ),
        entry="overseen.tools.sandbox.script:answer",
    ),
    ToolSpec(
        name="python",
        description=(
            "Run a Python script over `arguments` and the files handed in: context.file(name) gives a file's bytes, "
            "context.write_file(name, content) gives one back. No network. Leave the answer in `result`."
        ),
        effect=Effect.READ,
        arguments=ScriptArguments,
        result=ScriptResult,
        profile=SandboxProfile(
            wall_seconds=30.0,
            cpu_seconds=20.0,
            memory_bytes=1024 * _MIB,
            threads=16,
            scratch_bytes=32 * _MIB,
            output_bytes=8 * _MIB,
        ),
        entry="overseen.tools.sandbox.script:answer",
    ),
)
