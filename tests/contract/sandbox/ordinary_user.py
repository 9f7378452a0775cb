"""Runs the attack table as whoever starts it and prints the rows: a program for a test that changes the user first."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from overseen.tools.sandbox import BubblewrapBackend
from overseen.tools.sandbox.attacks import run_attacks


async def main(folder: Path) -> None:
    backend = BubblewrapBackend(folder, distributions=())
    try:
        results = await run_attacks(backend)
    finally:
        await backend.close()
    sys.stdout.write(json.dumps([asdict(row) for row in results]))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
