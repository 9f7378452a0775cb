"""One hash over the heads of all streams, which costs little to bring up to date.

A stream falls into one of 4,096 buckets by the first twelve bits of SHA-256 of its name. A bucket's hash is the Merkle
tree hash of RFC 6962 over its heads, sorted by name; the root is a perfect tree of depth twelve over the buckets.
Leaves are hashed with 0x00 before them and pairs with 0x01, so that no pair can pass for a leaf. A head that moves
costs one bucket and the top, however many streams there are.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from overseen.domain.canonical import canonical_json

BUCKETS = 4096

_LEAF, _PAIR = b"\x00", b"\x01"


@dataclass(frozen=True, kw_only=True)
class Head:
    """Where a stream's chain ends: `head_hash` is the hash of entry `sequence`."""

    stream: str
    sequence: int
    head_hash: str
    closed: bool


def bucket_of(stream: str) -> int:
    """0 to 4,095."""
    return int(hashlib.sha256(stream.encode()).hexdigest()[:3], 16)


def bucket_hash(heads: Iterable[Head]) -> bytes:
    """The tree hash of one bucket's heads, in whatever order they are given; 32 bytes."""
    ordered = sorted(heads, key=lambda head: head.stream.encode())
    return tree_hash([_leaf(head) for head in ordered])


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of RFC 6962, section 2.1, over hashes of leaves; 32 bytes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(_PAIR + tree_hash(leaves[:middle]) + tree_hash(leaves[middle:])).digest()


def root_of(buckets: Mapping[int, bytes]) -> str:
    """The root over the hashes of all buckets, those that are not named being empty; 64 hexadecimal digits."""
    empty = bucket_hash(())
    return tree_hash([buckets.get(number, empty) for number in range(BUCKETS)]).hex()


def root_over(heads: Iterable[Head]) -> str:
    """The root, computed from nothing but the heads."""
    filled: dict[int, list[Head]] = defaultdict(list)
    for head in heads:
        filled[bucket_of(head.stream)].append(head)
    return root_of({number: bucket_hash(inside) for number, inside in filled.items()})


def _leaf(head: Head) -> bytes:
    return hashlib.sha256(_LEAF + canonical_json([head.stream, head.sequence, head.head_hash, head.closed])).digest()
