"""A witness that is a file: one line a checkpoint, only ever appended to."""

import contextlib
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from overseen.blocking import run_blocking
from overseen.journal.checkpoints import Checkpoint, read_line
from overseen.journal.errors import WitnessUnavailable
from overseen.store.tables import now

T = TypeVar("T")

_BLOCK = 1 << 16


class FileWitness:
    """`path` is on this machine, or mounted; it and its folder are made when missing, for their owner only (0600).

    A line that a crash cut short is written anew behind it; a reader passes over such a beginning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = f"file {socket.gethostname()}:{path}"[:300]
        self.asked = True

    async def newest(self) -> Checkpoint | None:
        """See Witness."""
        return await self._read(self._newest)

    async def all(self) -> list[Checkpoint]:
        """See Witness."""
        return await self._read(self._all)

    async def tell(self, checkpoints: Sequence[Checkpoint]) -> None:
        """See Witness. On the disk when it returns."""
        try:
            await run_blocking(self._append, "".join(checkpoint.line() + "\n" for checkpoint in checkpoints))
        except OSError as error:
            raise WitnessUnavailable(
                f"{self._path} cannot be written: {error.strerror}.",
                not_done="The witness was not told.",
                next_step="Make room, or make it writable for the worker.",
            ) from error

    async def set_aside(self) -> None:
        """See Witness. Kept beside it, with the time in its name."""
        try:
            await run_blocking(self._rename)
        except OSError as error:
            raise WitnessUnavailable(f"{self._path} cannot be set aside: {error.strerror}.") from error

    def _rename(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path.rename(self._path.with_name(f"{self._path.name}.set-aside-{now():%Y%m%dT%H%M%S%f}"))

    async def _read(self, read: Callable[[], T]) -> T:
        try:
            return await run_blocking(read)
        except OSError as error:
            raise WitnessUnavailable(
                f"{self._path} cannot be read: {error.strerror}.",
                next_step="Make it readable for this process, or run the command where it is.",
            ) from error
        except (ValueError, UnicodeDecodeError) as error:
            raise WitnessUnavailable(
                f"{self._path} is damaged: {error}.",
                next_step="Compare it with a copy; lines are only ever appended to it.",
            ) from error

    def _newest(self) -> Checkpoint | None:
        lines = _last_lines(self._path)
        return read_line(lines[-1]) if lines else None

    def _all(self) -> list[Checkpoint]:
        if not self._path.exists():
            return []
        found: list[Checkpoint] = []
        with self._path.open(encoding="utf-8") as file:
            cut_short = ""
            for number, line in enumerate(file, 1):
                if cut_short and not line.startswith(cut_short):
                    raise ValueError(f"line {number - 1} is no checkpoint")
                if not line.endswith("\n"):
                    break  # a crash just now; the next turn writes it anew
                try:
                    found.append(read_line(line))
                    cut_short = ""
                except ValueError:
                    cut_short = line.removesuffix("\n")
            if cut_short:
                raise ValueError("its last line is no checkpoint")
        return found

    def _append(self, text: str) -> None:
        fresh = not self._path.exists()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            if (size := os.fstat(descriptor).st_size) and os.pread(descriptor, 1, size - 1) != b"\n":
                text = "\n" + text
            content = memoryview(text.encode())
            while content:
                content = content[os.write(descriptor, content) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            _keep_name(self._path.parent)


def _keep_name(folder: Path) -> None:
    """That there is a new file survives a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _last_lines(path: Path) -> list[str]:
    """Complete lines from the end of a file, at least one where it has any."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return []
    with file:
        position = file.seek(0, os.SEEK_END)
        content = b""
        while position > 0:
            step = min(_BLOCK, position)
            position -= step
            file.seek(position)
            content = file.read(step) + content
            if content[: content.rfind(b"\n") + 1].count(b"\n") > 1:
                break
    complete = content[: content.rfind(b"\n") + 1]
    lines = complete.split(b"\n")[:-1]
    # The first may have been cut by where reading began.
    return [line.decode() for line in (lines if position == 0 else lines[1:])]
