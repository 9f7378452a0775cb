"""What is sent into a virtual machine of E2B: the code of the tools, bwrap, and the plan of one job."""

import io
import zipfile
from functools import cache
from pathlib import Path

from overseen.tools.sandbox.command import launch_command
from overseen.tools.sandbox.frames import encode_frame
from overseen.tools.sandbox.port import SandboxJob, SandboxProfile
from overseen.tools.sandbox.runtime import Runtime, packaged_launcher, tool_code
from overseen.tools.sandbox.seccomp import build_filter

_MACHINE = "x86_64"
_OPEN_FILES = 256
_NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/pki")
_THERE = Runtime(
    folder=Path(),
    python=None,
    interpreter="@interpreter@",
    library_path="@library@",
    packages="packages",
    code="code",
    launcher="@launcher@",
)
"""Marks instead of paths: only the machine itself knows them."""


@cache
def machine_archive() -> bytes:
    """A zip file that Python runs: alike for all jobs. Blocking."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__main__.py", Path(__file__).with_name("e2b_guest.py").read_bytes())
        for name, data in sorted(tool_code().items()):
            archive.writestr(f"code/{name}", data)
        for name, data in sorted(packaged_launcher().items()):
            archive.writestr(f"bubblewrap/{name}", data)
    return content.getvalue()


def job_package(job: SandboxJob) -> bytes:
    """The plan of `job` with its request and files. Raises ValueError or TypeError when the request is no JSON."""
    profile = job.profile
    header = {
        "entry": job.entry,
        "request": job.request,
        "cpu_seconds": profile.cpu_seconds,
        "output_bytes": profile.output_bytes,
    }
    plan = {"machine": _MACHINE, "command": _command(job), "limits": _limits(profile)}
    syscall_filter = build_filter(
        single_process=profile.processes == 1, architecture=_MACHINE, network=bool(job.egress)
    )
    return b"".join(encode_frame(plan, {"frame": b"".join(encode_frame(header, job.files)), "filter": syscall_filter}))


def _command(job: SandboxJob) -> list[str]:
    launcher = "/@launcher@"
    words = launch_command(
        _THERE, "@root@", "@root@/doors", job.profile, warm=False, entry_module=None, top_level=["@top-level@"]
    )
    words[words.index(f"@root@{launcher}")] = "@launcher@"
    if job.egress:
        words.remove("--unshare-net")
        start = words.index("--remount-ro")
        words[start:start] = [word for path in _NETWORK_FILES for word in ("--ro-bind-try", path, path)]
    return words


def _limits(profile: SandboxProfile) -> dict[str, int]:
    """Hard limits by the names of Python's resource module. The runner lowers those of time and processes."""
    return {
        "AS": profile.memory_bytes,
        "FSIZE": profile.scratch_bytes,
        "NOFILE": _OPEN_FILES,
        "CPU": int(profile.cpu_seconds) + 60,
        "CORE": 0,
        "MEMLOCK": 0,
        "message_queues": 0,
    }
