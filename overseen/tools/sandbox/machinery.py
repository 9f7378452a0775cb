"""What the bubblewrap backend sets up once, before its first job."""

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from overseen.blocking import run_blocking
from overseen.tools.sandbox.cgroups import CgroupParents, find_cgroup_parents, sweep_leaves
from overseen.tools.sandbox.runtime import Runtime, make_runtime
from overseen.tools.sandbox.slots import Slots, choose_range
from overseen.tools.sandbox.spawning import SpawnerProcess

_ABANDONED_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True)
class Machinery:
    """What is set up once, before the first job."""

    runtime: Runtime
    spawner: SpawnerProcess
    cgroups: CgroupParents | None
    slots: Slots | None


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed left here a day ago or longer."""
    oldest = time.time() - _ABANDONED_SECONDS
    for path in (*folder.glob(".making-*"), *folder.glob("doors/call-*"), *folder.glob("doors/door-*")):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path, ignore_errors=True)


def _lay_out(
    folder: Path, distributions: Sequence[str], use_cgroups: bool, as_root: bool
) -> tuple[Runtime, CgroupParents | None, Slots | None]:
    runtime = make_runtime(folder, distributions)
    _sweep(folder)
    cgroups = find_cgroup_parents() if use_cgroups else None
    if cgroups is not None:
        sweep_leaves(cgroups)
    return runtime, cgroups, Slots(choose_range()) if as_root else None


async def start_machinery(folder: Path, distributions: Sequence[str], *, use_cgroups: bool) -> Machinery:
    """Lay out the trees, look for cgroups, start the spawner. Raises SandboxUnavailable."""
    as_root = os.geteuid() == 0
    runtime, cgroups, slots = await run_blocking(_lay_out, folder, distributions, use_cgroups, as_root)
    spawner = await SpawnerProcess.start(folder, make_view=as_root)
    return Machinery(runtime=runtime, spawner=spawner, cgroups=cgroups, slots=slots)
