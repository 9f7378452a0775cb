"""What the reconciler finds, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from overseen.domain.canonical import digest
from overseen.secrets.audit_log import AuditEntry
from overseen.store.tables import LeaseRecord, RunTokenRecord


class AnomalyName(StrEnum):
    """What can be wrong."""

    VAULT_ONLY_TOKEN = "VAULT_ONLY_TOKEN"  # noqa: S105 - a name, not a secret
    """Vault made a token that the ledger does not know."""
    VAULT_ONLY_LEASE = "VAULT_ONLY_LEASE"
    """Vault gave out a leased secret that the ledger does not know."""
    LEDGER_ONLY = "LEDGER_ONLY"
    """The ledger tells of a credential that Vault never made."""
    USE_AFTER_REVOKE = "USE_AFTER_REVOKE"
    """A token was used after its end."""
    DENIED = "DENIED"
    """A token was used for something it may not do: a probe."""
    OUT_OF_BAND_READ = "OUT_OF_BAND_READ"
    """Someone read a secret without a lease."""
    UNWRAPPED_TWICE = "UNWRAPPED_TWICE"
    """A wrapped secret was asked for more than once: someone else may have it."""
    STILL_ALIVE = "STILL_ALIVE"
    """Vault knows a credential that the ledger says is gone, or that should be."""
    UNAUTHORIZED_EFFECT = "UNAUTHORIZED_EFFECT"
    """A credential that acts was given out, and no used authorization of the ledger allows it."""
    UNLISTED_TOKEN = "UNLISTED_TOKEN"  # noqa: S105 - a name, not a secret
    """A token that is no run's and no call's was made by one of our logins, or with one of their policies."""
    ENTITY_WRITE = "ENTITY_WRITE"
    """Someone wrote an identity of Vault, other than to shut an agent off or let it in again by a kill switch."""
    POLICY_WRITE = "POLICY_WRITE"
    """Someone changed what one of our logins, runs or calls may do."""
    ROLE_WRITE = "ROLE_WRITE"
    """Someone changed a login, a token role or a database role of ours, or made a secret id for one."""


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """One finding. `key` is the same whenever the same thing is found again; `detail` holds ids and names only."""

    name: AnomalyName
    at: datetime
    accessor: str | None = None
    lease_id: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def key(self) -> str:
        """Name and 16 hexadecimal digits."""
        parts = [self.name, self.accessor, self.lease_id, sorted(self.detail.items())]
        return f"{self.name}:{digest(parts)[:16]}"

    def as_dict(self) -> dict[str, object]:
        """For JSON output."""
        return {
            "name": self.name.value,
            "at": self.at.isoformat(),
            "accessor": self.accessor,
            "lease_id": self.lease_id,
            "detail": dict(self.detail),
        }


def of_entry(
    name: AnomalyName,
    entry: AuditEntry,
    *,
    accessor: str | None = None,
    row: LeaseRecord | RunTokenRecord | None = None,
) -> Anomaly:
    """A finding in Vault's own records; `row` is the ledger's side of it, where there is one."""
    detail = {
        "path": entry.path,
        "operation": entry.operation,
        "by": entry.display_name,
        "policies": ",".join(entry.policies),
        "time": entry.at.isoformat(),
        "vault_lease": entry.vault_lease or "",
    }
    if isinstance(row, LeaseRecord):
        detail |= {"call_id": row.call_id, "tool": row.tool}
    detail |= {name: value for name, value in (entry.made_metadata or entry.metadata).items() if name.endswith("_id")}
    return Anomaly(
        name=name,
        at=entry.at,
        accessor=accessor or entry.accessor,
        lease_id=row.lease_id if isinstance(row, LeaseRecord) else None,
        detail={key: value for key, value in detail.items() if value},
    )


def of_row(name: AnomalyName, row: LeaseRecord, *, at: datetime | None = None, **detail: str) -> Anomaly:
    """A finding in the ledger."""
    return Anomaly(
        name=name,
        at=at or row.asked_at,
        accessor=row.accessor,
        lease_id=row.lease_id,
        detail={"call_id": row.call_id, **detail},
    )
