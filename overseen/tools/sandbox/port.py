"""What every sandbox must promise, and what it may fail with.

A backend runs one job at a time in a place of its own: it starts empty, sees the request and the files of that job, and
is destroyed with everything in it before `run` returns. Nothing a job leaves behind can be seen by the next one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from overseen.errors import Misconfigured, OverseenError, Unavailable, WhoActs

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""Names of files that go in or come out: no folders, no leading dot, ASCII, at most 128 characters."""

MOST_FILES = 256
"""The most files one job may be given or give back."""


class Capability(StrEnum):
    """Something a backend can enforce. A profile that needs one the backend lacks is refused, never run without it."""

    NETWORK_DENY = "network_deny"
    """No network of any family."""
    EGRESS_ALLOW_LIST = "egress_allow_list"
    """Reaches named hosts, methods and paths through a proxy of this call, and nothing else."""
    MEMORY_TOTAL = "memory_total"
    """`memory_bytes` holds for the whole job, however many processes it starts."""
    PIDS = "pids"
    """The number of processes and threads is bounded."""
    CPU = "cpu"
    """`cpu_seconds` is enforced, not only `wall_seconds`."""
    DISK = "disk"
    """What the job writes is bounded by `scratch_bytes` and gone afterwards."""
    SYSCALL_FILTER = "syscall_filter"
    """Kernel interfaces that ordinary programs do not need are closed."""
    PER_CALL_ISOLATION = "per_call_isolation"
    """Each job has a fresh place, never one that ran another job."""
    CREDENTIAL_INJECTION = "credential_injection"
    """Credentials are added outside the sandbox; the job uses a resource without ever holding its secret."""
    SNAPSHOT = "snapshot"
    """The state of a job can be stored and continued later."""


DEFAULT_NEEDS = frozenset(
    {
        Capability.NETWORK_DENY,
        Capability.MEMORY_TOTAL,
        Capability.PIDS,
        Capability.CPU,
        Capability.DISK,
        Capability.SYSCALL_FILTER,
        Capability.PER_CALL_ISOLATION,
    }
)
"""What a tool needs unless it says otherwise."""


@dataclass(frozen=True, kw_only=True)
class SandboxProfile:
    """The limits of a job and what must be enforced about them.

    `processes`: 1, the default, forbids starting another process; threads are free up to `threads`. A larger figure is
    the most processes and threads alive at once, counted together. `memory_bytes` bounds the address space of each
    process, of which programs with threads use more than memory, and with cgroups also the memory of all together. With
    one process the first alone bounds the whole, so the default works on machines without cgroups. `cpu_seconds` bounds
    each process, loading the interpreter not counted. `scratch_bytes` bounds /work, the only writable folder (/tmp is
    inside it). `output_bytes` bounds the result with its files, and separately what is printed.

    `warm_imports` are modules loaded before a job is there; `prewarmed` is how many workers wait in that state (each
    is used once). They change how soon a job starts, never what it may do.

    `backend` names the sandbox the job must run in: `monty` (pure computation), `bubblewrap`, `runsc` or `e2b`. Empty,
    the default, is the one this installation is set to.
    """

    needs: frozenset[Capability] = DEFAULT_NEEDS
    wall_seconds: float = 30.0
    cpu_seconds: float = 30.0
    memory_bytes: int = 1 << 30
    processes: int = 1
    threads: int = 64
    scratch_bytes: int = 64 << 20
    output_bytes: int = 16 << 20
    warm_imports: tuple[str, ...] = ()
    prewarmed: int = 0
    backend: str = ""


@dataclass(frozen=True, kw_only=True)
class EgressRule:
    """One host a job may reach where the backend's own network does the injecting; `headers` are added out there.

    Only for backends that run on another machine. On this one the way out is a door, which also looks at methods and
    paths. `headers` hold secrets: they are never shown.
    """

    host: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, kw_only=True)
