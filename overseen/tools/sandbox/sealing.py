"""The last look before a backend is trusted: what a job sees from inside must be what it is meant to see."""

from typing import Any

from overseen.tools.sandbox.port import Capability, SandboxJob, SandboxProfile, SandboxUnavailable


def wall_probe() -> SandboxJob:
    """A job that looks at the walls and harms nothing."""
    profile = SandboxProfile(
        needs=frozenset[Capability](), scratch_bytes=1 << 20, output_bytes=1 << 16, wall_seconds=20.0
    )
    return SandboxJob(call_id="probe", entry="overseen.tools.sandbox.probe:run", request={}, profile=profile)


def check_walls(backend: str, seen: Any) -> None:
    """Compare what the probe saw. Raises SandboxUnavailable naming each wall that is missing."""
    wrong = [
        name
        for name, bad in (
            ("kernel settings can be written", seen["kernel_settings_writable"]),
            ("there is a network", seen["network"]),
            ("it holds capabilities", seen["capabilities"]),
            ("it could gain privileges", not seen["no_new_privileges"]),
            ("the syscall filter is off", not seen["syscall_filter"]),
            ("it sees other processes", seen["processes"] > 2),
        )
        if bad
    ]
    if wrong:
        raise SandboxUnavailable(
            f"{backend} does not seal here: {'; '.join(wrong)}.",
            not_done="No tool was run.",
            next_step="Run Overseen as an ordinary user or as real root, or choose another sandbox.",
        )
