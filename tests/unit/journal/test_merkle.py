"""The tree over all heads: the hashes of RFC 6962, and what a moved head must change."""

import hashlib
from dataclasses import replace

from overseen.journal.merkle import Head, bucket_hash, bucket_of, root_of, root_over, tree_hash

# Leaves and roots as Certificate Transparency's own tests have them.
LEAVES = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", bytes(range(0x50, 0x58))]
LEAVES.append(bytes(range(0x60, 0x70)))
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def heads(count: int) -> list[Head]:
    return [Head(stream=f"run_{n}", sequence=n + 1, head_hash=f"{n:064x}", closed=False) for n in range(count)]


def test_the_tree_is_that_of_rfc_6962() -> None:
    leaves = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in LEAVES]
    assert {count: tree_hash(leaves[:count]).hex() for count in ROOTS} == ROOTS
    assert tree_hash([]).hex() == hashlib.sha256(b"").hexdigest()


def test_every_part_of_a_head_moves_the_root() -> None:
    before = heads(300)
    root = root_over(before)
    for change in ({"sequence": 99}, {"head_hash": "f" * 64}, {"closed": True}, {"stream": "run_other"}):
        assert root_over([replace(before[0], **change), *before[1:]]) != root
    assert root_over(before[1:]) != root
    assert root_over(list(reversed(before))) == root


def test_a_root_brought_up_to_date_is_the_root_from_scratch() -> None:
    everything = heads(500)
    buckets: dict[int, bytes] = {}
    for number in {bucket_of(head.stream) for head in everything}:
        buckets[number] = bucket_hash(head for head in everything if bucket_of(head.stream) == number)
    moved = replace(everything[7], sequence=1000)
    everything[7] = moved
    number = bucket_of(moved.stream)
    buckets[number] = bucket_hash(head for head in everything if bucket_of(head.stream) == number)
    assert root_of(buckets) == root_over(everything)
