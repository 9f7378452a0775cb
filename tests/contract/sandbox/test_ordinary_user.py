"""The attack table holds for an ordinary user too, not only for root, who can give every sandbox a user of its own."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import overseen
from overseen.blocking import run_blocking
from overseen.tools.sandbox.runtime import make_runtime
from overseen.tools.sandbox.slots import Slots, choose_range
from tests.contract.sandbox.backends import SHARED_FOLDER

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")

PROJECT = Path(overseen.__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Python:
    executable: str
    environment: Mapping[str, str]


@pytest.fixture
def user() -> Iterator[int]:
    """A user nobody else on this machine is."""
    slot = Slots(choose_range()).take()
    yield slot.uid
    slot.release()


async def run_as(uid: int, python: Python, *words: str) -> tuple[int, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *(python.executable, *words),
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **python.environment},
        cwd=PROJECT,
        user=uid,
        group=uid,
        extra_groups=[],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output, errors


async def python_for(uid: int) -> Python:
    """An interpreter that user may start and that finds what is installed here; skips when there is none."""
    paths = os.pathsep.join([str(PROJECT), *(path for path in sys.path if path.endswith("site-packages"))])
    runtime = await run_blocking(make_runtime, SHARED_FOLDER, ())
    candidates = [Python(executable=sys.executable, environment={"PYTHONPATH": paths})]
    if runtime.python is not None:
        tree = runtime.folder / runtime.python
        variables = {"PYTHONPATH": paths, "LD_LIBRARY_PATH": str(tree / "lib")}
        executable = str(tree / "bin" / Path(runtime.interpreter).name)
        candidates.append(Python(executable=executable, environment=variables))
    for python in candidates:
        try:
            code, _, _ = await run_as(uid, python, "-c", "import overseen.tools.sandbox, psutil, packaging")
        except OSError:
            continue
        if code == 0:
            return python
    pytest.skip("an ordinary user can read neither this interpreter nor what is installed for it")


async def test_every_attack_is_held_for_an_ordinary_user(user: int) -> None:
    folder = SHARED_FOLDER / f"user-{user}"
    folder.mkdir(exist_ok=True)
    os.chown(folder, user, user)
    try:
        python = await python_for(user)
        code, output, errors = await run_as(
            user, python, "-m", "tests.contract.sandbox.ordinary_user", str(folder / "sandbox")
        )
    finally:
        await run_blocking(shutil.rmtree, folder, True)
    assert code == 0, errors.decode()[-2000:]
    rows: list[dict[str, Any]] = json.loads(output)
    assert [(row["name"], row["detail"]) for row in rows if not row["held"]] == []
    assert len(rows) >= 25
