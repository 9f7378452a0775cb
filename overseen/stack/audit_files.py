"""Keeps the audit file of the stack's OpenBao from filling the disk, which would make OpenBao refuse everything.

What is full is set aside under the time it ended and packed. It is evidence, so nothing is ever removed.
"""

import gzip
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

_PACKED = ".gz"


def set_aside(audit_file: Path, *, largest_bytes: int) -> bool:
    """Rename a full audit file; says whether its writer has to be told to begin another one. Blocks.

    It says so until there is another one, so that a signal that got lost is sent again.
    """
    try:
        if audit_file.stat().st_size <= largest_bytes:
            return False
    except FileNotFoundError:
        return any(_set_aside_before(audit_file))
    audit_file.rename(audit_file.with_name(f"{audit_file.name}.{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"))
    return True


def pack(audit_file: Path) -> None:
    """Pack what was set aside and is not written to any more. Blocks for about a second each 64 MB.

    Killed at any moment it leaves a file that is read as before, and is packed the next time.
    """
    if not audit_file.exists():
        return
    for path in _set_aside_before(audit_file):
        packed = path.with_name(path.name + _PACKED)
        partial = path.with_name(f".{packed.name}")
        with path.open("rb") as source, partial.open("wb") as target:
            partial.chmod(0o600)
            with gzip.open(target, "wb", compresslevel=6) as stream:
                shutil.copyfileobj(source, stream)
            target.flush()
            os.fsync(target.fileno())
        # Readers go by this time; it says when the last line was written.
        written = path.stat()
        os.utime(partial, ns=(written.st_atime_ns, written.st_mtime_ns))
        partial.replace(packed)
        path.unlink()


def _set_aside_before(audit_file: Path) -> list[Path]:
    return [path for path in audit_file.parent.glob(f"{audit_file.name}.*Z") if path.is_file()]
