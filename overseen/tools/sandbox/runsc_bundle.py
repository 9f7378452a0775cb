"""What runsc is told about a sandbox: an OCI bundle with the trees that tools see, and nothing else."""

import base64
import json
from pathlib import Path
from typing import Any

from overseen.tools.sandbox.command import DOORS, WORK, most_tasks, sandbox_variables
from overseen.tools.sandbox.port import SandboxProfile
from overseen.tools.sandbox.runtime import INSIDE, Runtime
from overseen.tools.sandbox.seccomp import build_filter

_NOBODY = 65534
_TEMPORARY, _SHARED_MEMORY = "/tmp", "/dev/shm"  # noqa: S108 - of the sandbox
_SMALL_BYTES = 1 << 20
_OPEN_FILES = 256
_TOP_LEVEL_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_NAMESPACES = ("pid", "network", "ipc", "uts", "mount")


def write_bundle(folder: Path, runtime: Runtime, profile: SandboxProfile) -> None:
    """Write `config.json` and `rootfs` into `folder`. Blocking. Raises OSError."""
    trees = {"packages": runtime.packages, "code": runtime.code}
    if runtime.python is not None:
        trees["python"] = runtime.python
    binds = {"/usr": Path("/usr"), **{f"{INSIDE}/{name}": runtime.folder / tree for name, tree in trees.items()}}
    root = folder / "rootfs"
    for name in (*binds, "/proc", "/dev", WORK, DOORS):
        (root / name.lstrip("/")).mkdir(parents=True)
    for name in _TOP_LEVEL_LINKS:
        path = Path("/", name)
        if path.is_symlink():
            (root / name).symlink_to(path.readlink())
        elif path.is_dir():
            (root / name).mkdir()
            binds[f"/{name}"] = path
    for path in (folder, root):
        path.chmod(0o755)
    config = {
        "ociVersion": "1.0.2",
        "process": _process(runtime, profile),
        "root": {"path": str(root), "readonly": True},
        "hostname": "sandbox",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            *(_bind(inside, outside) for inside, outside in binds.items()),
            _scratch(WORK, profile.scratch_bytes),
            {"destination": "/sys", "type": "tmpfs", "source": "tmpfs", "options": ["ro", "size=4096"]},
            # Without these there would be some without a limit.
            *(_scratch(path, _SMALL_BYTES) for path in (_TEMPORARY, _SHARED_MEMORY)),
        ],
        "linux": {"namespaces": [{"type": kind} for kind in _NAMESPACES]},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def _bind(inside: str, outside: Path) -> dict[str, Any]:
    return {"destination": inside, "type": "bind", "source": str(outside), "options": ["ro", "nosuid", "nodev"]}


def _scratch(inside: str, size: int) -> dict[str, Any]:
    options = ["nosuid", "nodev", "mode=0777", f"size={size}"]
    return {"destination": inside, "type": "tmpfs", "source": "tmpfs", "options": options}


def _process(runtime: Runtime, profile: SandboxProfile) -> dict[str, Any]:
    options = {
        "import_paths": [f"{INSIDE}/code", f"{INSIDE}/packages"],
        "work": WORK,
        "doors": DOORS,
        "tasks": most_tasks(profile),
        "warm_imports": [],
        "announce": False,
        "make": [f"{WORK}{_TEMPORARY}"],
    }
    syscall_filter = build_filter(single_process=profile.processes == 1)
    sealed = f"{INSIDE}/code/overseen/tools/sandbox/sealed_runner.py"
    limits = {
        "RLIMIT_AS": profile.memory_bytes,
        "RLIMIT_FSIZE": profile.scratch_bytes,
        "RLIMIT_NOFILE": _OPEN_FILES,
        "RLIMIT_CPU": int(profile.cpu_seconds) + 60,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_NPROC": most_tasks(profile),
    }
    return {
        "terminal": False,
        "user": {"uid": _NOBODY, "gid": _NOBODY},
        "args": [
            *(runtime.interpreter, "-I", "-S", sealed, base64.b64encode(syscall_filter).decode()),
            json.dumps(options),
        ],
        "env": [f"{name}={value}" for name, value in sandbox_variables(runtime).items()],
        "cwd": WORK,
        "capabilities": {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
        "rlimits": [{"type": name, "hard": value, "soft": value} for name, value in limits.items()],
        "noNewPrivileges": True,
    }
