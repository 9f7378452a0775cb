"""A full audit file is set aside and packed; nothing of it is lost, whenever that is interrupted."""

import asyncio
import gzip
import os
from pathlib import Path

import pytest

from overseen.secrets.audit_log import AuditLog
from overseen.stack.audit_files import pack, set_aside
from tests.unit.secrets.test_audit_log import line, paths, write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    write(path, line(1) + line(2))
    return path


def others(file: Path) -> list[str]:
    return sorted(path.name for path in file.parent.iterdir() if path != file)


def test_a_file_that_is_not_full_is_left_alone(file: Path) -> None:
    assert set_aside(file, largest_bytes=10_000) is False
    assert others(file) == []


def test_before_there_is_one_nothing_happens(tmp_path: Path) -> None:
    assert set_aside(tmp_path / "audit.jsonl", largest_bytes=10) is False
    pack(tmp_path / "audit.jsonl")


def test_the_writer_is_told_until_it_has_begun_another(file: Path) -> None:
    assert set_aside(file, largest_bytes=10) is True
    assert set_aside(file, largest_bytes=10) is True
    write(file, line(3))
    assert set_aside(file, largest_bytes=10_000) is False


def test_nothing_is_packed_that_may_still_be_written_to(file: Path) -> None:
    set_aside(file, largest_bytes=10)
    pack(file)
    assert all(not name.endswith(".gz") for name in others(file))


def test_a_reader_misses_nothing_and_sees_nothing_twice(file: Path) -> None:
    log = AuditLog(file)
    assert asyncio.run(paths(log)) == ["kv/data/1", "kv/data/2"]
    with file.open("a") as kept_open:
        set_aside(file, largest_bytes=10)
        kept_open.write(line(3))
    write(file, line(4))
    assert asyncio.run(paths(log)) == ["kv/data/3", "kv/data/4"]
    pack(file)
    write(file, line(5))
    assert asyncio.run(paths(log)) == ["kv/data/5"]
    assert asyncio.run(paths(AuditLog(file))) == [f"kv/data/{number}" for number in range(1, 6)]


def test_what_is_packed_keeps_its_time_and_stays_private(file: Path) -> None:
    os.utime(file, (1000, 1000))
    set_aside(file, largest_bytes=10)
    write(file, line(3))
    pack(file)
    (packed,) = file.parent.glob("audit.jsonl.*Z.gz")
    assert (packed.stat().st_mtime, packed.stat().st_mode & 0o777) == (1000, 0o600)


def test_what_was_interrupted_is_done_the_next_time(file: Path) -> None:
    set_aside(file, largest_bytes=10)
    write(file, line(3))
    (aside,) = file.parent.glob("audit.jsonl.*")
    file.with_name(f".{aside.name}.gz").write_bytes(b"half of it")
    pack(file)
    assert others(file) == [f"{aside.name}.gz"]
    assert gzip.decompress(aside.with_name(f"{aside.name}.gz").read_bytes()).decode() == line(1) + line(2)
