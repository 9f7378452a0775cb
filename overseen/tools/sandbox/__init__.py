"""Where tool code runs: the port, and the bubblewrap backend."""

from overseen.tools.sandbox.bubblewrap import BubblewrapBackend
from overseen.tools.sandbox.port import (
    Capability,
    CapabilityMissing,
    InvalidJob,
    SandboxBackend,
    SandboxJob,
    SandboxLimitExceeded,
    SandboxProfile,
    SandboxResult,
    SandboxUnavailable,
    ToolCrashed,
)

__all__ = [
    "BubblewrapBackend",
    "Capability",
    "CapabilityMissing",
    "InvalidJob",
    "SandboxBackend",
    "SandboxJob",
    "SandboxLimitExceeded",
    "SandboxProfile",
    "SandboxResult",
    "SandboxUnavailable",
    "ToolCrashed",
]
