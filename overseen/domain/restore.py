"""Dataclasses back from their canonical JSON."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")

_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def restore(kind: type[T], data: Mapping[str, Any]) -> T:
    """The `kind` whose canonical JSON `data` is; pydantic's ValidationError when it is not one.

    A Decimal inside a union with str (a fact's value) stays a string: the playbook's fact type says what it is.
    """
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        adapter = _ADAPTERS[kind] = TypeAdapter(kind)
    restored: T = adapter.validate_python(data)
    return restored
