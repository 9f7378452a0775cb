"""What is written into cgroup leaves and read from them."""

from pathlib import Path

from overseen.tools.sandbox.cgroups import CgroupParents, count_event


def test_version_2_bounds_memory_swap_and_tasks_in_one_leaf(tmp_path: Path) -> None:
    leaf = CgroupParents(version=2, memory=tmp_path, pids=tmp_path).leaf(memory_bytes=1000, tasks=7)
    ((folder, values),) = leaf.folders.items()
    assert Path(folder).parent == tmp_path
    assert (values["memory.max"], values["pids.max"], values["memory.oom.group"]) == (1000, 7, 1)


def test_version_1_has_a_leaf_for_each_controller(tmp_path: Path) -> None:
    parents = CgroupParents(version=1, memory=tmp_path / "memory", pids=tmp_path / "pids")
    leaf = parents.leaf(memory_bytes=1000, tasks=7)
    assert [dict(values) for values in leaf.folders.values()] == [{"memory.limit_in_bytes": 1000}, {"pids.max": 7}]


def test_two_leaves_have_two_names(tmp_path: Path) -> None:
    parents = CgroupParents(version=2, memory=tmp_path, pids=tmp_path)
    assert parents.leaf(memory_bytes=1, tasks=1).folders.keys() != parents.leaf(memory_bytes=1, tasks=1).folders.keys()


def test_events_are_counted_by_name() -> None:
    text = "low 0\noom 3\noom_kill 2\noom_group_kill x\n"
    assert (count_event(text, "oom_kill"), count_event(text, "missing"), count_event(text, "oom_group_kill")) == (
        2,
        0,
        0,
    )
