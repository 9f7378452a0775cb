"""Vault's own two records: its audit file (every request and answer) and its server log (what it ended by itself)."""

import gzip
import hashlib
import json
import os
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

from overseen.blocking import run_blocking
from overseen.errors import Misconfigured

_FRACTION = re.compile(r"(\.\d{6})\d+")
_REQUEST = b'"type":"request"'
_BATCH_BYTES = 1 << 20
_MOST_LINE_BYTES = 1 << 24


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One answer of Vault. Hashes are Vault's own keyed ones: equal for equal tokens, useless otherwise.

    accessor, metadata, display_name, policies: of the token that asked; empty when that token does not live (any more).
    token_hash: of the token that asked, also when it does not live.
    made_*: of the token that was made by this request.
    fields: names of what was sent with the request; the values are hashed.
    """

    at: datetime
    operation: str
    path: str
    accessor: str | None
    token_hash: str | None
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    display_name: str = ""
    policies: tuple[str, ...] = ()
    error: str | None = None
    made_accessor: str | None = None
    made_hash: str | None = None
    made_metadata: dict[str, str] = field(default_factory=dict[str, str])
    made_policies: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    vault_lease: str | None = None

    @property
    def refused(self) -> bool:
        """Whether Vault said no, rather than failed."""
        return self.error is not None and ("permission denied" in self.error or "token" in self.error)


def parse_entry(line: str) -> AuditEntry | None:
    """The entry of one line of the audit file; None for requests (their answers say all) and broken lines."""
    try:
        said = json.loads(line)
    except json.JSONDecodeError:
        return None
    if not isinstance(said, dict) or said.get("type") != "response":
        return None
    request: dict[str, Any] = said.get("request") or {}
    response: dict[str, Any] = said.get("response") or {}
    auth: dict[str, Any] = said.get("auth") or {}
    made: dict[str, Any] = response.get("auth") or {}
    return AuditEntry(
        at=parse_time(said["time"]),
        operation=request.get("operation", ""),
        path=request.get("path", ""),
        accessor=auth.get("accessor") or request.get("client_token_accessor"),
        token_hash=request.get("client_token"),
        metadata=auth.get("metadata") or {},
        display_name=auth.get("display_name", ""),
        policies=tuple(auth.get("policies") or ()),
        error=said.get("error"),
        made_accessor=made.get("accessor"),
        made_hash=made.get("client_token"),
        made_metadata=made.get("metadata") or {},
        made_policies=tuple(made.get("policies") or ()),
        fields=tuple(sorted(request.get("data") or {})),
        vault_lease=(response.get("secret") or {}).get("lease_id"),
    )


def parse_time(text: str) -> datetime:
    """Vault's times have nanoseconds; ours microseconds."""
    return datetime.fromisoformat(_FRACTION.sub(r"\1", text).replace("Z", "+00:00")).astimezone(UTC)


