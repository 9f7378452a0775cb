"""The wire format, and what is refused of it."""

import json

import pytest

from overseen.tools.sandbox.frames import PREFIX, FrameError, decode_header, encode_frame


def test_a_frame_is_read_as_it_was_written() -> None:
    prefix, header, *contents = encode_frame({"value": ["ü", 1]}, {"a.bin": b"\0\1", "b": b""})
    assert PREFIX.unpack(prefix) == (len(header),)
    assert decode_header(header) == ({"value": ["ü", 1]}, [("a.bin", 2), ("b", 0)])
    assert contents == [b"\0\1", b""]


def test_a_value_that_is_no_json_cannot_be_sent() -> None:
    for value in (float("nan"), object(), {1, 2}):
        with pytest.raises((ValueError, TypeError)):
            encode_frame({"value": value}, {})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe",
        b'{"files": 1}',
        b'{"files": [["a"]]}',
        b'{"files": [["a", -1]]}',
        b'{"files": [["a", true]]}',
        b'{"files": [["a", 1.0]]}',
        b'{"files": [[1, 1]]}',
        b'{"files": [["a", 1], ["a", 2]]}',
        b'{"files": [], "value": NaN}',
        b'{"files": [], "value": -Infinity}',
        b'{"files": [], "value": "\\ud800"}',
        json.dumps({"files": []}).encode()[:-1] + b', "value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"files": [], "value": ' + b"9" * 5000 + b"}",
    ],
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(FrameError):
        decode_header(text)
