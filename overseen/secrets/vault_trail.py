"""What Vault's own records say of one lease, to be shown beside ours."""

import json
import re
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from overseen.blocking import run_blocking
from overseen.secrets.audit_log import older_files, parse_entry, parse_time, unpacked

_REVOKED = re.compile(r"^(\S+)\s+\[\w+\]\s+expiration: revoked lease: lease_id=(\S+)")
_MARGIN = timedelta(minutes=10)
"""How far Vault's clock may be from ours, and how long after its proven end a lease is looked for."""


@dataclass(frozen=True, kw_only=True)
class VaultMoment:
    """One line of a lease's life as Vault tells it."""

    at: datetime
    what: str
    path: str
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Trace:
    """By what a lease is found: its token's accessor, its leases in Vault, and when it lived; `until` None when it may
    live yet.
    """

    accessor: str | None
    vault_leases: frozenset[str]
    since: datetime
    until: datetime | None


async def vault_trail(audit_file: Path, server_log: Path | None, trace: Trace) -> list[VaultMoment]:
    """What Vault's audit file and server log say of one token and its leases, oldest first, from files set aside too.

    Raises OSError when one of them cannot be read.
    """
    return await run_blocking(_vault_trail, audit_file, server_log, trace)


def _vault_trail(audit_file: Path, server_log: Path | None, trace: Trace) -> list[VaultMoment]:
    moments = [*_from_audit(audit_file, trace)]
    if server_log is not None and server_log.exists():
        moments += _from_log(server_log, trace)
    return sorted(moments, key=lambda moment: moment.at)


def _from_audit(audit_file: Path, trace: Trace) -> Generator[VaultMoment]:
    files = [*older_files(audit_file, trace.since - _MARGIN), audit_file]
    for path in files:
        with unpacked(path) as file:
            first = file.readline()
            if trace.until is not None and _time_of(first, trace.until) > trace.until + _MARGIN:
                return
            accessor = (trace.accessor or "").encode()
            for line in (first, *file) if accessor else ():
                if accessor in line:
                    yield from _moment(line, trace.accessor)


def _time_of(line: bytes, otherwise: datetime) -> datetime:
    try:
        return parse_time(json.loads(line)["time"])
    except (ValueError, KeyError, TypeError):
        return otherwise


def _moment(line: bytes, accessor: str | None) -> Generator[VaultMoment]:
    entry = parse_entry(line.decode(errors="replace"))
    if entry is not None and accessor in (entry.accessor, entry.made_accessor):
        what = "token made" if entry.made_accessor == accessor else entry.operation
        yield VaultMoment(at=entry.at, what=what, path=entry.path, error=entry.error)


def _from_log(server_log: Path, trace: Trace) -> Generator[VaultMoment]:
    for path in (*older_files(server_log, trace.since - _MARGIN), server_log):
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                found = _REVOKED.match(line)
                if found and found[2] in trace.vault_leases:
                    yield VaultMoment(at=parse_time(found[1]), what="lease revoked", path=found[2])
