"""A backend to test, and a short way to run a script in it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from overseen.tools.sandbox import (
    Capability,
    CapabilityMissing,
    SandboxBackend,
    SandboxJob,
    SandboxProfile,
    SandboxResult,
)
from tests.contract.sandbox.backends import BACKENDS, OWN_KERNEL

SCRIPT = "overseen.tools.sandbox.script:run"


@dataclass
class Sandbox:
    """A backend with the conveniences tests want."""

    backend: SandboxBackend
    capabilities: frozenset[Capability]
    numbers: list[int] = field(default_factory=list)

    def job(
        self,
        code: str,
        *,
        arguments: Any = None,
        files: Mapping[str, bytes] | None = None,
        doors: Mapping[str, Path] | None = None,
        **limits: Any,
    ) -> SandboxJob:
        """A job that executes `code`, with limits small enough for a test."""
        self.numbers.append(len(self.numbers))
        profile = SandboxProfile(
            **{"wall_seconds": 20.0, "cpu_seconds": 10.0, "scratch_bytes": 8 << 20, "output_bytes": 1 << 20, **limits}
        )
        return SandboxJob(
            call_id=f"call_{len(self.numbers)}",
            entry=SCRIPT,
            request={"code": code, "arguments": arguments},
            files=files or {},
            doors=doors or {},
            profile=profile,
        )

    async def run(self, code: str, **options: Any) -> SandboxResult:
        """Run `code`; the result of its name `result`."""
        try:
            return await self.backend.run(self.job(code, **options))
        except CapabilityMissing as error:
            if self.backend.name in OWN_KERNEL and error.missing == {Capability.PIDS}:
                pytest.skip(f"{self.backend.name} runs one process only where their number has to be bounded")
            raise

    async def value(self, code: str, **options: Any) -> Any:
        """What `code` left in `result`."""
        return (await self.run(code, **options)).value

    def requires(self, *capabilities: Capability) -> None:
        """Skip a test of something the backend does not claim to enforce."""
        missing = set(capabilities) - self.capabilities
        if missing:
            pytest.skip(f"{self.backend.name} does not claim {', '.join(sorted(missing))}")


@pytest_asyncio.fixture(params=sorted(BACKENDS), scope="session")
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """Each backend in turn."""
    async with BACKENDS[request.param]() as backend:
        yield Sandbox(backend=backend, capabilities=await backend.capabilities())
