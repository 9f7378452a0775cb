"""Files that are written whole or not at all, and logs that do not grow without end."""

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any


def write_private(path: Path, content: str) -> None:
    """Replace `path` with `content`, mode 0600. A reader sees the old file or the new one, never half of one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """The object in `path`; empty when the file is missing or was left half written by something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def keep_secret(path: Path) -> str:
    """The secret kept in `path`, made on first use (192 bits)."""
    try:
        known = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        known = ""
    if not known:
        known = secrets.token_urlsafe(24)
        write_private(path, known)
    return known


def rotate_log(path: Path, *, limit_bytes: int = 10_000_000, keep: int = 3) -> bool:
    """Copy a log that outgrew `limit_bytes` to `<name>.1` (older ones to .2, .3) and empty it; says whether it did.

    The writer has the file open for appending, so it is emptied in place rather than renamed.
    """
    try:
        if path.stat().st_size <= limit_bytes:
            return False
    except FileNotFoundError:
        return False
    for number in range(keep - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    path.with_name(f"{path.name}.1").chmod(0o600)
    os.truncate(path, 0)
    return True
