"""Where a live page stands."""

from overseen.web.live import live_numbers, parse_position, position


def test_a_position_survives_the_way_to_the_browser_and_back() -> None:
    cursor = {"run_a": 12, "task_b": 3}
    assert parse_position(position(cursor), dict.fromkeys(cursor, 0)) == cursor


def test_streams_of_others_and_nonsense_are_ignored() -> None:
    assert parse_position("run_x:9,run_a:minus,,:4", {"run_a": 0}) == {"run_a": 0}


async def test_numbers_are_sent_when_they_change_and_only_then() -> None:
    drawn = iter(["2 live", "2 live", "1 live"])

    async def render() -> str:
        return next(drawn)

    numbers = live_numbers(render, seconds=0.0)
    assert [(await anext(numbers)).raw_data for _ in range(2)] == ["2 live", "1 live"]
    await numbers.aclose()
