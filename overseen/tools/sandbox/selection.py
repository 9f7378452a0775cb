"""Hands each job to the backend its profile names, or to the one this installation is set to.

A backend is made when its first job comes: one that cannot be had here stops only the tools that need it.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from overseen.blocking import run_blocking
from overseen.tools.sandbox.port import (
    Capability,
    PrewarmingBackend,
    SandboxBackend,
    SandboxJob,
    SandboxProfile,
    SandboxResult,
    SandboxUnavailable,
    UnknownBackend,
)
from overseen.tools.sandbox.runtime import make_doors_folder


class SelectingBackend:
    """A backend in front of several. `makers` are by name; each is called at most once, with nothing.

    `folder` is the data folder's `sandbox`. Raises UnknownBackend when `default` is no name in `makers`. A maker may
    raise SandboxUnavailable to say what this machine lacks.
    """

    name = "selection"

    def __init__(self, folder: Path, *, default: str, makers: Mapping[str, Callable[[], SandboxBackend]]) -> None:
        self._folder = folder.absolute()
        self._default = default
        self._makers = dict(makers)
        self._made: dict[str, SandboxBackend] = {}
        self._making = asyncio.Lock()
        self._closed = False
        if default not in self._makers:
            raise self._unknown(default, "Set OVERSEEN_SANDBOX_BACKEND to one of them.")

    @property
    def doors_folder(self) -> Path:
        """Where callers put the sockets they offer as doors."""
        return self._folder / "doors"

    async def backend(self, name: str = "") -> SandboxBackend:
        """The backend of that name, the installation's own for the empty name.

        Raises UnknownBackend, or SandboxUnavailable when it cannot be had here or all are closed.
        """
        name = name or self._default
        if self._closed:
            raise SandboxUnavailable("The sandbox is closed.", not_done="The tool was not run.", next_step="Try again.")
        if name not in self._makers:
            raise self._unknown(name, "Correct the tool's profile.")
        async with self._making:
            if name not in self._made:
                # What a maker looks for on this machine may take a while.
                self._made[name] = await run_blocking(self._makers[name])
            return self._made[name]

    def _unknown(self, name: str, next_step: str) -> UnknownBackend:
        return UnknownBackend(
            f"There is no sandbox named {name!r}; there are {', '.join(sorted(self._makers))}.",
            not_done="The tool was not run.",
            next_step=next_step,
            backend=name,
        )

    async def capabilities(self) -> frozenset[Capability]:
        """Those of the installation's own backend. The place for doors is there afterwards, whichever that is."""
        await run_blocking(make_doors_folder, self._folder)
        return await (await self.backend()).capabilities()

    async def run(self, job: SandboxJob) -> SandboxResult:
        """See the port."""
        return await (await self.backend(job.profile.backend)).run(job)

    async def prepare(self, entry: str, profile: SandboxProfile) -> None:
        """See `PrewarmingBackend`; a no-op for backends that cannot."""
        backend = await self.backend(profile.backend)
        if isinstance(backend, PrewarmingBackend):
            await backend.prepare(entry, profile)

    async def close(self) -> None:
        """Close every backend that was made."""
        self._closed = True
        made, self._made = self._made, {}
        for backend in made.values():
            await backend.close()
