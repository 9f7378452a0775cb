"""What a run waits for, said on stderr while a command waits for the run."""

import asyncio

import typer

from overseen.api.services import Services
from overseen.errors import Unavailable

_LOOK_SECONDS = 1.0
_QUIET_SECONDS = 10.0
"""The same kind of wait is told again this often; another kind at once."""


async def tell_progress(services: Services, run_id: str) -> None:
    """A line whenever the run waits for something else, and every now and then while it goes on. Until cancelled."""
    told: object = None
    since = 0.0
    clock = asyncio.get_running_loop().time
    while True:
        try:
            lines = await services.progress.of_run(run_id)
        except Unavailable:
            lines = ()  # the command itself finds out
        kinds = tuple((line.state, line.purpose, line.before, line.slow) for line in lines)
        if lines and (kinds != told or clock() - since >= _QUIET_SECONDS):
            told, since = kinds, clock()
            for line in lines:
                typer.echo(line.sentence, err=True)
        await asyncio.sleep(_LOOK_SECONDS)
