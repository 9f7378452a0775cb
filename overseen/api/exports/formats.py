"""The formats, and the lines of one."""

import json
from collections.abc import AsyncIterable, AsyncIterator
from enum import StrEnum
from importlib.metadata import version

from overseen.api.exports.cef import cef_line
from overseen.api.exports.moments import lease_events
from overseen.api.exports.ocsf import ocsf_event
from overseen.api.reading.lease_views import LeaseView
from overseen.domain.canonical import plain

_VERSION = version("overseen")


class ExportFormat(StrEnum):
    """How leases leave the house."""

    JSONL = "jsonl"
    """One JSON object a lease, as the JSON API shows it."""
    OCSF = "ocsf"
    """One OCSF event a line: privileges assigned, refused, revoked."""
    CEF = "cef"
    """The same events as Common Event Format."""

    @property
    def media_type(self) -> str:
        """For the answer's Content-Type."""
        return "text/plain; charset=utf-8" if self is ExportFormat.CEF else "application/x-ndjson"

    @property
    def file_name(self) -> str:
        """What a browser calls the file."""
        return {"jsonl": "leases.jsonl", "ocsf": "leases.ocsf.jsonl", "cef": "leases.cef"}[self.value]


async def export_lines(leases: AsyncIterable[LeaseView], chosen: ExportFormat) -> AsyncIterator[str]:
    """The leases in that format, a line with its line end at a time, in the order they come."""
    async for lease in leases:
        if chosen is ExportFormat.JSONL:
            yield _line(plain(lease))
            continue
        for event in lease_events(lease):
            if chosen is ExportFormat.OCSF:
                yield _line(ocsf_event(event, version=_VERSION))
            else:
                yield cef_line(event, version=_VERSION) + "\n"


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
