"""Runs the whole attack table on the sandbox of this machine and keeps the verdict: `overseen doctor --attack`.

Also a program of its own, which workers start at the lowest priority: `python -m overseen.engine.attack_table`.
"""

import asyncio
import os
import sys
from pathlib import Path

from overseen.blocking import run_blocking
from overseen.engine.sandboxes import build_local, local_name, verdict_file
from overseen.settings import Settings, load_settings
from overseen.tools.sandbox.attacks import AttackResult
from overseen.tools.sandbox.proven import attack_thoroughly
from overseen.tools.sandbox.verdicts import verdict_of


async def attack_machine(settings: Settings) -> list[AttackResult]:
    """All attacks on the backend the settings choose; from now on the verdict says whether it may be used.

    Raises SandboxUnavailable when there is no such backend here.
    """
    name = local_name(settings)
    backend = build_local(name, settings)
    try:
        results = await attack_thoroughly(backend)
    finally:
        await backend.close()
    file = verdict_file(name, settings)
    before = await run_blocking(file.read)
    await run_blocking(file.write, verdict_of(results, whole_table=True, before=before))
    return results


def main() -> None:
    """Entry of the program; the only argument is the data folder. Silent: what came of it is in the verdict."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    asyncio.run(attack_machine(load_settings(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
