"""Vault's audit file is followed through half-written lines and rotations."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from overseen.errors import Misconfigured
from overseen.secrets.audit_log import AuditLog, parse_entry


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
