"""The backends that the conformance suite runs on, each as a factory; a new backend is added here."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from overseen.tools.sandbox import BubblewrapBackend, SandboxBackend

# Laying out interpreter and packages takes seconds: one folder for all tests of all sessions on this machine.
SHARED_FOLDER = Path(tempfile.gettempdir(), "overseen-test-sandbox")


def bubblewrap() -> SandboxBackend:
    """With cgroups where this machine lets us make them."""
    return BubblewrapBackend(SHARED_FOLDER, distributions=())


def bubblewrap_without_cgroups() -> SandboxBackend:
    """As on a machine where cgroups cannot be had."""
    return BubblewrapBackend(SHARED_FOLDER, distributions=(), use_cgroups=False)


BACKENDS: dict[str, Callable[[], SandboxBackend]] = {
    "bubblewrap": bubblewrap,
    "bubblewrap-without-cgroups": bubblewrap_without_cgroups,
}
