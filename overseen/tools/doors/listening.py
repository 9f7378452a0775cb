"""Unix sockets that doors listen on: in a folder of the call that only we can enter."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from overseen.blocking import run_blocking


@dataclass(frozen=True, kw_only=True)
class Listening:
    """A bound socket, not yet listening, and the path by which a sandbox is offered it."""

    socket: socket.socket
    path: Path


def _bind(folder: Path) -> Listening:
    private = Path(tempfile.mkdtemp(prefix="door-", dir=folder))
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    # Names of unix sockets are at most 107 bytes long; a data folder's may be longer.
    descriptor = os.open(private, os.O_PATH | os.O_DIRECTORY)
    try:
        bound.bind(f"/proc/self/fd/{descriptor}/socket")
        path = private / "socket"
        path.chmod(0o600)
        return Listening(socket=bound, path=path)
    except BaseException:
        bound.close()
        shutil.rmtree(private, ignore_errors=True)
        raise
    finally:
        os.close(descriptor)


@asynccontextmanager
async def private_socket(folder: Path) -> AsyncGenerator[Listening]:
    """A socket in a fresh 0700 folder below `folder`; both are gone at the end. Raises OSError."""
    listening = await run_blocking(_bind, folder)
    try:
        yield listening
    finally:
        listening.socket.close()
        await asyncio.shield(run_blocking(shutil.rmtree, listening.path.parent, True))
