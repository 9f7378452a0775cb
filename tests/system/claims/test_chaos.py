"""Calls among random kills of workers, OpenBao and PostgreSQL. OVERSEEN_CHAOS_CALLS=1000 for the long form."""

import os
import tempfile
from pathlib import Path

import pytest

from benchmarks.chaos import Chaos
from benchmarks.chaos_figures import problems

pytestmark = pytest.mark.slow

CALLS = int(os.environ.get("OVERSEEN_CHAOS_CALLS", "60"))


async def test_whatever_is_killed_every_lease_ends_and_every_effect_is_there_once() -> None:
    with tempfile.TemporaryDirectory(prefix="overseen-chaos-") as folder:
        # Servers and sandboxes run as other users where tests run as root, who must get here.
        Path(folder).chmod(0o755)
        figures = await Chaos(folder=Path(folder), calls=CALLS, seed=3, calls_between_kills=(3, 12)).run()
    assert problems(figures) == []
    assert figures["calls"] == CALLS
    assert sum(figures["kills"].values()) >= CALLS // 12
    assert figures["attempts"] > CALLS  # something was in fact cut off
