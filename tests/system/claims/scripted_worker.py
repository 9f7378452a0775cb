"""A whole worker process with a scripted model; settings from OVERSEEN_HOME."""

import asyncio

from overseen.engine.worker import running_worker
from overseen.settings import load_settings
from tests.system.claims.scripted_reader import scripted_reader


async def _run() -> None:
    async with running_worker(load_settings(), routes=[scripted_reader()]):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run())
