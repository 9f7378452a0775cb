"""The backends that the conformance suite runs on, each as a context; a new backend is added here."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from overseen.tools.sandbox import BubblewrapBackend, SandboxBackend

# Laying out interpreter and packages takes seconds: one folder for all tests of all sessions on this machine.
SHARED_FOLDER = Path(tempfile.gettempdir(), f"overseen-test-sandbox-{os.getuid()}")


@asynccontextmanager
async def bubblewrap() -> AsyncGenerator[SandboxBackend]:
    """With cgroups where this machine lets us make them."""
    backend = BubblewrapBackend(SHARED_FOLDER, distributions=())
    yield backend
    await backend.close()


@asynccontextmanager
async def bubblewrap_without_cgroups() -> AsyncGenerator[SandboxBackend]:
    """As on a machine where cgroups cannot be had."""
    backend = BubblewrapBackend(SHARED_FOLDER, distributions=(), use_cgroups=False)
    yield backend
    await backend.close()


def can_nest() -> bool:
    """Whether a sandbox can be put up inside a sandbox: the machines of the local endpoint are sandboxes themselves.

    Some systems (Ubuntu's AppArmor profile of bwrap) allow the outer one only.
    """
    launcher = shutil.which("bwrap")
    if launcher is None:
        return True
    walls = [launcher, "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    nobody = 65_534 if os.geteuid() == 0 else None
    return subprocess.run([*walls, *walls, "true"], check=False, capture_output=True, user=nobody).returncode == 0


@asynccontextmanager
async def e2b() -> AsyncGenerator[SandboxBackend]:
    """The real SDK against an endpoint of this machine."""
    if importlib.util.find_spec("e2b") is None:
        pytest.skip("the extra e2b is not installed")
    if not can_nest():
        pytest.skip("a sandbox cannot be put up inside a sandbox here")
    from overseen.testing.e2b_endpoint import e2b_endpoint
    from overseen.tools.sandbox.e2b_backend import E2BBackend
    from overseen.tools.sandbox.e2b_machine import E2BConnection

    async with e2b_endpoint(SHARED_FOLDER) as endpoint:
        connection = E2BConnection(api_key=endpoint.api_key, api_url=endpoint.url, sandbox_url=endpoint.url)
        backend = E2BBackend(connection, installation="tests", worker_id="worker_1")
        yield backend
        await backend.close()
        assert not endpoint.machines.alive


@asynccontextmanager
async def runsc() -> AsyncGenerator[SandboxBackend]:
    """gVisor, where it is installed."""
    if shutil.which("runsc") is None:
        pytest.skip("there is no runsc on the PATH")
    from overseen.tools.sandbox.runsc_backend import RunscBackend

    backend = RunscBackend(SHARED_FOLDER, distributions=())
    yield backend
    await backend.close()


BACKENDS: dict[str, Callable[[], AbstractAsyncContextManager[SandboxBackend]]] = {
    "bubblewrap": bubblewrap,
    "bubblewrap-without-cgroups": bubblewrap_without_cgroups,
    "e2b": e2b,
    "runsc": runsc,
}

OWN_KERNEL = frozenset({"runsc"})
"""Backends whose jobs are no processes of this machine's kernel: nobody can see from outside what they do."""