class SandboxJob:
    """One thing to run.

    `entry` is `module:function`; the function is called as `run(arguments: dict, context: ToolContext)` with `request`,
    any JSON value, as arguments. `files` are offered under their names (see `FILE_NAME`), read-only in intent but the
    job's own copy. `doors` are unix sockets the caller listens on, seen inside as /doors/<name>; they must lie in the
    folder the backend was given for doors. The job never learns where a door leads or with what credential.

    `egress` is for backends on other machines; those here refuse it. `run_id` says whose work it is, for backends that
    label what they start.
    """

    call_id: str
    entry: str
    request: Any
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    doors: Mapping[str, Path] = field(default_factory=dict[str, Path])
    profile: SandboxProfile = SandboxProfile()
    egress: tuple[EgressRule, ...] = ()
    run_id: str = ""


@dataclass(frozen=True, kw_only=True)
class SandboxResult:
    """What came back from a job that ended well.

    `value` is what the entry returned: JSON types only, strictly parsed, still content of a stranger: check it against
    a schema before use. `wall_seconds` runs from the hand-over of the job to its proven end; `cpu_seconds` is user and
    system time of all its processes, including loading the interpreter; None where the backend cannot know.
    `peak_memory_bytes` is of the whole job with cgroups, else of its largest process; None where neither is known.
    `log_tail` is the end of what was printed (at most 4 KiB, undecodable bytes replaced). It is not part of the result,
    may hold personal content, and its absence means nothing.
    """

    value: Any
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    wall_seconds: float
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    log_tail: str = ""


class SandboxBackend(Protocol):
    """A place where tool code runs sealed off.

    Implementations are safe to use from many tasks at once and run up to their own concurrency; further jobs wait.
    """

    @property
    def name(self) -> str:
        """A short stable name for messages and the journal, for example `bubblewrap`."""
        ...

    async def capabilities(self) -> frozenset[Capability]:
        """What this backend enforces on this machine for the default profile, found out by trying.

        Raises SandboxUnavailable when the backend cannot run here at all.
        """
        ...

    async def run(self, job: SandboxJob) -> SandboxResult:
        """Run `job` and return its result once nothing of it is alive any more.

        Cancelling the awaiting task ends the job as surely as a time-out does. The whole result is held in memory.

        Raises:
            CapabilityMissing: the profile needs what this backend cannot enforce; nothing was run.
            InvalidJob: the job itself is malformed (a file name, the entry, too many files); nothing was run.
            SandboxUnavailable: the machinery failed; the tool may not have run, or its result is lost. It may be tried
                again if the tool's effect allows.
            SandboxLimitExceeded: a limit of the profile ended the job. Effects made through doors before that stand.
            ToolCrashed: the tool's own code failed, died or sent something that is no result. A caller must not
                conclude that nothing was done: effects made through doors before that stand.
        """
        ...

    async def close(self) -> None:
        """End all jobs and workers and free everything. Idempotent; `run` afterwards raises SandboxUnavailable."""
        ...


@runtime_checkable
class PrewarmingBackend(SandboxBackend, Protocol):
    """A backend that can start workers before their jobs come."""

    async def prepare(self, entry: str, profile: SandboxProfile) -> None:
        """Start the prewarmed workers of a tool; a no-op when the profile asks for none. Raises SandboxUnavailable."""
        ...


class SandboxUnavailable(Unavailable):
    """The sandbox itself failed, not the tool: it could not be started, or its machinery died.

    For the operator. Use `ToolCrashed` when the tool's code is the reason, `CapabilityMissing` when the machine
    can run sandboxes but not enforce this profile.
    """

    code = "sandbox_unavailable"


class SandboxNotTrusted(SandboxUnavailable):
    """An attack on this backend won something on this machine, or could not be tried. Nothing was run."""

    code = "sandbox_not_trusted"


