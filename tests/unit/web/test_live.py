"""Where a live page stands."""

from overseen.web.live import parse_position, position


def test_a_position_survives_the_way_to_the_browser_and_back() -> None:
    cursor = {"run_a": 12, "task_b": 3}
    assert parse_position(position(cursor), dict.fromkeys(cursor, 0)) == cursor


def test_streams_of_others_and_nonsense_are_ignored() -> None:
    assert parse_position("run_x:9,run_a:minus,,:4", {"run_a": 0}) == {"run_a": 0}
