"""Open Cybersecurity Schema Framework 1.7.0, class User Access Management (3005).

A lease gives an agent privileges on resources for seconds and takes them away again: that is what this class is about.
One lease makes one event when its privileges are assigned (or refused) and one when they are revoked.
"""

from datetime import datetime

from overseen.api.exports.moments import Happening, LeaseEvent
from overseen.api.reading.lease_views import LeaseView
from overseen.domain.canonical import plain

SCHEMA_VERSION = "1.7.0"
CLASS_UID = 3005
_CATEGORY_UID = 3
_ASSIGN, _REVOKE = 1, 2
_ACTIVITY_NAMES = {_ASSIGN: "Assign Privileges", _REVOKE: "Revoke Privileges"}
_UNKNOWN, _SUCCESS, _FAILURE = 0, 1, 2
_STATUS_NAMES = {_UNKNOWN: "Unknown", _SUCCESS: "Success", _FAILURE: "Failure"}
_INFORMATIONAL, _MEDIUM, _HIGH = 1, 3, 4
_SEVERITY_NAMES = {_INFORMATIONAL: "Informational", _MEDIUM: "Medium", _HIGH: "High"}
_SERVICE_ACCOUNT = 4
Json = dict[str, object]


def ocsf_event(event: LeaseEvent, *, version: str) -> Json:
    """One event as JSON types; attributes that are not known are left out. `version` is that of Overseen."""
    lease = event.lease
    activity = _REVOKE if event.happening is Happening.ENDED else _ASSIGN
    status, severity = _judged(event)
    found: Json = {
        "category_uid": _CATEGORY_UID,
        "category_name": "Identity & Access Management",
        "class_uid": CLASS_UID,
        "class_name": "User Access Management",
        "activity_id": activity,
        "activity_name": _ACTIVITY_NAMES[activity],
        "type_uid": CLASS_UID * 100 + activity,
        "type_name": f"User Access Management: {_ACTIVITY_NAMES[activity]}",
        "time": _milliseconds(event.at),
        "start_time": _milliseconds(lease.issued_at),
        "end_time": _milliseconds(lease.proven_gone_at),
        "timezone_offset": 0,
        "severity_id": severity,
        "severity": _SEVERITY_NAMES[severity],
        "status_id": status,
        "status": _STATUS_NAMES[status],
        "status_code": lease.state,
        "status_detail": lease.reason,
        "message": event.sentence,
        "metadata": _metadata(event, version),
        "actor": _actor(lease),
        "user": _user(lease),
        "privileges": list(lease.policies or lease.grants or ("none",)),
        "resources": [
            {"name": grant, "type": lease.kind, "region": lease.region}
            | ({"uid": lease.paths[number]} if number < len(lease.paths) else {})
            for number, grant in enumerate(lease.grants)
        ],
        "src_endpoint": {"uid": lease.worker_id, "name": lease.worker_id},
        "unmapped": _unmapped(lease),
    }
    return {name: value for name, value in found.items() if value not in (None, [], {})}


def _judged(event: LeaseEvent) -> tuple[int, int]:
    """Status and severity."""
    if event.happening is Happening.DENIED:
        return _FAILURE, _MEDIUM
    if event.happening is Happening.ENDED and not event.proven:
        return _UNKNOWN, _HIGH
    return _SUCCESS, _INFORMATIONAL


def _metadata(event: LeaseEvent, version: str) -> Json:
    return {
        "version": SCHEMA_VERSION,
        "uid": event.event_id,
        "correlation_uid": event.lease.run_id,
        "event_code": event.happening.value,
        "log_name": "leases",
        "log_provider": "Overseen",
        "original_time": event.at.isoformat(),
        "product": {"name": "Overseen", "vendor_name": "Overseen", "version": version},
    }


def _actor(lease: LeaseView) -> Json:
    """Who wanted it: the requester of the task, in the run that works on it; who approved it is the decision."""
    actor: Json = {"app_name": "Overseen", "session": {"uid": lease.run_id, "issuer": "Overseen"}}
    if lease.requester:
        actor["user"] = {"name": lease.requester}
    if lease.approver:
        actor["authorizations"] = [{"decision": f"approved by {lease.approver}"}]
    return actor


def _user(lease: LeaseView) -> Json:
    """Who got it: the name the credential answers to, or the agent's own."""
    user: Json = {
        "name": lease.principals[0] if lease.principals else f"agent-{lease.agent}",
        "display_name": lease.agent,
        "type_id": _SERVICE_ACCOUNT,
        "type": "Service",
    }
    if lease.accessor:
        user["programmatic_credentials"] = [{"uid": lease.accessor, "type": "Vault token accessor"}]
    return user


def _unmapped(lease: LeaseView) -> Json:
    """What the schema has no place for, in Overseen's own words."""
    return {
        "lease_id": lease.lease_id,
        "call_id": lease.call_id,
        "step_id": lease.step_id,
        "tool": lease.tool,
        "asked_at": plain(lease.asked_at),
        "used_at": plain(lease.used_at),
        "expires_at": plain(lease.expires_at),
        "revoked_at": plain(lease.revoked_at),
        "vault_leases": list(lease.vault_leases),
    }


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
