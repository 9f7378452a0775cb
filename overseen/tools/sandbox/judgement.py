"""What came of a job, from what was seen of it: the result, or the one error that says best why there is none."""

import os
import signal
from dataclasses import dataclass
from typing import Any, Protocol

from overseen.tools.sandbox.cgroups import count_event
from overseen.tools.sandbox.port import (
    SandboxJob,
    SandboxLimitExceeded,
    SandboxProfile,
    SandboxResult,
    SandboxUnavailable,
    ToolCrashed,
)
from overseen.tools.sandbox.spawning import Ended


class Printed(Protocol):
    """What a job printed, as far as it was kept."""

    @property
    def log_tail(self) -> str:
        """The end of it."""
        ...

    @property
    def log_overflowed(self) -> bool:
        """Whether it was more than allowed."""
        ...


@dataclass(kw_only=True)
class Exchange:
    """What was seen of one job before its worker was ended."""

    header: dict[str, Any] | None = None
    files: dict[str, bytes] | None = None
    started: bool = False
    timed_out: bool = False
    too_large: bool = False
    garbled: str | None = None


def judge(job: SandboxJob, worker: Printed, exchange: Exchange, ended: Ended, wall_seconds: float) -> SandboxResult:
    """The result, or the one error that says best why there is none."""
    profile, log = job.profile, worker.log_tail
    if exchange.timed_out:
        raise SandboxLimitExceeded("wall_seconds", allowed=profile.wall_seconds, log_tail=log)
    if exchange.too_large or (worker.log_overflowed and exchange.header is None):
        raise SandboxLimitExceeded("output_bytes", allowed=profile.output_bytes, log_tail=log)
    if exchange.garbled is not None:
        raise ToolCrashed("garbled", error_type=exchange.garbled, log_tail=log)
    if exchange.header is None:
        raise _cause_of_death(job, exchange, ended, log)
    if "error" in exchange.header:
        raise _raised(exchange.header["error"], profile, log)
    if "value" not in exchange.header:
        raise ToolCrashed("garbled", error_type="a frame without a value", log_tail=log)
    peak = ended.statistics.get("peak_memory", "").strip()
    return SandboxResult(
        value=exchange.header["value"],
        files=exchange.files or {},
        wall_seconds=wall_seconds,
        cpu_seconds=ended.cpu_seconds,
        peak_memory_bytes=int(peak) if peak.isdigit() else ended.largest_resident_bytes or None,
        log_tail=log,
    )


def _raised(described: Any, profile: SandboxProfile, log: str) -> SandboxLimitExceeded | ToolCrashed:
    """What the runner says the tool raised. A stranger may have written it: anything odd is garbled."""
    if not isinstance(described, dict) or not isinstance(described.get("type"), str):
        return ToolCrashed("garbled", error_type="a malformed error", log_tail=log)
    limit = described.get("limit")
    if limit in ("memory_bytes", "processes", "scratch_bytes", "output_bytes"):
        return SandboxLimitExceeded(limit, allowed=float(getattr(profile, limit)), log_tail=log)
    code = described.get("code")
    return ToolCrashed(
        "raised",
        error_type=described["type"][:100],
        detail=str(described.get("detail", ""))[:4096],
        log_tail=log,
        tool_code=code[:100] if isinstance(code, str) else None,
    )


def _cause_of_death(
    job: SandboxJob, exchange: Exchange, ended: Ended, log: str
) -> SandboxLimitExceeded | ToolCrashed | SandboxUnavailable:
    profile = job.profile
    if not exchange.started:
        # No code of the tool has run: what was printed is bwrap's or the interpreter's.
        return SandboxUnavailable(
            f"A sandbox could not be started: {log.strip()[-400:] or 'it said nothing'}.",
            not_done="The tool was not run.",
            next_step="Run `overseen doctor`; containers need user namespaces, Ubuntu an AppArmor profile for bwrap.",
        )
    if count_event(ended.statistics.get("memory_events", ""), "oom_kill") > 0:
        return SandboxLimitExceeded("memory_bytes", allowed=profile.memory_bytes, log_tail=log)
    code = os.waitstatus_to_exitcode(ended.status) if ended.status is not None else 0
    number = -code if code < 0 else code - 128
    if number == signal.SIGXCPU or (number == signal.SIGKILL and ended.cpu_seconds >= profile.cpu_seconds):
        return SandboxLimitExceeded("cpu_seconds", allowed=profile.cpu_seconds, log_tail=log)
    if number == signal.SIGXFSZ:
        return SandboxLimitExceeded("scratch_bytes", allowed=profile.scratch_bytes, log_tail=log)
    named = signal.Signals(number).name if number in signal.valid_signals() else f"exit status {code}"
    return ToolCrashed("died", error_type=named, log_tail=log)
