"""Blobs of JSON back into the words of the house."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from overseen.domain.facts import Fact
from overseen.domain.findings import Finding
from overseen.domain.restore import restore
from overseen.errors import Defect, NotFound
from overseen.store import BlobStore

Value = TypeVar("Value")


async def read_json(blobs: BlobStore, sha256: str | None) -> Any:
    """The JSON value of a blob; None when there is no blob or its content was erased. Defect when it is no JSON."""
    if sha256 is None:
        return None
    try:
        content = await blobs.get(sha256)
    except NotFound:
        return None
    try:
        return json.loads(content)
    except ValueError as error:
        raise Defect(f"The content {sha256[:12]} is not JSON.", not_done="It was not shown.") from error


async def read_text(blobs: BlobStore, sha256: str | None) -> str | None:
    """The text of a blob; None when there is no blob or its content was erased."""
    if sha256 is None:
        return None
    try:
        return (await blobs.get(sha256)).decode("utf-8", errors="replace")
    except NotFound:
        return None


def decode(kind: type[Value], data: Mapping[str, Any] | None) -> Value | None:
    """`data` as a `kind`; None for None. Defect when the stored shape is another."""
    if data is None:
        return None
    try:
        return restore(kind, data)
    except ValidationError as error:
        raise Defect(f"A stored {kind.__name__} has another shape than expected: {error}") from error


def decode_all(kind: type[Value], data: Iterable[Mapping[str, Any]]) -> tuple[Value, ...]:
    """Every item of `data` as a `kind`. Defect as for `decode`."""
    return tuple(value for item in data if (value := decode(kind, item)) is not None)


def decode_facts(content: Any) -> tuple[Fact, ...]:
    """The facts of a facts blob, which is a list or {"facts": [...]}."""
    listed = content.get("facts", ()) if isinstance(content, dict) else content
    return decode_all(Fact, listed or ())


def decode_findings(content: Any) -> tuple[Finding, ...]:
    """The findings in a blob that has them under "findings"."""
    return decode_all(Finding, content.get("findings", ()) if isinstance(content, dict) else ())
