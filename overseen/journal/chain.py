"""The arithmetic of the chain: no input or output."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from overseen.domain.canonical import digest

GENESIS = "0" * 64
"""What the first entry of every stream points back to."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry as stored. `sequence` counts from 1 within its stream; `entry_id` orders entries over all streams."""

    stream: str
    sequence: int
    entry_id: int
    at: datetime
    kind: str
    actor: str
    payload: dict[str, Any]
    previous_hash: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class Break:
    """A place where a chain does not hold. `sequence` names the entry; `problem` says what is wrong with it."""

    stream: str
    sequence: int
    problem: str


def entry_hash(
    *, stream: str, sequence: int, at: datetime, kind: str, actor: str, payload: dict[str, Any], previous_hash: str
) -> str:
    """SHA-256 over everything an entry says and the hash of the one before it."""
    return digest(
        {
            "stream": stream,
            "sequence": sequence,
            "at": at.isoformat(timespec="microseconds"),
            "kind": kind,
            "actor": actor,
            "payload": payload,
            "previous": previous_hash,
        }
    )


def verify_chain(entries: Iterable[Entry]) -> list[Break]:
    """Walk one stream from its first entry; every entry that was changed, removed or put in is named."""
    breaks: list[Break] = []
    expected_sequence, previous = 1, GENESIS
    for entry in entries:
        if entry.sequence != expected_sequence:
            missing = f"entries {expected_sequence} to {entry.sequence - 1} are missing before it"
            breaks.append(Break(stream=entry.stream, sequence=entry.sequence, problem=missing))
        elif entry.previous_hash != previous:
            breaks.append(
                Break(stream=entry.stream, sequence=entry.sequence, problem="does not follow from the entry before it")
            )
        computed = entry_hash(
            stream=entry.stream,
            sequence=entry.sequence,
            at=entry.at,
            kind=entry.kind,
            actor=entry.actor,
            payload=entry.payload,
            previous_hash=entry.previous_hash,
        )
        if computed != entry.hash:
            breaks.append(
                Break(stream=entry.stream, sequence=entry.sequence, problem="its content does not match its hash")
            )
        expected_sequence, previous = entry.sequence + 1, entry.hash
    return breaks