@dataclass(frozen=True, kw_only=True)
class AuditPlace:
    """How far an audit file was read: which file, by the SHA-256 of its first line, and how many bytes of it."""

    head: str
    offset: int


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One open file of the log, and where to go on in it. `end` is its size when it was opened; None when packed."""

    file: IO[bytes]
    head: str
    start: int
    end: int | None


class AuditLog:
    """Follows an audit file through rotations, by renaming or by copying, packed or not.

    `place` is where an earlier reader stopped. After each batch it says how far this one is.
    """

    def __init__(self, path: Path, place: AuditPlace | None = None) -> None:
        self.path = path
        self.place = place
        self.lost_place = False
        """Whether the file in which an earlier reader stopped is gone, so that lines of it may be missing."""

    async def read(self) -> list[AuditEntry]:
        """New entries, oldest first; the first time all there are, older files beside it (`audit.jsonl.1`) included.

        Raises Misconfigured when the file cannot be read.
        """
        return [entry async for batch in self.batches() for entry in batch]

    async def batches(self, *, since: datetime | None = None) -> AsyncGenerator[list[AuditEntry]]:
        """The same in pieces of about a megabyte, up to where the file ends now; files that end before `since` are
        left out.
        """
        parts = await run_blocking(self._open, since)
        try:
            for part in parts:
                offset = part.start
                while part.end is None or offset < part.end:
                    entries, reached = await run_blocking(_read_batch, part, offset)
                    if reached == offset:
                        break  # its last line is half written: read again next time
                    offset = reached
                    self.place = AuditPlace(head=part.head, offset=offset)
                    yield entries
        finally:
            await run_blocking(_close, parts)

    async def unread_bytes(self) -> int:
        """How much of the file was not read yet; 0 when it cannot be told."""
        return await run_blocking(self._unread_bytes)

    def _unread_bytes(self) -> int:
        try:
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                head = _head(file)
        except OSError:
            return 0
        return size - self.place.offset if self.place is not None and self.place.head == head else size

    def _open(self, since: datetime | None) -> list[_Part]:
        """The files to read, in order. They stay open, so that a rotation meanwhile does not matter."""
        parts: list[_Part] = []
        try:
            # The present file first: renamed from here on, it is still the one that is read.
            present = self.path.open("rb")
            earliest = since if self.place is None else None
            files: list[IO[bytes]] = [*(unpacked(path) for path in older_files(self.path, earliest)), present]
            for file in files:
                head = _head(file)
                if head is None:
                    file.close()
                    continue
                packed = isinstance(file, gzip.GzipFile)
                end = None if packed else os.fstat(file.fileno()).st_size
                parts.append(_Part(file=file, head=head, start=0, end=end))
        except OSError as error:
            _close(parts)
            raise Misconfigured(
                f"Vault's audit file {self.path} cannot be read: {error.strerror or error}.",
                not_done="Nothing was reconciled.",
                next_step="Let this process read it, or set OVERSEEN_VAULT_AUDIT_FILE to where it is.",
            ) from error
        return self._go_on(parts)

    def _go_on(self, parts: list[_Part]) -> list[_Part]:
        """Leave out what was read. A file emptied in place begins with another line, so it is another file."""
        if self.place is None:
            return parts
        place = self.place
        known = [number for number, part in enumerate(parts) if part.head == place.head]
        if not known:
            # Everything is read again: what was found before is known by its key.
            self.lost_place = bool(parts)
            return parts
        self.lost_place = False
        _close(parts[: known[0]])
        first = parts[known[0]]
        # A copy beside the emptied original has the same first line and more of the rest than the original had.
        return [replace(first, start=place.offset), *parts[known[0] + 1 :]]


def older_files(path: Path, since: datetime | None) -> list[Path]:
    """Files that were `path` before and were written to at `since` or later, the oldest first. Blocks."""
    older = [other for other in path.parent.glob(f"{path.name}[.-]*") if other.is_file()]
    dated = sorted((other.stat().st_mtime, other) for other in older)
    return [other for written, other in dated if since is None or written >= since.timestamp()]


def unpacked(path: Path) -> IO[bytes]:
    """The file, open for reading, as it was before it was packed."""
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _head(file: IO[bytes]) -> str | None:
    """What names a file: the hash of its first line, once it is whole."""
    line = file.readline(_MOST_LINE_BYTES)
    return hashlib.sha256(line).hexdigest() if line.endswith(b"\n") else None


def _read_batch(part: _Part, offset: int) -> tuple[list[AuditEntry], int]:
    """Entries of the whole lines from `offset` on, and where they end."""
    part.file.seek(offset)
    entries: list[AuditEntry] = []
    for line in part.file.readlines(_BATCH_BYTES):
        if not line.endswith(b"\n") or (part.end is not None and offset >= part.end):
            break
        offset += len(line)
        if _REQUEST in line[:200]:
            continue  # its answer says all
        entry = parse_entry(line.decode(errors="replace"))
        if entry is not None:
            entries.append(entry)
    return entries, offset


def _close(parts: Sequence[_Part]) -> None:
    for part in parts:
        part.file.close()
