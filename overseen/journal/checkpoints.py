"""A checkpoint: the numbered, signed head of everything. No input or output.

Each one commits to the root over the heads of all streams, to the heads that moved since the one before, and to the
one before itself. Whoever holds one can say later what has to be in the journal.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overseen.domain.canonical import canonical_json, digest
from overseen.journal.chain import GENESIS, Entry

_SIGNED = "overseen-checkpoint:v1:"
"""Stands before what is signed: no signature of a run's head can pass for one of a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class MovedHead:
    """A head that moved since the checkpoint before.

    `order_digest` covers what the hashes of the entries in between do not (see `order_line`); empty when there are
    none, as when the chain was only closed.
    """

    stream: str
    sequence: int
    head_hash: str
    closed: bool
    order_digest: str


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """`number` counts from 1, `streams` and `entries` are how many there were in all.

    `moved` is None where only the checkpoint itself was kept; `moved_digest` commits to it all the same.
    """

    number: int
    at: datetime
    previous: str
    root: str
    streams: int
    entries: int
    moved_digest: str
    signature: str
    moved: tuple[MovedHead, ...] | None

    @property
    def digest(self) -> str:
        """SHA-256 over all but the signature; what the next checkpoint calls `previous`."""
        return digest(self._body())

    @property
    def signed_text(self) -> str:
        """What the signature is of."""
        return _SIGNED + self.digest

    def _body(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "at": _moment(self.at),
            "previous": self.previous,
            "root": self.root,
            "streams": self.streams,
            "entries": self.entries,
            "moved_digest": self.moved_digest,
        }

    def line(self) -> str:
        """One line of JSON without its end, the same for the same checkpoint each time."""
        content: dict[str, Any] = {**self._body(), "signature": self.signature}
        if self.moved is not None:
            content["moved"] = {
                head.stream: [head.sequence, head.head_hash, head.closed, head.order_digest] for head in self.moved
            }
        return canonical_json(content).decode()

    def without_moved(self) -> "Checkpoint":
        """The same without the heads that moved, for a witness that keeps little."""
        return replace(self, moved=None)


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    number: Annotated[int, Field(ge=1)]
    at: str
    previous: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    root: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    streams: Annotated[int, Field(ge=0)]
    entries: Annotated[int, Field(ge=0)]
    moved_digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    signature: str
    moved: dict[str, tuple[int, str, bool, str]] | None = None


def read_line(text: str) -> Checkpoint:
    """A checkpoint from its line. Raises ValueError when it is none."""
    try:
        line = _Line.model_validate_json(text)
        at = datetime.fromisoformat(line.at)
    except ValidationError as error:
        raise ValueError("not a checkpoint") from error
    moved = None
    if line.moved is not None:
        moved = tuple(
            MovedHead(stream=stream, sequence=sequence, head_hash=head_hash, closed=closed, order_digest=order)
            for stream, (sequence, head_hash, closed, order) in line.moved.items()
        )
    fields = line.model_dump(exclude={"at", "moved"})
    return Checkpoint(**fields, at=at, moved=moved)


def digest_of_moved(moved: Sequence[MovedHead]) -> str:
    """What `moved_digest` has to be."""
    return digest(
        [
            [head.stream, head.sequence, head.head_hash, head.closed, head.order_digest]
            for head in sorted(moved, key=lambda head: head.stream.encode())
        ]
    )


def order_line(entry: Entry) -> str:
    """What stands beside an entry and is no part of its hash: its place among all entries, and its key of once.

    The lines of new entries, joined by line ends, are what `order_digest` is the SHA-256 of.
    """
    once_key = json.dumps(entry.once_key or "", ensure_ascii=False)
    return f"{entry.sequence}:{entry.entry_id}:{once_key}"


def follows(checkpoint: Checkpoint, before: Checkpoint | None) -> bool:
    """Whether `checkpoint` is the next after `before`, or the first."""
    if before is None:
        return checkpoint.number == 1 and checkpoint.previous == GENESIS
    return checkpoint.number == before.number + 1 and checkpoint.previous == before.digest


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
