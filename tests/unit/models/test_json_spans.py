import json

import pytest

from overseen.models.json_spans import NotJson, value_spans


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"a": "b"},
        {"a": {"b": [1, -2.5e3, True, None, 'x"y\\', "żółć"]}, "": [[]]},
        [{"a": 1}, {"a": 2}],
        "text",
        7,
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_every_span_reads_back_as_its_value(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    for path, span in value_spans(text).items():
        expected: object = value
        for part in path:
            expected = expected[part]  # type: ignore[index]
        written = text[span.start : span.end]
        assert json.loads(f'"{written}"' if isinstance(expected, str) else written) == expected


@pytest.mark.parametrize(
    "text", ["", "{", '{"a"}', '{"a":}', '{"a":1', '{"a":1,}', "[1 2]", "{} x", "nul", '{"a":"b', "{a:1}"]
)
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(NotJson):
        value_spans(text)


def test_depth_beyond_reason_is_refused() -> None:
    with pytest.raises(NotJson):
        value_spans("[" * 100_000)
