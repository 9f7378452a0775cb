"""JSON as the standard means it: what one reader takes one way and another differently is refused.

`json.loads` takes NaN and infinities, keeps the last of repeated keys, and lets half a surrogate pair and NUL pass,
which nothing behind it can store.
"""

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 64
"""How deeply arrays and objects may stand in each other."""

_MAX_DIGITS = 19
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1


class NotStrictJson(ValueError):
    """The text is not JSON, or holds what no reader can be trusted with. `problem` quotes nothing of it."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def parse_strict(text: str | bytes) -> Any:
    """The value that `text` (UTF-8 if bytes) stands for.

    Raises NotStrictJson for anything that is not JSON, for NaN and infinities, repeated keys, integers beyond 64 bits,
    half surrogate pairs, NUL, and nesting beyond MAX_DEPTH.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        value: Any = json.loads(
            decoded,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_number,
            object_pairs_hook=_object,
        )
    except NotStrictJson:
        raise
    except UnicodeDecodeError as error:
        raise NotStrictJson("is not UTF-8") from error
    except ValueError as error:
        raise NotStrictJson("is not JSON") from error
    except RecursionError as error:
        raise NotStrictJson("is nested too deeply") from error
    _check_contents(value)
    return value


def text_problem(text: str) -> str | None:
    """What keeps `text` from being stored anywhere: a NUL or half a surrogate pair. None when nothing does."""
    if "\0" in text:
        return "holds a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half a surrogate pair"
    return None


def without_broken_characters(text: str) -> str:
    """`text` with U+FFFD where a NUL or half a surrogate pair stood; as long as before."""
    whole = text.replace("\0", "\ufffd")
    try:
        whole.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in whole)
    return whole


def _refuse_constant(_: str) -> NoReturn:
    raise NotStrictJson("holds NaN or an infinity")


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) <= _MAX_DIGITS and _MIN_INTEGER <= (number := int(digits)) <= _MAX_INTEGER:
        return number
    raise NotStrictJson("holds an integer beyond 64 bits")


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise NotStrictJson("holds a number too large to keep")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrictJson("holds an object with a repeated key")
    return found


def _check_contents(value: Any) -> None:
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str):
            if problem := text_problem(item):
                raise NotStrictJson(problem)
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise NotStrictJson("is nested too deeply")
            inner = (*item, *item.values()) if isinstance(item, dict) else item
            waiting.extend((each, depth + 1) for each in inner)
