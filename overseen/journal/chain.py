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
    once_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Break:
    """A place where the journal does not hold. `sequence` names the entry; `problem` says what is wrong with it.

    `since` is when what is gone or different now was last witnessed; None where no witness tells.
    """

    stream: str
    sequence: int
    problem: str
    since: datetime | None = None


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


class ChainWalk:
    """Walks one stream from its first entry to its last, an entry at a time."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self.sequence = 0
        self.head_hash = GENESIS
        self._entry_id = 0

    def step(self, entry: Entry) -> list[Break]:
        """What is wrong with the next entry: every one that was changed, removed, put in or moved is named."""
        breaks: list[Break] = []
        if entry.sequence != self.sequence + 1:
            missing = f"entries {self.sequence + 1} to {entry.sequence - 1} are missing before it"
            breaks.append(self._break(entry, missing))
        elif entry.previous_hash != self.head_hash:
            breaks.append(self._break(entry, "does not follow from the entry before it"))
        if hash_of(entry) != entry.hash:
            breaks.append(self._break(entry, "its content does not match its hash"))
        if entry.entry_id <= self._entry_id:
            breaks.append(self._break(entry, "its place among all entries (entry_id) is before that of an earlier one"))
        self.sequence, self.head_hash, self._entry_id = entry.sequence, entry.hash, entry.entry_id
        return breaks

    def _break(self, entry: Entry, problem: str) -> Break:
        return Break(stream=self._stream, sequence=entry.sequence, problem=problem)


def verify_chain(entries: Iterable[Entry]) -> list[Break]:
    """Walk one stream from its first entry; every entry that was changed, removed or put in is named."""
    breaks: list[Break] = []
    walk: ChainWalk | None = None
    for entry in entries:
        walk = walk or ChainWalk(entry.stream)
        breaks += walk.step(entry)
    return breaks


def hash_of(entry: Entry) -> str:
    """The hash that the entry has to have."""
    return entry_hash(
        stream=entry.stream,
        sequence=entry.sequence,
        at=entry.at,
        kind=entry.kind,
        actor=entry.actor,
        payload=entry.payload,
        previous_hash=entry.previous_hash,
    )
