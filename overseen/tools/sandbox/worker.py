"""One started sandbox as its host sees it: pipes, a log that is cut off, and an end that is proven."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from overseen.blocking import run_blocking
from overseen.tools.sandbox.frames import PREFIX, FrameError, decode_header, encode_frame
from overseen.tools.sandbox.furnishing import Place
from overseen.tools.sandbox.port import FILE_NAME, MOST_FILES, SandboxUnavailable
from overseen.tools.sandbox.spawning import Ended, Spawned, SpawnerProcess

_LOG_TAIL_BYTES = 4096
_PIECE = 1 << 16
_END_SECONDS = 10.0


class AnswerTooLarge(Exception):
    """More came back than the profile allows."""


class WorkerGone(Exception):
    """The sandbox ended before it had sent a whole answer."""


async def receive_frame(answers: asyncio.StreamReader, most_bytes: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The next frame of a sandbox. Raises AnswerTooLarge, WorkerGone, or FrameError for anything else than a frame."""
    try:
        (length,) = PREFIX.unpack(await answers.readexactly(PREFIX.size))
        if length > most_bytes:
            raise AnswerTooLarge
        header, listed = decode_header(await answers.readexactly(length))
        if len(listed) > MOST_FILES:
            raise FrameError(f"{len(listed)} files are more than {MOST_FILES}")
        if length + sum(size for _, size in listed) > most_bytes:
            raise AnswerTooLarge
        files: dict[str, bytes] = {}
        for name, size in listed:
            if FILE_NAME.fullmatch(name) is None:
                raise FrameError("a file has a name that is not allowed")
            files[name] = await answers.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        raise WorkerGone from None
    return header, files


class _Log:
    """Keeps the end of what is printed, counts the rest, and says when it is too much."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._tail = b""
        self.overflowed = asyncio.Event()

    async def drain(self, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(_PIECE):
            self._left -= len(piece)
            self._tail = (self._tail + piece)[-_LOG_TAIL_BYTES:]
            if self._left < 0:
                self.overflowed.set()
                return

    @property
    def text(self) -> str:
        return self._tail.decode(errors="replace")


class Worker:
    """A sandbox that takes one job. Always `end()` it."""

    def __init__(self, *, spawner: SpawnerProcess, spawned: Spawned, place: Place, pipes: "Pipes") -> None:
        self._spawner = spawner
        self._spawned = spawned
        self._place = place
        self._pipes = pipes
        self._log_task = asyncio.create_task(pipes.log.drain(pipes.errors))

    @classmethod
    async def start(cls, *, spawner: SpawnerProcess, place: Place, log_bytes: int) -> "Worker":
        """Start a sandbox in `place`. Raises SandboxUnavailable; the place then stays the caller's to clear."""
        try:
            pipes, theirs = await Pipes.open(log_bytes)
            try:
                spawned = await spawner.spawn(place.launch, [*theirs, place.syscall_filter])
            except BaseException:
                pipes.close()
                raise
            finally:
                for descriptor in theirs:
                    os.close(descriptor)
        finally:
            place.close_filter()
        return cls(spawner=spawner, spawned=spawned, place=place, pipes=pipes)

    @property
    def alive(self) -> bool:
        """Whether it has not ended by itself."""
        return not self._spawned.ended.done()

    @property
    def log_tail(self) -> str:
        """The end of what was printed so far."""
        return self._pipes.log.text

    @property
    def log_overflowed(self) -> bool:
        """Whether more was printed than allowed."""
        return self._pipes.log.overflowed.is_set()

    async def until_log_overflows(self) -> None:
        """Returns when more was printed than allowed; else never."""
        await self._pipes.log.overflowed.wait()

    def offer_door(self, name: str, path: Path) -> None:
        """Show the socket `path` as /doors/<name>: a second name for it, owned by the sandbox's user."""
        offered = self._place.doors / name
        os.link(path, offered)
        if self._place.slot is not None:
            os.chown(offered, self._place.slot.uid, self._place.slot.uid)

    async def send(self, header: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        """Hand over the job. A sandbox that is gone is noticed by `receive`, not here."""
        try:
            for piece in encode_frame(header, files):
                self._pipes.requests.write(piece)
                await self._pipes.requests.drain()
        except ConnectionError:
            return

    async def receive(self, most_bytes: int) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The next frame; see `receive_frame`."""
        return await receive_frame(self._pipes.answers, most_bytes)

    async def until_ended(self, seconds: float) -> None:
        """Returns when it has ended by itself, at the latest after `seconds`."""
        await asyncio.wait([self._spawned.ended], timeout=seconds)

    async def end(self) -> Ended:
        """Kill it and wait until nothing of it is alive; its place is then `clear`ed by the caller.

        Raises SandboxUnavailable when the death cannot be proven.
        """
        try:
            await self._spawner.kill(self._spawned)
            done, _ = await asyncio.wait([self._spawned.ended], timeout=_END_SECONDS)
            if not done:
                raise SandboxUnavailable(
                    f"A sandbox was killed and did not end within {_END_SECONDS:.0f} seconds.",
                    not_done="There is no result, and its user is not given to another sandbox before it has ended.",
                    next_step="Run `overseen doctor`; the machine may be overloaded.",
                )
            ended = self._spawned.ended.result()
            # All writers are dead: what they printed is in the pipe and ends.
            await asyncio.wait([self._log_task], timeout=1.0)
            return ended
        finally:
            self._log_task.cancel()
            self._pipes.close()

    async def clear(self) -> None:
        """Free what it held, once nothing of it is alive: its user is nobody else's before. Nobody need wait for it."""
        await asyncio.wait([self._spawned.ended])
        await run_blocking(self._place.clear)


class Pipes:
    """The three pipes of a sandbox, our ends as streams."""

    def __init__(
        self,
        *,
        requests: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        errors: asyncio.StreamReader,
        transports: Sequence[asyncio.BaseTransport],
        log: _Log,
    ) -> None:
        self.requests = requests
        self.answers = answers
        self.errors = errors
        self.log = log
        self._transports = transports

    @classmethod
    async def open(cls, log_bytes: int) -> tuple["Pipes", list[int]]:
        """Our streams, and the descriptors of stdin, stdout and stderr for the sandbox."""
        loop = asyncio.get_running_loop()
        (stdin, requests), (answers, stdout), (errors, stderr) = os.pipe(), os.pipe(), os.pipe()
        write_transport, write_protocol = await loop.connect_write_pipe(
            lambda: asyncio.streams.FlowControlMixin(loop), os.fdopen(requests, "wb", buffering=0)
        )
        readers: list[asyncio.StreamReader] = []
        transports: list[asyncio.BaseTransport] = [write_transport]
        for descriptor in (answers, errors):
            reader = asyncio.StreamReader(limit=1 << 18)
            transport, _ = await loop.connect_read_pipe(
                lambda reader=reader: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
            )
            readers.append(reader)
            transports.append(transport)
        pipes = cls(
            requests=asyncio.StreamWriter(write_transport, write_protocol, None, loop),
            answers=readers[0],
            errors=readers[1],
            transports=transports,
            log=_Log(log_bytes),
        )
        return pipes, [stdin, stdout, stderr]

    def close(self) -> None:
        """Close our ends."""
        for transport in self._transports:
            # A transport whose other side broke is closed already and must not be touched again.
            if transport.is_closing():
                continue
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
            else:
                transport.close()
