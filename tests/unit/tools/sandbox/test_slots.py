"""Users for sandboxes: one owner each, on the whole machine."""

import pytest

from overseen.tools.sandbox import SandboxUnavailable
from overseen.tools.sandbox.slots import Slots, choose_range

UIDS = range(1_940_000_000, 1_940_000_003)


def test_a_uid_is_given_to_one_owner_at_a_time() -> None:
    ours, theirs = Slots(UIDS), Slots(UIDS)
    taken = [ours.take(), theirs.take(), ours.take()]
    assert sorted(slot.uid for slot in taken) == list(UIDS)
    with pytest.raises(SandboxUnavailable):
        theirs.take()
    for slot in taken:
        slot.release()


def test_a_uid_given_back_is_used_again() -> None:
    slots = Slots(range(UIDS.start, UIDS.start + 1))
    for _ in range(3):
        slot = slots.take()
        assert slot.uid == UIDS.start
        slot.release()


def test_the_range_is_far_from_root_and_accounts() -> None:
    assert min(choose_range()) > 60_000
    assert 65_534 not in choose_range()
