"""A backend is used only while it holds against the attacks that we know.

Before its first job here it has to hold against the essential ones, some of a second; the whole table is run by
`overseen doctor --attack`, and by workers in the background. A lost attack stops every job until the table holds again.
"""

import asyncio
import time

from overseen.blocking import run_blocking
from overseen.tools.sandbox.attacks import AttackResult, run_attacks, run_essential
from overseen.tools.sandbox.port import (
    Capability,
    PrewarmingBackend,
    SandboxBackend,
    SandboxJob,
    SandboxNotTrusted,
    SandboxProfile,
    SandboxResult,
)
from overseen.tools.sandbox.verdicts import Verdict, VerdictFile, verdict_of

_REPEATS = 2
_LOOK_SECONDS = 1.0
"""How soon a verdict that somebody else wrote counts: looking at each call would cost more than a call does."""


class ProvenBackend:
    """`inner`, behind the verdict in `file`."""

    def __init__(self, inner: PrewarmingBackend, file: VerdictFile) -> None:
        self._inner = inner
        self._file = file
        self._trying = asyncio.Lock()
        self._passed: int | None = None
        self._looked = 0.0

    @property
    def name(self) -> str:
        """That of the backend behind."""
        return self._inner.name

    async def capabilities(self) -> frozenset[Capability]:
        """See the port."""
        return await self._inner.capabilities()

    async def prepare(self, entry: str, profile: SandboxProfile) -> None:
        """See `PrewarmingBackend`. Raises SandboxNotTrusted."""
        await self.trust()
        await self._inner.prepare(entry, profile)

    async def run(self, job: SandboxJob) -> SandboxResult:
        """See the port. Raises SandboxNotTrusted as well."""
        await self.trust()
        return await self._inner.run(job)

    async def verdict(self) -> Verdict | None:
        """What is known of this backend here; None when it was never tried. Raises SandboxUnavailable."""
        return await run_blocking(self._file.read)

    async def trust(self) -> None:
        """Return when there is a verdict that lets this backend be used; find it out where there is none.

        Raises SandboxNotTrusted naming the attack that was lost.
        """
        if self._passed is not None and time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        async with self._trying:
            written = await run_blocking(self._file.written_at)
            self._looked = time.monotonic()
            if written is not None and written == self._passed:
                return
            self._passed = None
            verdict = await run_blocking(self._file.read) if written is not None else None
            if verdict is None:
                verdict = await self._try_essential()
                written = await run_blocking(self._file.written_at)
            if verdict.lost:
                raise _lost(self.name, verdict)
            self._passed = written

    async def _try_essential(self) -> Verdict:
        # A backend that cannot be had at all says best itself what is missing.
        await self._inner.capabilities()
        results = await _repeated(self._inner, await run_essential(self._inner))
        untried = [result for result in results if not result.carried_out]
        if untried:
            raise SandboxNotTrusted(
                f"The sandbox {self.name!r} could not be tried: {untried[0].name}: {untried[0].detail}.",
                not_done="The tool was not run.",
                next_step="Run `overseen doctor --attack` and mend what it says.",
            )
        verdict = verdict_of(results, whole_table=False)
        try:
            await run_blocking(self._file.write, verdict)
        except OSError as error:
            raise SandboxNotTrusted(
                f"What the attacks on the sandbox {self.name!r} found could not be kept: {error.strerror}.",
                not_done="The tool was not run.",
                next_step="Check space and permissions of the data folder.",
            ) from error
        return verdict

    async def close(self) -> None:
        """See the port."""
        await self._inner.close()


async def attack_thoroughly(backend: SandboxBackend) -> list[AttackResult]:
    """The whole table; what was not held is tried again, for a machine under load may end a bomb by another limit."""
    return await _repeated(backend, await run_attacks(backend))


async def _repeated(backend: SandboxBackend, first: list[AttackResult]) -> list[AttackResult]:
    results = {result.name: result for result in first}
    for _ in range(_REPEATS):
        doubtful = {name for name, result in results.items() if not result.held}
        if not doubtful:
            break
        results |= {result.name: result for result in await run_attacks(backend, doubtful)}
    return list(results.values())


def _lost(name: str, verdict: Verdict) -> SandboxNotTrusted:
    attack, seen = next(iter(verdict.lost.items()))
    others = len(verdict.lost) - 1
    return SandboxNotTrusted(
        f"The sandbox {name!r} does not hold on this machine against: {attack}"
        f"{f' and {others} more' if others else ''} ({seen[:200]}).",
        not_done="No tool was run.",
        next_step="Mend it, see docs/security.md; then `overseen doctor --attack` has to say that everything held. "
        "Or choose another sandbox with OVERSEEN_SANDBOX_BACKEND.",
        attack=attack,
        lost=sorted(verdict.lost),
    )
