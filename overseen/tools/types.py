"""What a tool is. This module is imported inside the sandbox too, so it imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel

    from overseen.domain.calls import CallResult, Effect, ToolCall
    from overseen.tools.sandbox.port import SandboxProfile

RunFunction = TypeVar("RunFunction", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a tool may ask a lease for.

    `name` is also the name of the role and the policy at the credential source, with hyphens (insurer_read:
    role `insurer-read`, policy `grant-insurer-read`). `kind` is database, kv, identity or certificate.
    `resource` is a name in the settings' resources for a database, the path below the mount for kv, the common name for
    a certificate. `opens` is, for every kind but database, the HTTP server among the settings' resources that the
    credential is for; without it there is no way to use it. `ttl_seconds` is the longest the credential may live.
    """

    name: str
    kind: str
    resource: str
    ttl_seconds: int = 60
    opens: str = ""

    @property
    def role(self) -> str:
        """The grant's name as the credential source spells it."""
        return self.name.replace("_", "-")


@dataclass(frozen=True, kw_only=True)
class ToolSpec:
    """Everything the house knows about a tool without running it.

    `arguments` and `result` are the pydantic models that a call and its answer must satisfy. `entry` is
    `module:function` of `run(arguments, context) -> dict`, imported inside the sandbox only. `file_arguments` names the
    arguments that must name a file handed in with the call. A tool that is not `Effect.READ` finds `idempotency_key`
    (the call's id: the same when the call is made again) and `run_id` among its arguments, put there by the gateway.
    """

    name: str
    description: str
    effect: Effect
    arguments: type[BaseModel]
    result: type[BaseModel]
    profile: SandboxProfile
    entry: str
    grants: tuple[Grant, ...] = ()
    file_arguments: tuple[str, ...] = field(default=())


class ToolPort(Protocol):
    """The way to call a tool. Every wrapper of the gateway is one, around another one."""

    async def call(self, call: ToolCall) -> CallResult:
        """Make the call, or return what it returned before.

        Raises ToolRefused (a rule said no, nothing was done), ToolFailed (see its `effect_known`) and Unavailable
        (a part of the house is down; the same call may be made again).
        """
        ...


def tool(
    *,
    effect: Effect,
    arguments: type[BaseModel],
    result: type[BaseModel],
    profile: SandboxProfile,
    grants: tuple[Grant, ...] = (),
    file_arguments: tuple[str, ...] = (),
    name: str | None = None,
) -> Callable[[RunFunction], RunFunction]:
    """Declare the function below to be a tool: its name and docstring become the tool's name and description.

    The spec is kept on the function as `tool_spec`. To make the tool known, name the function under the entry-point
    group `overseen` as `tool.<name>`::

        [project.entry-points.overseen]
        "tool.weather" = "my_package.weather:weather"
    """

    def declare(function: RunFunction) -> RunFunction:
        spec = ToolSpec(
            name=name or function.__name__,
            description=(function.__doc__ or "").strip(),
            effect=effect,
            arguments=arguments,
            result=result,
            profile=profile,
            entry=f"{function.__module__}:{function.__qualname__}",
            grants=grants,
            file_arguments=file_arguments,
        )
        function.tool_spec = spec  # type: ignore[attr-defined]
        return function

    return declare
