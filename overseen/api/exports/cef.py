"""Common Event Format, version 0: a header of seven fields between bars, then `key=value` pairs."""

import re
from collections.abc import Mapping
from datetime import datetime

from overseen.api.exports.moments import Happening, LeaseEvent

_NAMES = {
    Happening.GRANTED: "Credential granted",
    Happening.DENIED: "Credential denied",
    Happening.ENDED: "Credential revoked",
}
# Line ends of other alphabets and control characters would cut a record in two for those who read by line.
_UNPRINTABLE = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029]")


def header_value(text: str) -> str:
    """Backslashes and bars with a backslash before them; a header is one line, so line ends become spaces."""
    flat = _UNPRINTABLE.sub(" ", text).replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
    return flat.replace("\\", "\\\\").replace("|", "\\|")


def extension_value(text: str) -> str:
    r"""Backslashes and equals signs with a backslash before them, line ends as \n and \r; bars stay as they are."""
    escaped = _UNPRINTABLE.sub(" ", text).replace("\\", "\\\\").replace("=", "\\=")
    return escaped.replace("\r", "\\r").replace("\n", "\\n")


def cef_line(event: LeaseEvent, *, version: str) -> str:
    """One record, without a line end. `version` is that of Overseen."""
    header = ("CEF:0", "Overseen", "Overseen", version, f"lease-{event.happening}", _NAMES[event.happening])
    fields = " ".join(f"{key}={extension_value(value)}" for key, value in _extension(event).items() if value)
    return "|".join([header[0], *(header_value(part) for part in header[1:]), str(_severity(event)), fields])


def _severity(event: LeaseEvent) -> int:
    """0 to 10. Refusals are worth a look, ends that cannot be proven are an alarm."""
    if event.happening is Happening.DENIED:
        return 5
    if event.happening is Happening.ENDED and not event.proven:
        return 8
    return 2


def _extension(event: LeaseEvent) -> Mapping[str, str]:
    """Keys of the standard's dictionary where it has one, own ones beginning with `overseen` for the rest."""
    lease = event.lease
    outcome = "failure" if event.happening is Happening.DENIED or event.proven is False else "success"
    return {
        "rt": _milliseconds(event.at),
        "externalId": event.event_id,
        "msg": event.sentence,
        "cat": lease.kind,
        "act": event.happening.value,
        "outcome": outcome,
        "reason": lease.reason or "",
        "suser": lease.requester or "",
        "duser": " ".join(lease.principals) or lease.agent,
        "dpriv": " ".join(lease.policies),
        "dproc": lease.tool,
        "shost": lease.worker_id,
        "start": _milliseconds(lease.issued_at),
        "end": _milliseconds(lease.proven_gone_at),
        "cs1Label": "run",
        "cs1": lease.run_id,
        "cs2Label": "call",
        "cs2": lease.call_id,
        "cs3Label": "agent",
        "cs3": lease.agent,
        "cs4Label": "paths" if lease.paths else "",
        "cs4": " ".join(lease.paths),
        "cs5Label": "grants" if lease.grants else "",
        "cs5": " ".join(lease.grants),
        "cs6Label": "state",
        "cs6": lease.state,
        "deviceCustomDate1Label": "asked",
        "deviceCustomDate1": _milliseconds(lease.asked_at),
        "deviceCustomDate2Label": "expires" if lease.expires_at else "",
        "deviceCustomDate2": _milliseconds(lease.expires_at),
        "overseenApprover": lease.approver or "",
        "overseenAccessor": lease.accessor or "",
        "overseenRegion": lease.region,
    }


def _milliseconds(moment: datetime | None) -> str:
    return "" if moment is None else str(round(moment.timestamp() * 1000))
