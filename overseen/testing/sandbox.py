"""A sandbox that runs nothing: it answers by entry, for tests of what stands in front of it."""

from collections.abc import Callable, Mapping
from typing import Any

from overseen.tools.sandbox.port import Capability, SandboxJob, SandboxResult, check_job

Answer = Any | BaseException | Callable[[SandboxJob], Any]


class ScriptedSandbox:
    """A `SandboxBackend`. `answers` maps an entry to a value, to an exception to raise, or to a function of the job.

    `files` are what every job gives back beside its value. `jobs` are the jobs that were run, in order.
    """

    name = "scripted"

    def __init__(self, answers: Mapping[str, Answer], *, files: Mapping[str, bytes] | None = None) -> None:
        self._answers = dict(answers)
        self._files = dict(files or {})
        self.jobs: list[SandboxJob] = []

    async def capabilities(self) -> frozenset[Capability]:
        """All of them: nothing runs, so nothing can escape."""
        return frozenset(Capability)

    async def run(self, job: SandboxJob) -> SandboxResult:
        """The answer for the job's entry; KeyError when there is none."""
        check_job(job)
        self.jobs.append(job)
        answer = self._answers[job.entry]
        if isinstance(answer, BaseException):
            raise answer
        value = answer(job) if callable(answer) else answer
        return SandboxResult(value=value, files=self._files, wall_seconds=0.0, cpu_seconds=0.0, peak_memory_bytes=None)

    async def close(self) -> None:
        """Nothing to free."""
