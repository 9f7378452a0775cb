"""Pure computation in the Monty interpreter: no files, no doors, no modules beyond its own, one process a call.

For scripts that agents write to add things up. It starts within milliseconds, because there is nothing to wall off: the
language it runs has no way out. Needs the extra `monty` (pydantic-monty).
"""

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Literal

from overseen.tools.sandbox.port import (
    Capability,
    CapabilityMissing,
    InvalidJob,
    SandboxJob,
    SandboxLimitExceeded,
    SandboxResult,
    SandboxUnavailable,
    ToolCrashed,
    check_job,
)

if TYPE_CHECKING:
    from pydantic_monty import AsyncMonty, MontyError, ResourceLimits

_CAPABILITIES = frozenset(
    {
        Capability.NETWORK_DENY,
        Capability.MEMORY_TOTAL,
        Capability.PIDS,
        Capability.CPU,
        Capability.DISK,
        Capability.PER_CALL_ISOLATION,
    }
)
SCRIPT_ENTRY = "overseen.tools.sandbox.script:run"
"""What this backend runs: a script in `request["code"]` over `request["arguments"]` that leaves `result`."""
ANSWER_ENTRY = "overseen.tools.sandbox.script:answer"
"""The same for whoever wrote the script: what it left, printed or raised is the answer."""

_LOG_TAIL = 4096
_LONGEST_MESSAGE = 500


class _Printed:
    """The end of what was printed, and whether it was too much."""

    def __init__(self, most: int) -> None:
        self._left = most
        self.tail = ""

    @property
    def overflowed(self) -> bool:
        return self._left < 0

    def __call__(self, _stream: Literal["stdout", "stderr"], text: str) -> None:
        self._left -= len(text)
        self.tail = (self.tail + text)[-_LOG_TAIL:]


