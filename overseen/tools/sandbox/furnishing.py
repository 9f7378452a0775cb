"""Makes the place one sandbox starts in: its user, its folder of doors, its limits, its filter, its command line."""

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from overseen.tools.sandbox.cgroups import Leaf
from overseen.tools.sandbox.command import launch_command, most_tasks
from overseen.tools.sandbox.machinery import Machinery
from overseen.tools.sandbox.port import SandboxProfile, SandboxUnavailable
from overseen.tools.sandbox.seccomp import build_filter
from overseen.tools.sandbox.slots import Slot
from overseen.tools.sandbox.spawning import Launch

_OPEN_FILES = 256
_WARM_CPU_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a sandbox is started with, and what has to be freed after it. `syscall_filter` is an open descriptor."""

    launch: Launch
    slot: Slot | None
    doors: Path
    syscall_filter: int

    def close_filter(self) -> None:
        """Close our copy of the filter, once the sandbox has its own or will never start."""
        with contextlib.suppress(OSError):
            os.close(self.syscall_filter)

    def clear(self) -> None:
        """Remove the doors and give the user back. Blocking. Only when nothing in it is alive."""
        shutil.rmtree(self.doors, ignore_errors=True)
        if self.slot is not None:
            self.slot.release()


def furnish(machinery: Machinery, profile: SandboxProfile, *, warm: bool, entry_module: str | None) -> Place:
    """A place for one sandbox. Blocking. Raises SandboxUnavailable."""
    slot = machinery.slots.take() if machinery.slots is not None else None
    try:
        doors = _make_doors_folder(machinery.runtime.doors, slot)
        view = machinery.spawner.view
        leaf = Leaf()
        if machinery.cgroups is not None:
            leaf = machinery.cgroups.leaf(memory_bytes=profile.memory_bytes, tasks=most_tasks(profile) + 2)
        launch = Launch(
            argv=launch_command(
                machinery.runtime, view, f"{view}/doors/{doors.name}", profile, warm=warm, entry_module=entry_module
            ),
            uid=slot.uid if slot is not None else None,
            limits=_limits(profile, own_user=slot is not None),
            cgroups=leaf.folders,
            statistics=leaf.statistics,
        )
        return Place(launch=launch, slot=slot, doors=doors, syscall_filter=_open_filter(profile.processes == 1))
    except OSError as error:
        if slot is not None:
            slot.release()
        raise SandboxUnavailable(
            f"A sandbox could not be furnished: {error.strerror}.",
            not_done="The tool was not run.",
            next_step="Check space and permissions of the data folder.",
        ) from error


def _make_doors_folder(parent: Path, slot: Slot | None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="call-", dir=parent))
    if slot is not None:
        os.chown(folder, slot.uid, slot.uid)
    return folder


@cache
def _filter(single_process: bool) -> bytes:
    return build_filter(single_process=single_process)


def _open_filter(single_process: bool) -> int:
    """A descriptor at the filter's first byte. Each sandbox gets one of its own: bwrap reads it to the end."""
    descriptor = os.memfd_create("overseen-syscall-filter")
    os.write(descriptor, _filter(single_process))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _limits(profile: SandboxProfile, *, own_user: bool) -> dict[str, int]:
    limits = {
        "address_space": profile.memory_bytes,
        "file_size": profile.scratch_bytes,
        "open_files": _OPEN_FILES,
        # A ceiling; the runner lowers it to the job's share once imports are loaded.
        "cpu": int(profile.cpu_seconds) + _WARM_CPU_SECONDS,
        "core": 0,
        "locked_memory": 0,
        "message_queues": 0,
    }
    if own_user:
        # For a user with other processes this would count those too; the runner then sets it inside.
        limits["processes"] = most_tasks(profile) + 2
    return limits
