"""What the journal's comparison knows of rooms above it has to stay true."""

from datetime import timedelta

from overseen.api.accounts import SESSION_HOURS
from overseen.journal import row_check


def test_a_session_as_long_as_the_house_makes_them_is_no_difference_and_a_longer_one_is() -> None:
    longest = row_check.LONGEST_SESSION
    assert timedelta(hours=SESSION_HOURS) <= longest < timedelta(hours=SESSION_HOURS + 1)
