"""Innermost: files in, doors open, the tool in its sandbox, the result checked, files out."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from overseen.domain.calls import CallResult, Effect, ToolCall
from overseen.domain.canonical import canonical_json, plain
from overseen.domain.content_kinds import media_type_of_name
from overseen.store import BlobStore
from overseen.tools.errors import EffectKnown, ToolFailed, ToolRefused
from overseen.tools.gateway.ports import Doors, Lease
from overseen.tools.gateway.progress import present_progress, timed
from overseen.tools.sandbox.port import (
    Capability,
    CapabilityMissing,
    InvalidJob,
    SandboxBackend,
    SandboxJob,
    SandboxLimitExceeded,
    SandboxNotTrusted,
    SandboxProfile,
    SandboxResult,
    ToolCrashed,
    UnknownBackend,
)
from overseen.tools.types import Grant, ToolSpec

_EGRESS_NEEDS = frozenset({Capability.EGRESS_ALLOW_LIST, Capability.CREDENTIAL_INJECTION})


class SandboxedExecution:
    """Runs a call that passed everything else. Credentials go to doors, on this side of the wall, and nowhere else."""

    def __init__(self, *, backend: SandboxBackend, blobs: BlobStore, doors: Doors) -> None:
        self._backend = backend
        self._blobs = blobs
        self._doors = doors

    async def execute(self, call: ToolCall, spec: ToolSpec, lease: Lease) -> CallResult:
        """Run the tool with the lease. Raises ToolRefused, ToolFailed or Unavailable."""
        with timed("files"):
            files = {file.name: await self._blobs.get(file.blob) for file in call.files}
        async with AsyncExitStack() as stack:
            with timed("doors"):
                doors = await self._open_doors(stack, call, spec.grants, lease)
            job = SandboxJob(
                call_id=call.call_id,
                run_id=call.run_id,
                entry=spec.entry,
                request=_request(call, spec),
                files=files,
                doors=doors,
                profile=_profile(spec),
            )
            result = await self._run(job, spec)
        value = _checked(spec, result.value)
        with timed("files"):
            blobs = {
                name: await self._blobs.put(content, media_type_of_name(name)) for name, content in result.files.items()
            }
        return CallResult(call_id=call.call_id, tool=call.tool, value=value, blobs=blobs)

    async def _open_doors(
        self, stack: AsyncExitStack, call: ToolCall, grants: Sequence[Grant], lease: Lease
    ) -> Mapping[str, Path]:
        doors: dict[str, Path] = {}
        if grants:
            # Doors lie where the backend can show them to a sandbox; it makes that place when it gets ready.
            await self._backend.capabilities()
        for grant in grants:
            open_door = self._doors.database if grant.kind == "database" else self._doors.http
            opened = open_door(call, grant, lease.credential(grant.name))
            doors[grant.name] = await stack.enter_async_context(opened)
        return doors

    async def _run(self, job: SandboxJob, spec: ToolSpec) -> SandboxResult:
        present_progress().tool_started = True
        with timed("sandbox"):
            try:
                return await self._backend.run(job)
            except (CapabilityMissing, UnknownBackend) as error:
                present_progress().tool_started = False
                raise ToolRefused(error.message, rule="capability", next_step=error.next_step) from error
            except (SandboxNotTrusted, InvalidJob):
                present_progress().tool_started = False
                raise
            except ToolCrashed as error:
                # What the tool said may quote content, so it stays in the context, which is never journalled.
                reason = f"could not answer ({error.tool_code})" if error.tool_code else "failed"
                raise ToolFailed(
                    f"{spec.name} {reason}. {error.message}",
                    effect_known=_effect_known(spec),
                    not_done=error.not_done,
                    next_step=error.next_step,
                    tool_code=error.tool_code,
                    detail=error.detail,
                    log_tail=error.log_tail,
                ) from error
            except SandboxLimitExceeded as error:
                raise ToolFailed(
                    f"{spec.name}: {error.message}",
                    effect_known=_effect_known(spec),
                    not_done=error.not_done,
                    next_step=error.next_step,
                    limit=error.limit,
                    log_tail=error.log_tail,
                ) from error


def _profile(spec: ToolSpec) -> SandboxProfile:
    """The tool's profile; what goes out to a server needs a sandbox that lets nothing else out, and no secret in."""
    if all(grant.kind == "database" for grant in spec.grants):
        return spec.profile
    return replace(spec.profile, needs=spec.profile.needs | _EGRESS_NEEDS)


def _effect_known(spec: ToolSpec) -> EffectKnown:
    return "no" if spec.effect is Effect.READ else "unknown"


def _request(call: ToolCall, spec: ToolSpec) -> dict[str, Any]:
    arguments = json.loads(canonical_json(call.arguments))
    if spec.effect is Effect.READ:
        return arguments
    return {**arguments, "idempotency_key": call.call_id, "run_id": call.run_id}


def _checked(spec: ToolSpec, value: Any) -> Any:
    try:
        return plain(spec.result.model_validate(value).model_dump(mode="json"))
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        first = problems[0]
        raise ToolFailed(
            f"{spec.name} returned something else than it promises: {len(problems)} problems, the first at "
            f"{'.'.join(map(str, first['loc'])) or 'the result'} ({first['type'].replace('_', ' ')}).",
            effect_known=_effect_known(spec),
            not_done="Its result was not used.",
            next_step="Correct the tool or its result model.",
        ) from error
