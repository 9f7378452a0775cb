"""What the attack table found on this machine, kept so that it need not be found out again at every start.

A verdict is about one backend as it is now: another kernel, launcher, user or version of our own sandbox code asks for
a new one. It lies in the data folder; whoever can write there could switch the sandbox off altogether.
"""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from overseen.tools.sandbox.attacks import AttackResult
from overseen.tools.sandbox.runtime import launcher_identity


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`lost` are the attacks that won something, with what they won. Empty: the backend may be used.

    `complete` says whether the whole table was run or only the essential part of it.
    """

    complete: bool
    attacks: int
    lost: Mapping[str, str] = field(default_factory=dict[str, str])
    at: str = ""


def verdict_of(results: Sequence[AttackResult], *, whole_table: bool, before: Verdict | None = None) -> Verdict:
    """The verdict on what was seen, after the one `before`.

    An attack that could not be carried out won nothing, and proves nothing either: what it won before still counts, and
    the table is not complete.
    """
    lost = {result.name: result.detail for result in results if not result.held and result.carried_out}
    held = {result.name for result in results if result.held}
    if before is not None:
        lost |= {name: seen for name, seen in before.lost.items() if name not in held and name not in lost}
    return Verdict(
        complete=whole_table and all(result.carried_out for result in results),
        attacks=len(results),
        lost=lost,
        at=datetime.now(UTC).isoformat(),
    )


@cache
def _sandbox_code() -> str:
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(folder.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def machine_key(launcher: str) -> str:
    """Changes with everything that could change a verdict; `launcher` names the program that seals, exactly."""
    parts = (platform.node(), platform.release(), platform.machine(), str(os.geteuid()), launcher, _sandbox_code())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def bubblewrap_identity() -> str:
    """The bwrap of this machine, exactly. Blocking. Raises SandboxUnavailable when there is none."""
    return launcher_identity()


def runsc_identity() -> str:
    """The runsc of this machine, exactly. Blocking."""
    found = shutil.which("runsc")
    status = Path(found).stat() if found else None
    return f"{found}:{status.st_size}:{status.st_mtime_ns}" if status else "none"


class VerdictFile:
    """The verdict on one backend. `folder` is the data folder's `sandbox`; `identity` as for `machine_key`."""

    def __init__(self, folder: Path, backend: str, identity: Callable[[], str]) -> None:
        self._folder = folder / "verdicts"
        self._backend = backend
        self._identity = identity
        self._path: Path | None = None

    def path(self) -> Path:
        """Where it lies. Blocking the first time. Raises SandboxUnavailable."""
        if self._path is None:
            self._path = self._folder / f"{self._backend}-{machine_key(self._identity())}.json"
        return self._path

    def written_at(self) -> int | None:
        """When it was last written, in nanoseconds of the file system; None when there is none."""
        try:
            return self.path().stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def read(self) -> Verdict | None:
        """The verdict; None when there is none, or none that can be read."""
        try:
            return Verdict(**json.loads(self.path().read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, verdict: Verdict) -> None:
        """Keep it: whole or not at all. Raises OSError."""
        path = self.path()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        staged = path.with_suffix(f".{os.getpid()}")
        staged.write_text(json.dumps(asdict(verdict), indent=2), encoding="utf-8")
        staged.replace(path)
