"""JSON that two readers could take differently, or that nothing can store, is refused."""

import json

import pytest

from overseen.domain.strict_json import NotStrictJson, parse_strict, without_broken_characters

PLAIN = '{"a": [1, -2.5, true, null, "\\ud83d\\ude00", 9223372036854775807], "b": {}}'


def test_what_is_json_is_read_as_ever() -> None:
    assert parse_strict(PLAIN) == parse_strict(PLAIN.encode()) == json.loads(PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        '{"amount": NaN}',
        '{"amount": Infinity}',
        '{"amount": -Infinity}',
        '{"amount": 1e999}',
        '{"amount": 1, "amount": 2}',
        '{"a": {"b": 1, "b": 1}}',
        '{"amount": 9223372036854775808}',
        '{"amount": ' + "9" * 5000 + "}",
        '{"name": "half \\ud83d"}',
        '{"half \\ude00": 1}',
        '{"name": "a\\u0000b"}',
        "[" * 65 + "]" * 65,
        "[" * 100_000,
        '{"a": 1} trailing',
        "\ufeff{}",
        "",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(NotStrictJson):
        parse_strict(text)


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(NotStrictJson):
        parse_strict('{"a": "ä"}'.encode("latin-1"))


def test_half_an_emoji_becomes_a_mark_in_its_place() -> None:
    broken = "paid \ud83d and \0 more \U0001f600"
    assert without_broken_characters(broken) == "paid \ufffd and \ufffd more \U0001f600"
