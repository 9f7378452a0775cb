"""Vault's audit file is followed through half-written lines and rotations."""

import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from overseen.errors import Misconfigured
from overseen.secrets.audit_log import AuditLog, AuditPlace, parse_entry


def line(number: int, **more: object) -> str:
    said = {
        "time": f"2026-11-22T16:07:{number:02d}.518919634Z",
        "type": "response",
        "request": {"operation": "read", "path": f"kv/data/{number}"},
        **more,
    }
    return json.dumps(said) + "\n"


def write(path: Path, text: str, mode: str = "a") -> None:
    with path.open(mode) as file:
        file.write(text)


async def paths(log: AuditLog) -> list[str]:
    return [entry.path for entry in await log.read()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    path.touch()
    return path


async def test_each_read_gives_what_is_new(file: Path) -> None:
    log = AuditLog(file)
    write(file, line(1) + line(2))
    assert await paths(log) == ["kv/data/1", "kv/data/2"]
    write(file, line(3))
    assert await paths(log) == ["kv/data/3"]
    assert await paths(log) == []


async def test_a_half_written_line_is_read_when_it_is_whole(file: Path) -> None:
    log, text = AuditLog(file), line(1)
    write(file, text[:40])
    assert await paths(log) == []
    write(file, text[40:])
    assert await paths(log) == ["kv/data/1"]


async def test_a_rotation_by_renaming_loses_nothing(file: Path) -> None:
    log = AuditLog(file)
    write(file, line(1))
    await log.read()
    write(file, line(2))
    file.rename(file.with_name("audit.jsonl.1"))
    write(file, line(3), "x")
    assert await paths(log) == ["kv/data/2", "kv/data/3"]


async def test_a_file_emptied_in_place_is_read_from_its_start(file: Path) -> None:
    log = AuditLog(file)
    write(file, line(1) + line(2))
    await log.read()
    os.truncate(file, 0)
    write(file, line(3))
    assert await paths(log) == ["kv/data/3"]


async def test_a_rotation_that_copies_loses_nothing_even_when_the_file_grew_again(file: Path) -> None:
    log = AuditLog(file)
    write(file, line(1))
    await log.read()
    write(file, line(2))
    file.with_name("audit.jsonl.1").write_bytes(file.read_bytes())
    os.truncate(file, 0)
    write(file, line(3) + line(4) + line(5))
    assert await paths(log) == ["kv/data/2", "kv/data/3", "kv/data/4", "kv/data/5"]


async def test_a_rotated_file_may_be_packed(file: Path) -> None:
    log = AuditLog(file)
    write(file, line(1))
    await log.read()
    write(file, line(2))
    file.with_name("audit.jsonl.1.gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    write(file, line(3))
    assert await paths(log) == ["kv/data/2", "kv/data/3"]


async def test_another_reader_goes_on_from_a_kept_place(file: Path) -> None:
    log = AuditLog(file)
    write(file, line(1))
    await log.read()
    file.rename(file.with_name("audit.jsonl-20261122"))
    write(file, line(2))
    assert await paths(AuditLog(file, log.place)) == ["kv/data/2"]


async def test_a_place_in_a_file_that_is_gone_is_said_and_all_is_read(file: Path) -> None:
    write(file, line(1))
    log = AuditLog(file, AuditPlace(head="0" * 64, offset=10))
    assert await paths(log) == ["kv/data/1"]
    assert log.lost_place


async def test_a_big_file_is_read_piece_by_piece_from_the_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overseen.secrets.audit_log._BATCH_BYTES", 10)
    log = AuditLog(file)
    write(file, line(1) + line(2) + line(3))
    assert [len(batch) async for batch in log.batches()] == [1, 1, 1]
    assert await log.unread_bytes() == 0
    write(file, line(4))
    assert await log.unread_bytes() == len(line(4))


async def test_files_that_ended_before_a_moment_are_left_out_at_the_start(file: Path) -> None:
    older = file.with_name("audit.jsonl.1")
    write(older, line(1))
    os.utime(older, (1, 1))
    write(file, line(2))
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert [entry.path async for batch in AuditLog(file).batches(since=since) for entry in batch] == ["kv/data/2"]


async def test_older_files_are_read_first_at_the_start(file: Path) -> None:
    older = file.with_name("audit.jsonl.1")
    write(older, line(1))
    os.utime(older, (1, 1))
    write(file, line(2))
    assert await paths(AuditLog(file)) == ["kv/data/1", "kv/data/2"]


async def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        await AuditLog(tmp_path / "nowhere.jsonl").read()


@pytest.mark.parametrize("broken", ["", "{", "[]", '"text"', '{"type": "request"}'])
def test_what_is_no_answer_is_left_out(broken: str) -> None:
    assert parse_entry(broken) is None


def test_nanoseconds_become_microseconds() -> None:
    entry = parse_entry(line(5))
    assert entry is not None
    assert entry.at == datetime(2026, 11, 22, 16, 7, 5, 518919, tzinfo=UTC)