class UnknownBackend(Misconfigured):
    """A profile or the settings name a sandbox there is none of. Nothing was run."""

    code = "sandbox_unknown"


class CapabilityMissing(Misconfigured):
    """The profile needs something this backend cannot enforce here. Nothing was run."""

    code = "sandbox_capability_missing"

    def __init__(self, *, backend: str, missing: frozenset[Capability], next_step: str) -> None:
        names = ", ".join(sorted(missing))
        super().__init__(
            f"The sandbox {backend!r} cannot enforce {names} here.",
            not_done="The tool was not run.",
            next_step=next_step,
            backend=backend,
            missing=sorted(missing),
        )
        self.backend = backend
        self.missing = missing


class InvalidJob(OverseenError):
    """The job handed to the sandbox is malformed. For the developer of the caller."""

    code = "sandbox_job_invalid"


Limit = Literal["wall_seconds", "cpu_seconds", "memory_bytes", "processes", "scratch_bytes", "output_bytes"]


class SandboxLimitExceeded(OverseenError):
    """The job ran into a limit of its profile and was ended. `limit` is the name of the profile's field.

    Trying again without changing input or profile will end the same way. For whoever handed in the content first (a
    file too large for its tool), then for the developer of the tool.
    """

    code = "sandbox_limit_exceeded"
    who_acts = WhoActs.REQUESTER

    def __init__(self, limit: Limit, *, allowed: float, log_tail: str = "") -> None:
        super().__init__(
            f"The tool used more than its {limit.replace('_', ' ')} ({allowed:g}) and was ended.",
            not_done="There is no result.",
            next_step="Hand in something smaller, or raise the limit in the tool's profile.",
            limit=limit,
            allowed=allowed,
        )
        self.limit = limit
        self.log_tail = log_tail


CrashKind = Literal["raised", "died", "garbled"]


class ToolCrashed(OverseenError):
    """The tool's own code raised, died of a signal or sent something that is no result. For the developer of the tool.

    `kind` says which of the three. `error_type` is the exception's class name, or the signal's. `detail` and `log_tail`
    are what the tool said, at most 4 KiB each: content of a stranger that may hold personal data, so they are not in
    the message. `tool_code` is set when the tool raised `ToolError` to say in its own words why it cannot answer.
    """

    code: ClassVar[str] = "tool_crashed"

    def __init__(
        self, kind: CrashKind, *, error_type: str, detail: str = "", log_tail: str = "", tool_code: str | None = None
    ) -> None:
        happened = {
            "raised": f"The tool stopped with {error_type}.",
            "died": f"The tool died ({error_type}).",
            "garbled": f"The tool sent something that is no result ({error_type}).",
        }[kind]
        super().__init__(
            happened,
            not_done="There is no result.",
            next_step="Look at the call's log; the same input will most likely end the same way.",
            kind=kind,
            error_type=error_type,
        )
        self.kind = kind
        self.error_type = error_type
        self.detail = detail
        self.log_tail = log_tail
        self.tool_code = tool_code


def check_job(job: SandboxJob) -> None:
    """Raises InvalidJob when names, entry or counts of `job` are out of bounds. For implementers of backends."""
    module, colon, function = job.entry.partition(":")
    if not colon or not function.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise InvalidJob(
            f"{job.entry!r} is no entry.", not_done="The tool was not run.", next_step="Use `module:function`."
        )
    if len(job.files) > MOST_FILES:
        raise InvalidJob(
            f"{len(job.files)} files are more than {MOST_FILES}.",
            not_done="The tool was not run.",
            next_step="Hand in fewer at once.",
        )
    for name in (*job.files, *job.doors):
        if FILE_NAME.fullmatch(name) is None:
            raise InvalidJob(
                f"{name!r} cannot be a name in a sandbox.",
                not_done="The tool was not run.",
                next_step="Use letters, digits, dot, dash, underscore; at most 128, the first no dot or dash.",
            )
