"""How much a sandbox costs: cold and prewarmed calls against a bare process doing the same, in one run.

    python benchmarks/sandbox.py [--calls 30] [--json]

The bare process runs the very same runner on the very same request, only without walls; the empty one is an interpreter
that does nothing. Each round measures all kinds in turn, so that other load on the machine falls on all of them alike.
Medians and ratios are printed; trust the ratios.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from overseen.blocking import run_blocking
from overseen.tools.sandbox import BubblewrapBackend, SandboxJob, SandboxProfile
from overseen.tools.sandbox.frames import encode_frame
from overseen.tools.sandbox.runtime import make_runtime

ENTRY = "overseen.tools.sandbox.script:run"
REQUEST = {"code": "result = sum(arguments['amounts'])", "arguments": {"amounts": list(range(20))}}
COLD = SandboxProfile()
WARM = SandboxProfile(prewarmed=2)


def empty_process() -> None:
    """The least any process of this interpreter can cost."""
    subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)


def bare_process(code: Path) -> None:
    """The same runner, entry and request as in the sandbox, in a process without walls."""
    options = {"import_paths": [str(code)], "work": tempfile.gettempdir(), "doors": "", "tasks": 0, "warm_imports": []}
    header = {"entry": ENTRY, "request": REQUEST, "cpu_seconds": 10, "output_bytes": 1 << 20}
    subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            str(code / "overseen/tools/sandbox/runner.py"),
            json.dumps({**options, "announce": False}),
        ],
        input=b"".join(encode_frame(header, {})),
        check=True,
        stdout=subprocess.DEVNULL,
    )


async def empty() -> None:
    await run_blocking(empty_process)


async def milliseconds(action: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await action()
    return (time.perf_counter() - started) * 1000


async def call(backend: BubblewrapBackend, profile: SandboxProfile) -> None:
    result = await backend.run(SandboxJob(call_id="benchmark", entry=ENTRY, request=REQUEST, profile=profile))
    assert result.value == 190


async def latencies(backend: BubblewrapBackend, code: Path, calls: int) -> dict[str, list[float]]:
    kinds = ("empty process", "bare process", "sandbox cold", "sandbox prewarmed")
    seen: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(calls):
        seen["empty process"].append(await milliseconds(empty))
        seen["bare process"].append(await milliseconds(lambda: run_blocking(bare_process, code)))
        seen["sandbox cold"].append(await milliseconds(lambda: call(backend, COLD)))
        await backend.prepare(ENTRY, WARM)
        seen["sandbox prewarmed"].append(await milliseconds(lambda: call(backend, WARM)))
        # The replacement is started in the background; it must not compete with the next measurement.
        await backend.prepare(ENTRY, WARM)
    return seen


async def throughput(folder: Path, at_once: int, calls: int) -> float:
    backend = BubblewrapBackend(folder, concurrency=at_once)
    await backend.capabilities()
    started = time.perf_counter()
    await asyncio.gather(*(call(backend, COLD) for _ in range(calls)))
    seconds = time.perf_counter() - started
    await backend.close()
    return calls / seconds


async def idle_worker_bytes(backend: BubblewrapBackend) -> float:
    """Memory only this worker has (unique set size) of the processes of one waiting worker."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    await backend.prepare(ENTRY, SandboxProfile(prewarmed=1, wall_seconds=29))
    added = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    return sum(process.memory_full_info().uss for process in added)


def report(seen: dict[str, list[float]], rates: dict[int, float], idle_bytes: float) -> dict[str, object]:
    medians = {name: statistics.median(values) for name, values in seen.items()}
    return {
        "median_ms": {name: round(value, 2) for name, value in medians.items()},
        "min_ms": {name: round(min(values), 2) for name, values in seen.items()},
        "ratio_cold_to_bare": round(medians["sandbox cold"] / medians["bare process"], 2),
        "ratio_cold_to_empty": round(medians["sandbox cold"] / medians["empty process"], 2),
        "ratio_prewarmed_to_bare": round(medians["sandbox prewarmed"] / medians["bare process"], 2),
        "cold_calls_per_second": {str(at_once): round(rate, 1) for at_once, rate in rates.items()},
        "idle_worker_mb": round(idle_bytes / 1e6, 1),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the sandbox's files are kept; default: a fresh folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as fresh:
        folder = options.folder or Path(fresh)
        backend = BubblewrapBackend(folder)
        await backend.capabilities()
        runtime = await run_blocking(make_runtime, folder)
        seen = await latencies(backend, runtime.folder / runtime.code, options.calls)
        idle_bytes = await idle_worker_bytes(backend)
        await backend.close()
        rates = {at_once: await throughput(folder, at_once, max(16, at_once * 2)) for at_once in (1, 8, 32)}
    figures = report(seen, rates, idle_bytes)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:28} {value}")


if __name__ == "__main__":
    asyncio.run(main())
