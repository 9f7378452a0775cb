"""Finds out where this process may create cgroup leaves, version 1 or 2, and what to write into them."""

import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """What to create for one sandbox: folders with the values of their files, and where its figures are read."""

    folders: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, dict[str, int]])
    statistics: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class CgroupParents:
    """Folders in which leaves can be made. Version 2 has one for all controllers, version 1 one for each."""

    version: int
    memory: Path
    pids: Path

    def leaf(self, *, memory_bytes: int, tasks: int) -> Leaf:
        """A leaf with a fresh name that holds at most `memory_bytes` (no swap) and `tasks` processes and threads."""
        name = f"overseen-{os.getpid()}-{secrets.token_hex(6)}"
        memory, pids = self.memory / name, self.pids / name
        if self.version == 2:
            values = {"memory.max": memory_bytes, "memory.swap.max": 0, "memory.oom.group": 1, "pids.max": tasks}
            present = {
                file: value for file, value in values.items() if (self.memory / file).exists() or "swap" not in file
            }
            return Leaf(
                folders={str(memory): present},
                statistics={
                    "peak_memory": str(memory / "memory.peak"),
                    "memory_events": str(memory / "memory.events"),
                    "pids_events": str(memory / "pids.events"),
                },
            )
        limits = {"memory.limit_in_bytes": memory_bytes}
        if (self.memory / "memory.memsw.limit_in_bytes").exists():
            limits["memory.memsw.limit_in_bytes"] = memory_bytes
        return Leaf(
            folders={str(memory): limits, str(pids): {"pids.max": tasks}},
            statistics={
                "peak_memory": str(memory / "memory.max_usage_in_bytes"),
                "memory_events": str(memory / "memory.oom_control"),
                "pids_events": str(pids / "pids.events"),
            },
        )


def sweep_leaves(parents: CgroupParents) -> None:
    """Remove leaves of processes that are gone: they were killed before they could do it themselves."""
    for folder in {parents.memory, parents.pids}:
        for leaf in folder.glob("overseen-*-*"):
            owner = leaf.name.split("-")[1]
            if owner.isdigit() and not Path("/proc", owner).exists():
                with contextlib.suppress(OSError):
                    leaf.rmdir()


def _own_groups() -> dict[str, str]:
    """Controller name to path of this process's group; the key of version 2 is the empty string."""
    groups: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                groups[controller] = path
    return groups


def _accepts_leaves(folder: Path, *files: str) -> bool:
    trial = folder / f"overseen-trial-{secrets.token_hex(6)}"
    try:
        trial.mkdir()
    except OSError:
        return False
    try:
        return all(os.access(trial / name, os.W_OK) for name in (*files, "cgroup.procs"))
    finally:
        trial.rmdir()


def _version_2(group: str) -> CgroupParents | None:
    own = _ROOT / group.lstrip("/")
    # Processes and controllers exclude each other in one group: a delegated parent of our own is the other chance.
    for folder in (own, own.parent):
        if not folder.is_relative_to(_ROOT):
            continue
        with contextlib.suppress(OSError):
            (folder / "cgroup.subtree_control").write_text("+memory +pids", encoding="ascii")
        if _accepts_leaves(folder, "memory.max", "pids.max"):
            return CgroupParents(version=2, memory=folder, pids=folder)
    return None


def find_cgroup_parents() -> CgroupParents | None:
    """Where leaves for memory and pids can be made, tried by making one; None where it is not allowed."""
    groups = _own_groups()
    if (_ROOT / "cgroup.controllers").exists():
        return _version_2(groups.get("", "/"))
    memory = _ROOT / "memory" / groups.get("memory", "/").lstrip("/")
    pids = _ROOT / "pids" / groups.get("pids", "/").lstrip("/")
    if _accepts_leaves(memory, "memory.limit_in_bytes") and _accepts_leaves(pids, "pids.max"):
        return CgroupParents(version=1, memory=memory, pids=pids)
    return None


def count_event(text: str, name: str) -> int:
    """The figure behind `name` in a file of `name number` lines; 0 when it is not there."""
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return 0
