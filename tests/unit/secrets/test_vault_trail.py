"""What Vault says of a lease is found in files that were set aside, too."""

import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from overseen.secrets.vault_trail import Trace, vault_trail

DAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


def line(at: datetime, path: str, accessor: str = "acc") -> bytes:
    said = {"time": at.isoformat(), "type": "response", "auth": {"accessor": accessor}}
    return json.dumps({**said, "request": {"operation": "read", "path": path}}).encode() + b"\n"


def put(path: Path, content: bytes, at: datetime) -> None:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    os.utime(path, (at.timestamp(), at.timestamp()))


@pytest.fixture
def audit_file(tmp_path: Path) -> Path:
    file = tmp_path / "audit.jsonl"
    put(tmp_path / "audit.jsonl.1.gz", line(DAY, "kv/first"), DAY)
    put(tmp_path / "audit.jsonl.2", line(DAY + timedelta(hours=2), "kv/second"), DAY + timedelta(hours=2))
    put(file, line(DAY + timedelta(hours=9), "kv/late") + line(DAY, "kv/other", "another"), DAY + timedelta(hours=9))
    put(tmp_path / "server.log.1", b"", DAY)
    return file


def trace(since: datetime, until: datetime | None) -> Trace:
    return Trace(accessor="acc", vault_leases=frozenset({"database/creds/x/1"}), since=since, until=until)


async def found(audit_file: Path, since: datetime, until: datetime | None = None) -> list[str]:
    return [moment.path for moment in await vault_trail(audit_file, None, trace(since, until))]


async def test_all_files_since_it_was_asked_for_are_read(audit_file: Path) -> None:
    assert await found(audit_file, DAY) == ["kv/first", "kv/second", "kv/late"]
    assert await found(audit_file, DAY + timedelta(hours=1)) == ["kv/second", "kv/late"]


async def test_files_that_begin_after_its_end_are_not_read(audit_file: Path) -> None:
    assert await found(audit_file, DAY, DAY + timedelta(hours=3)) == ["kv/first", "kv/second"]


async def test_the_server_log_is_read_with_what_was_copied_from_it(audit_file: Path) -> None:
    log = audit_file.with_name("server.log")
    revoked = "2026-11-22T12:00:01.000Z [INFO]  expiration: revoked lease: lease_id=database/creds/x/1\n"
    put(log.with_name("server.log.1"), revoked.encode(), DAY)
    put(log, b"", DAY)
    moments = await vault_trail(audit_file, log, trace(DAY, None))
    assert [moment.what for moment in moments] == ["read", "lease revoked", "read", "read"]


async def test_a_file_that_cannot_be_read_is_no_empty_answer(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        await vault_trail(tmp_path / "nowhere", None, trace(DAY, None))
