"""What comes back from a sandbox that is no child of our spawner: counted, cut off, and heard to its end."""

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from overseen.tools.sandbox.frames import FrameError
from overseen.tools.sandbox.judgement import Exchange
from overseen.tools.sandbox.port import SandboxProfile
from overseen.tools.sandbox.spawning import Ended
from overseen.tools.sandbox.worker import AnswerTooLarge, WorkerGone, receive_frame

_HELLO_BYTES = 1024
_LONGEST_LINE = 1 << 18
_LOG_TAIL = 4096
_OVERHEAD_BYTES = 1 << 16


class Answers:
    """What comes from a machine: the job's frames, what it printed, and how it ended."""

    def __init__(self, output_bytes: int) -> None:
        self._frames_left = output_bytes + _OVERHEAD_BYTES
        self._log_left = output_bytes
        self._line = ""
        self.frames = asyncio.StreamReader()
        self.log_tail = ""
        self.unfit: str | None = None
        self.ended: Ended | None = None
        self.too_much = asyncio.Event()

    @property
    def log_overflowed(self) -> bool:
        """Whether more was printed than allowed."""
        return self._log_left < 0

    def hear(self, text: str) -> None:
        """The next piece of the machine's stdout."""
        if self.too_much.is_set() or self.ended is not None:
            return
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._take(line)
        if len(self._line) > _LONGEST_LINE:
            self.too_much.set()

    def _take(self, line: str) -> None:
        try:
            if line.startswith("d"):
                piece = base64.b64decode(line[1:], validate=True)
                self._frames_left -= len(piece)
                if self._frames_left < 0:
                    self.too_much.set()
                else:
                    self.frames.feed_data(piece)
            elif line.startswith("u"):
                self.unfit = line[1:_LOG_TAIL]
            elif line.startswith("e"):
                self.ended = _ended(json.loads(line[1:]))
        except (binascii.Error, ValueError, KeyError, TypeError):
            self.too_much.set()

    def overhear(self, text: str) -> None:
        """The next piece of what the job printed."""
        self._log_left -= len(text)
        self.log_tail = (self.log_tail + text)[-_LOG_TAIL:]
        if self._log_left < 0:
            self.too_much.set()

    def unknown_end(self) -> Ended:
        """For a machine that was ended before it could say how the job ended."""
        return Ended(status=None, cpu_seconds=0.0, largest_resident_bytes=0, statistics={})

    def finish(self) -> None:
        """Nothing more will come."""
        self.frames.feed_eof()


def _ended(told: Mapping[str, Any]) -> Ended:
    status = told["status"]
    return Ended(
        status=int(status) if status is not None else None,
        cpu_seconds=float(told["cpu_seconds"]),
        largest_resident_bytes=int(told["largest_resident_bytes"]),
        statistics={},
    )


async def hear_answer(
    frames: asyncio.StreamReader, profile: SandboxProfile, exchange: Exchange, hello_seconds: float
) -> None:
    """Wait for the sign of life and then, for as long as the profile allows, for the answer; both go to `exchange`."""
    try:
        async with asyncio.timeout(hello_seconds):
            await receive_frame(frames, _HELLO_BYTES)
        exchange.started = True
        async with asyncio.timeout(profile.wall_seconds):
            exchange.header, exchange.files = await receive_frame(frames, profile.output_bytes)
    except TimeoutError:
        exchange.timed_out = exchange.started
    except AnswerTooLarge:
        exchange.too_large = True
    except FrameError as error:
        exchange.garbled = str(error)
    except WorkerGone:
        return
