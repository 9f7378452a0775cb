"""Where each value stands in a JSON text: a scanner that keeps offsets, which the standard library's does not."""

import json
import re
from dataclasses import dataclass

from overseen.errors import OverseenError

JsonPath = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"', re.DOTALL)
_ATOM = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")


class NotJson(OverseenError):
    """The text is not JSON; `context["at"]` is the offset in characters."""

    code = "not_json"


@dataclass(frozen=True, kw_only=True)
class ValueSpan:
    """`text[start:end]` is the value as written. For strings the quotes are outside, for objects the braces inside."""

    start: int
    end: int


def value_spans(text: str) -> dict[JsonPath, ValueSpan]:
    """The span of every value in `text` by its path: ("items", 0, "name"); () is the whole. Raises NotJson."""
    spans: dict[JsonPath, ValueSpan] = {}
    try:
        end = _value(text, _skip(text, 0), (), spans)
    except RecursionError as error:
        raise NotJson("The JSON is nested too deeply.", at=0) from error
    if _skip(text, end) != len(text):
        raise NotJson("Something follows the JSON value.", at=end)
    return spans


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _value(text: str, at: int, path: JsonPath, spans: dict[JsonPath, ValueSpan]) -> int:
    opening = text[at : at + 1]
    if opening == '"':
        end = _string_end(text, at)
        spans[path] = ValueSpan(start=at + 1, end=end - 1)
        return end
    if opening in ("{", "[") and opening:
        end = _members(text, at, path, spans)
    elif match := _ATOM.match(text, at):
        end = match.end()
    else:
        raise NotJson("A JSON value was expected.", at=at)
    spans[path] = ValueSpan(start=at, end=end)
    return end


def _members(text: str, at: int, path: JsonPath, spans: dict[JsonPath, ValueSpan]) -> int:
    is_object = text[at] == "{"
    closing = "}" if is_object else "]"
    at = _skip(text, at + 1)
    if text[at : at + 1] == closing:
        return at + 1
    index = 0
    while True:
        key: str | int = index
        if is_object:
            end = _string_end(text, at)
            key = json.loads(text[at:end], strict=False)
            at = _skip(text, end)
            if text[at : at + 1] != ":":
                raise NotJson("A colon was expected.", at=at)
            at = _skip(text, at + 1)
        at = _skip(text, _value(text, at, (*path, key), spans))
        mark = text[at : at + 1]
        if mark == closing:
            return at + 1
        if mark != ",":
            raise NotJson("A comma or the end of an object or array was expected.", at=at)
        at, index = _skip(text, at + 1), index + 1


def _string_end(text: str, at: int) -> int:
    match = _STRING.match(text, at)
    if match is None:
        raise NotJson("A string was expected.", at=at)
    return match.end()
