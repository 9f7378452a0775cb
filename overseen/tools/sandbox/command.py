"""The bwrap command line of a sandbox: everything it may see, and nothing it may not."""

import json
from collections.abc import Sequence
from pathlib import Path

from overseen.tools.sandbox.port import SandboxProfile
from overseen.tools.sandbox.runtime import INSIDE, Runtime

WORK = "/work"
DOORS = "/doors"
_TEMPORARY = "/tmp"  # noqa: S108 - of the sandbox, inside its scratch folder
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - of the sandbox
_KERNEL_SETTINGS = "/proc/sys"
_SHARED_MEMORY_BYTES = 16 << 20
_SECCOMP_DESCRIPTOR, _INFO_DESCRIPTOR = "3", "4"
_NOBODY = "65534"
_TOP_LEVEL_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

_WALLS = (
    "--unshare-user",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--disable-userns",
    "--new-session",
    "--die-with-parent",
    "--cap-drop",
    "ALL",
    "--clearenv",
)


def sandbox_variables(runtime: Runtime) -> dict[str, str]:
    """The whole environment of a sandbox."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": WORK,
        "TMPDIR": f"{WORK}{_TEMPORARY}",
        "LANG": "C.UTF-8",
        "LD_LIBRARY_PATH": runtime.library_path,
        # Each arena and each thread's stack takes address space, which is what the memory limit counts.
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
    }


def _top_level() -> list[str]:
    """/bin and its like: links into /usr on merged systems, folders of their own on others."""
    words: list[str] = []
    for name in _TOP_LEVEL_LINKS:
        path = Path("/", name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    return words


def launch_command(
    runtime: Runtime,
    view: str,
    doors: str,
    profile: SandboxProfile,
    *,
    warm: bool,
    entry_module: str | None,
    top_level: Sequence[str] | None = None,
) -> list[str]:
    """The words to execute as the sandbox's user.

    `view` is where that user finds the runtime's folder, `doors` the folder shown as /doors. Descriptor 3 is the
    syscall filter, 4 receives bwrap's information. A `warm` worker loads the profile's imports and announces itself.
    `top_level` are the words for /bin and its like where the sandbox is started on another machine than this one.
    """
    trees = [(f"{view}/{runtime.packages}", "packages"), (f"{view}/{runtime.code}", "code")]
    if runtime.python is not None:
        trees.append((f"{view}/{runtime.python}", "python"))
    mounts = [word for source, name in trees for word in ("--ro-bind", source, f"{INSIDE}/{name}")]
    warm_imports = [*profile.warm_imports, *([entry_module] if entry_module else [])] if warm else []
    options = {
        "import_paths": [f"{INSIDE}/code", f"{INSIDE}/packages"],
        "work": WORK,
        "doors": DOORS,
        "tasks": most_tasks(profile),
        "warm_imports": warm_imports,
        "announce": warm,
    }
    environment = [word for name, value in sandbox_variables(runtime).items() for word in ("--setenv", name, value)]
    launcher = runtime.launcher if runtime.launcher.startswith("/") else f"{view}/{runtime.launcher}"
    return [
        *(launcher, *_WALLS, *environment),
        *("--hostname", "sandbox", "--uid", _NOBODY, "--gid", _NOBODY),
        *("--ro-bind", "/usr", "/usr", *(_top_level() if top_level is None else top_level), *mounts),
        # The settings of its own namespaces would be writable to a user that owns them; no job needs that.
        *("--proc", "/proc", "--ro-bind", _KERNEL_SETTINGS, _KERNEL_SETTINGS, "--dev", "/dev"),
        *("--size", str(_SHARED_MEMORY_BYTES), "--tmpfs", _SHARED_MEMORY),
        *(
            "--size",
            str(profile.scratch_bytes),
            "--tmpfs",
            WORK,
            "--dir",
            f"{WORK}{_TEMPORARY}",
            "--symlink",
            f"{WORK}{_TEMPORARY}",
            _TEMPORARY,
        ),
        *("--ro-bind", doors, DOORS, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK),
        *("--seccomp", _SECCOMP_DESCRIPTOR, "--info-fd", _INFO_DESCRIPTOR),
        *(runtime.interpreter, "-I", "-S", f"{INSIDE}/code/overseen/tools/sandbox/runner.py", json.dumps(options)),
    ]


def most_tasks(profile: SandboxProfile) -> int:
    """Processes and threads the kernel may count for a job, bwrap's own first process included."""
    return (profile.threads if profile.processes == 1 else profile.processes) + 2
