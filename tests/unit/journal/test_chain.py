"""The chain: what verify must notice, without a database."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from overseen.journal.chain import GENESIS, Entry, entry_hash, verify_chain


def chain(length: int) -> list[Entry]:
    entries: list[Entry] = []
    previous = GENESIS
    for sequence in range(1, length + 1):
        content: dict[str, Any] = {
            "stream": "run_1",
            "sequence": sequence,
            "at": datetime(2026, 3, 3, 12, 0, sequence, tzinfo=UTC),
            "kind": "StepStarted",
            "actor": "worker:1",
            "payload": {"step_id": f"s{sequence}"},
            "previous_hash": previous,
        }
        entries.append(Entry(entry_id=sequence, hash=entry_hash(**content), **content))
        previous = entries[-1].hash
    return entries


def test_an_untouched_chain_holds() -> None:
    assert verify_chain(chain(5)) == []


def test_a_changed_payload_is_named_by_its_entry() -> None:
    entries = chain(5)
    entries[2] = replace(entries[2], payload={"step_id": "s3 "})
    assert [(found.sequence, found.problem) for found in verify_chain(entries)] == [
        (3, "its content does not match its hash")
    ]


def test_a_changed_entry_with_a_new_hash_breaks_the_link_behind_it() -> None:
    entries = chain(5)
    forged = replace(entries[2], actor="worker:2")
    content = {name: getattr(forged, name) for name in ("stream", "sequence", "at", "kind", "actor", "payload")}
    entries[2] = replace(forged, hash=entry_hash(**content, previous_hash=forged.previous_hash))
    assert [found.sequence for found in verify_chain(entries)] == [4]


def test_a_removed_entry_is_noticed() -> None:
    entries = chain(5)
    del entries[1]
    assert [found.sequence for found in verify_chain(entries)] == [3]


def test_a_changed_time_is_noticed() -> None:
    entries = chain(2)
    entries[1] = replace(entries[1], at=datetime(2026, 3, 4, tzinfo=UTC))
    assert [found.sequence for found in verify_chain(entries)] == [2]
