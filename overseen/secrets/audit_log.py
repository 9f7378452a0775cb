"""Vault's own two records: its audit file (every request and answer) and its server log (what it ended by itself)."""

import json
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from overseen.blocking import run_blocking
from overseen.errors import Misconfigured

_REVOKED = re.compile(r"^(\S+)\s+\[\w+\]\s+expiration: revoked lease: lease_id=(\S+)")
_FRACTION = re.compile(r"(\.\d{6})\d+")


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One answer of Vault. Hashes are Vault's own keyed ones: equal for equal tokens, useless otherwise.

    accessor, metadata, display_name, policies: of the token that asked; empty when that token does not live (any more).
    token_hash: of the token that asked, also when it does not live.
    made_*: of the token that was made by this request.
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
        vault_lease=(response.get("secret") or {}).get("lease_id"),
    )


def parse_time(text: str) -> datetime:
    """Vault's times have nanoseconds; ours microseconds."""
    return datetime.fromisoformat(_FRACTION.sub(r"\1", text).replace("Z", "+00:00")).astimezone(UTC)


class AuditLog:
    """Follows an audit file through rotations: each `read` gives what was written since the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inode: int | None = None
        self._offset = 0

    async def read(self) -> list[AuditEntry]:
        """New entries, oldest first; the first time all there are, older files beside it (`audit.jsonl.1`) included.

        Raises Misconfigured when the file cannot be read.
        """
        return await run_blocking(self._read)

    def _read(self) -> list[AuditEntry]:
        try:
            entries: list[AuditEntry] = []
            for path, start in self._parts():
                entries += self._read_from(path, start)
            return entries
        except OSError as error:
            raise Misconfigured(
                f"Vault's audit file {self.path} cannot be read: {error.strerror}.",
                not_done="Nothing was reconciled.",
                next_step="Let this process read it, or set OVERSEEN_VAULT_AUDIT_FILE to where it is.",
            ) from error

    def _parts(self) -> list[tuple[Path, int]]:
        """Files and the offset to start from, in order."""
        inode = self.path.stat().st_ino
        older = sorted(self.path.parent.glob(f"{self.path.name}.*"), key=lambda path: path.stat().st_mtime)
        if self._inode is None:
            return [*((path, 0) for path in older), (self.path, 0)]
        if inode == self._inode:
            # Emptied in place by a rotation that copies.
            return [(self.path, self._offset if self.path.stat().st_size >= self._offset else 0)]
        missed = [path for path in older if path.stat().st_ino == self._inode]
        return [*((path, self._offset) for path in missed), (self.path, 0)]

    def _read_from(self, path: Path, start: int) -> list[AuditEntry]:
        entries: list[AuditEntry] = []
        with path.open("rb") as file:
            file.seek(start)
            offset = start
            for line in file:
                if not line.endswith(b"\n"):
                    break  # half written; read again next time
                offset += len(line)
                entry = parse_entry(line.decode(errors="replace"))
                if entry is not None:
                    entries.append(entry)
            self._inode, self._offset = os.fstat(file.fileno()).st_ino, offset
        return entries


@dataclass(frozen=True, kw_only=True)
class VaultMoment:
    """One line of a lease's life as Vault tells it."""

    at: datetime
    what: str
    path: str
    error: str | None = None


async def vault_trail(
    audit_file: Path | None, server_log: Path | None, *, accessor: str | None, vault_leases: list[str]
) -> list[VaultMoment]:
    """What Vault's own records say of one token and its leases, oldest first; empty when they cannot be read here."""
    return await run_blocking(_vault_trail, audit_file, server_log, accessor, vault_leases)


def _vault_trail(
    audit_file: Path | None, server_log: Path | None, accessor: str | None, vault_leases: list[str]
) -> list[VaultMoment]:
    moments: list[VaultMoment] = []
    if audit_file is not None and audit_file.exists() and accessor:
        with audit_file.open(encoding="utf-8", errors="replace") as file:
            entries = [parse_entry(line) for line in file if accessor in line]
        for entry in entries:
            if entry is not None and accessor in (entry.accessor, entry.made_accessor):
                what = "token made" if entry.made_accessor == accessor else entry.operation
                moments.append(VaultMoment(at=entry.at, what=what, path=entry.path, error=entry.error))
    if server_log is not None and server_log.exists():
        wanted = set(vault_leases)
        with server_log.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                found = _REVOKED.match(line)
                if found and found[2] in wanted:
                    moments.append(VaultMoment(at=parse_time(found[1]), what="lease revoked", path=found[2]))
    return sorted(moments, key=lambda moment: moment.at)