class MontyBackend:
    """Runs scripts in Monty's worker processes, each used once."""

    name = "monty"

    def __init__(self, *, concurrency: int = 4) -> None:
        self._concurrency = concurrency
        self._pool: AsyncMonty | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def capabilities(self) -> frozenset[Capability]:
        """See the port. There is no syscall filter: what holds is the language."""
        await self._ready()
        return _CAPABILITIES

    async def _ready(self) -> "AsyncMonty":
        async with self._starting:
            if self._closed:
                raise _unavailable("The sandbox is closed.", "Start a new one.")
            if self._pool is None:
                try:
                    from pydantic_monty import AsyncMonty

                    pool = AsyncMonty(min_processes=1, max_processes=self._concurrency, max_checkouts_per_worker=1)
                    self._pool = await pool.__aenter__()
                except (ImportError, FileNotFoundError):
                    # The second: the package is there, the program it starts is not.
                    raise _unavailable("Monty is not installed.", "Run `pip install 'overseen[monty]'`.") from None
            return self._pool

    async def run(self, job: SandboxJob) -> SandboxResult:
        """See the port. Only `SCRIPT_ENTRY` and `ANSWER_ENTRY`, without files and doors."""
        check_job(job)
        if (
            job.entry not in (SCRIPT_ENTRY, ANSWER_ENTRY)
            or job.files
            or job.doors
            or job.egress
            or not isinstance(job.request, dict)
        ):
            raise InvalidJob(
                "Monty runs a script without files and doors, nothing else.",
                not_done="The tool was not run.",
                next_step="Use the bubblewrap sandbox for this tool.",
            )
        missing = job.profile.needs - _CAPABILITIES
        if missing:
            raise CapabilityMissing(
                backend=self.name, missing=missing, next_step="Use the bubblewrap sandbox for this tool."
            )
        pool = await self._ready()
        printed = _Printed(job.profile.output_bytes)
        started = time.monotonic()
        try:
            async with asyncio.timeout(job.profile.wall_seconds):
                value = await _evaluate(pool, job, printed)
        except TimeoutError:
            raise SandboxLimitExceeded(
                "wall_seconds", allowed=job.profile.wall_seconds, log_tail=printed.tail
            ) from None
        if printed.overflowed:
            raise SandboxLimitExceeded("output_bytes", allowed=job.profile.output_bytes, log_tail=printed.tail)
        try:
            value = _as_json(value, job.profile.output_bytes, printed.tail)
        except ToolCrashed as error:
            if job.entry != ANSWER_ENTRY:
                raise
            value = _answer(None, printed, _error(error.error_type, "`result` must hold JSON types only.", None))
        return SandboxResult(
            value=value,
            wall_seconds=time.monotonic() - started,
            cpu_seconds=None,
            peak_memory_bytes=None,
            log_tail=printed.tail,
        )

    async def close(self) -> None:
        """See the port."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.__aexit__(None, None, None)


async def _evaluate(pool: "AsyncMonty", job: SandboxJob, printed: _Printed) -> Any:
    from pydantic_monty import MontyCrashedError, MontyError, MontyRuntimeError, MontySyntaxError

    profile = job.profile
    limits: ResourceLimits = {
        "max_feed_duration_secs": profile.cpu_seconds,
        "max_total_sleep_secs": profile.wall_seconds,
        "max_memory": profile.memory_bytes,
    }
    try:
        async with pool.checkout(limits=limits) as session:
            await session.feed_run("result = None")
            await session.feed_run(
                str(job.request.get("code", "")),
                inputs={"arguments": job.request.get("arguments", {})},
                print_callback=printed,
            )
            value = await session.feed_run("result", print_callback=printed)
            return _answer(value, printed, None) if job.entry == ANSWER_ENTRY else value
    except MontyCrashedError:
        raise ToolCrashed("died", error_type="MontyCrashedError", log_tail=printed.tail) from None
    except MontyRuntimeError as error:
        cause = _cause(error.exception(), job, printed.tail)
        if job.entry == ANSWER_ENTRY and isinstance(cause, ToolCrashed):
            return _answer(None, printed, _error(cause.error_type, cause.detail, _line(error)))
        raise cause from None
    except MontyError as error:
        if job.entry == ANSWER_ENTRY:
            kind = "SyntaxError" if isinstance(error, MontySyntaxError) else type(error).__name__
            return _answer(None, printed, _error(kind, str(error), _line(error)))
        raise ToolCrashed("raised", error_type=type(error).__name__, detail=str(error)[:_LOG_TAIL]) from None
    except (RecursionError, ValueError, TypeError) as error:
        raise ToolCrashed("garbled", error_type=type(error).__name__, log_tail=printed.tail) from None


def _cause(raised: BaseException, job: SandboxJob, log: str) -> SandboxLimitExceeded | ToolCrashed:
    message = str(raised)
    if isinstance(raised, MemoryError):
        return SandboxLimitExceeded("memory_bytes", allowed=job.profile.memory_bytes, log_tail=log)
    if isinstance(raised, TimeoutError) and "feed time limit" in message:
        return SandboxLimitExceeded("cpu_seconds", allowed=job.profile.cpu_seconds, log_tail=log)
    if isinstance(raised, TimeoutError) and "sleep limit" in message:
        return SandboxLimitExceeded("wall_seconds", allowed=job.profile.wall_seconds, log_tail=log)
    return ToolCrashed("raised", error_type=type(raised).__name__, detail=message[:_LOG_TAIL], log_tail=log)


def _answer(result: Any, printed: _Printed, error: dict[str, Any] | None) -> dict[str, Any]:
    """As `script.answer` gives it where there is an interpreter of our own."""
    return {"result": result, "error": error, "printed": printed.tail}


def _error(kind: str, message: str, line: int | None) -> dict[str, Any]:
    return {"type": kind, "message": message[:_LONGEST_MESSAGE], "line": line}


def _line(error: "MontyError") -> int | None:
    """Where in the script it came about, counted from 1."""
    from pydantic_monty import MontyRuntimeError, MontySyntaxError

    if not isinstance(error, MontyRuntimeError | MontySyntaxError):
        return None
    frames = error.traceback()
    return frames[-1].line if frames else None


def _as_json(value: Any, most_bytes: int, log: str) -> Any:
    """The value as every backend gives it: JSON types only. Tuples become lists."""
    try:
        text = json.dumps(value, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ToolCrashed("garbled", error_type=type(error).__name__, log_tail=log) from None
    if len(text) > most_bytes:
        raise SandboxLimitExceeded("output_bytes", allowed=most_bytes, log_tail=log)
    return json.loads(text)


def _unavailable(message: str, next_step: str) -> SandboxUnavailable:
    return SandboxUnavailable(message, not_done="The tool was not run.", next_step=next_step)
