"""What a whole claims run costs beside the same graph in bare LangGraph.

`python -m benchmarks.full_run [--runs 10]`: the sample claim car_door_plain with a scripted model through the real
house (PostgreSQL, OpenBao, bubblewrap, journal, leases, insurer), and the same nodes and edges in LangGraph alone,
with no tools, leases, journal or checkpoints, in one process and one go. Prints medians in milliseconds, the CPU time
of this process, and the ratio.
"""

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send

from overseen.evals.ground import proving_ground
from overseen.evals.suite import case_runner
from overseen.playbooks import load_playbook
from overseen.playbooks.samples import load_sample
from overseen.settings import load_settings
from tests.system.claims.scripted_reader import scripted_reader

Measured = tuple[float, float]
"""Wall and CPU milliseconds of one run."""


class _State(TypedDict, total=False):
    run_id: str
    value: int


def bare_graph() -> Any:
    """The supervisor graph's shape with nodes that do nothing."""
    steps = ("extractor", "vision_checker", "policy_lookup")

    async def nothing(state: _State) -> _State:  # noqa: ARG001 - the name is part of the type LangGraph asks for
        return {}

    async def delegate(state: _State) -> Command[Any]:
        done = state.get("value", 0)
        if done >= len(steps) - 1:
            return Command(goto="decide")
        ready = steps[:1] if done == 0 else steps[1:]
        return Command(goto=[Send("step", state) for _ in ready], update={"value": done + len(ready)})

    builder = StateGraph(_State)
    for name in ("plan", "step", "decide", "explain", "act", "close"):
        builder.add_node(name, nothing)
    builder.add_node("delegate", delegate, destinations=("step", "decide"))
    builder.add_node("gate", nothing)
    for before, after in (
        (START, "plan"),
        ("plan", "delegate"),
        ("step", "delegate"),
        ("decide", "explain"),
        ("explain", "gate"),
        ("gate", "act"),
        ("act", "close"),
        ("close", END),
    ):
        builder.add_edge(before, after)
    return builder.compile()


async def measured(run: Callable[[], Awaitable[object]]) -> Measured:
    """One run's wall and CPU time in milliseconds; children that were reaped count."""
    began, used = time.perf_counter(), _cpu()
    await run()
    return (time.perf_counter() - began) * 1e3, (_cpu() - used) * 1e3


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


async def main(runs: int) -> None:
    graph = bare_graph()
    case = load_sample(load_playbook("claims_intake"), "car_door_plain")
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(Path(folder), {})
        async with (
            proving_ground(settings, Path(folder) / "ground") as ground,
            case_runner(ground, routes=[scripted_reader()]) as runner,
        ):
            first = await runner.run(case)
            if first.state != "settled":
                raise SystemExit(f"the run ended {first.state}: {first.error}; there is nothing to measure")
            await graph.ainvoke({"run_id": "warm"})
            whole: list[Measured] = []
            bare: list[Measured] = []
            for number in range(runs):
                bare.append(await measured(lambda number=number: graph.ainvoke({"run_id": str(number)})))
                whole.append(await measured(lambda: runner.run(case)))
    report("bare LangGraph", bare)
    report("whole house", whole)
    ratio = statistics.median(wall for wall, _ in whole) / statistics.median(wall for wall, _ in bare)
    print(f"a run of the whole house takes {ratio:.0f} times as long as the bare graph")


def report(name: str, results: list[Measured]) -> None:
    wall, cpu = (sorted(column) for column in zip(*results, strict=True))
    print(
        f"{name:16} n={len(results)} wall ms min {wall[0]:.1f} median {statistics.median(wall):.1f} max {wall[-1]:.1f} "
        f"cpu ms median {statistics.median(cpu):.1f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    asyncio.run(main(parser.parse_args().runs))
