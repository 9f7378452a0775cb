"""The credential of one call, as the tool's side sees it, and the ledger row behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from overseen.secrets.credentials import Fetched, MintedToken
from overseen.secrets.errors import LeaseEnded
from overseen.secrets.grants import Asked
from overseen.secrets.secret import Credential


class LeaseState(StrEnum):
    """Where a lease is in its life."""

    INTENT = "intent"
    """Written down before anything is minted."""
    ISSUED = "issued"
    REVOKING = "revoking"
    """Its end could not be proven yet; the sweeper goes on."""
    CLOSED = "closed"
    """Proven gone at the source, or proven never to have been."""
    REFUSED = "refused"
    """No credential was given."""
    IRREVOCABLE = "irrevocable"
    """Its token is gone, but what it signed lives until it expires."""


LIVING = (LeaseState.INTENT, LeaseState.ISSUED, LeaseState.REVOKING)
"""States in which something may still be alive that can be ended."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """One row of the ledger whose token exists."""

    asked: Asked
    token: MintedToken
    fetched: Fetched | None
    issued_at: datetime

    @property
    def vault_leases(self) -> tuple[str, ...]:
        """Vault's own lease ids; only leased secrets have one."""
        return (self.fetched.vault_lease,) if self.fetched and self.fetched.vault_lease else ()

    @property
    def principals(self) -> tuple[str, ...]:
        """The names the credential answers to elsewhere."""
        return (self.fetched.principal,) if self.fetched and self.fetched.principal else ()

    @property
    def expires_at(self) -> datetime:
        """When the credential ends by itself; the token's end when there is none."""
        return self.token.expires_at if self.fetched is None else self.fetched.expires_at


class Lease:
    """What a call may use while its block lasts. Prints without secrets, and forgets them at the end of the block."""

    def __init__(self, *, call_id: str, held: tuple[Held, ...]) -> None:
        self.call_id = call_id
        self.lease_id = held[0].asked.lease_id
        self.lease_ids = tuple(part.asked.lease_id for part in held)
        self.accessor = held[0].token.accessor
        self.used_at: datetime | None = None
        self.expires_at = min(part.expires_at for part in held)
        self._credentials: Mapping[str, Credential] | None = {
            part.asked.grant.name: part.fetched.credential for part in held if part.asked.grant and part.fetched
        }

    def credential(self, grant_name: str) -> Credential:
        """The credential of one grant. Raises LeaseEnded when the block is over or the lease has no such grant."""
        if self._credentials is None:
            raise LeaseEnded(
                f"The lease {self.lease_id} has ended.",
                not_done="No credential was handed out.",
                next_step="Use credentials inside the block only.",
            )
        if grant_name not in self._credentials:
            raise LeaseEnded(
                f"The lease {self.lease_id} holds no grant named {grant_name}.",
                not_done="No credential was handed out.",
                next_step="Name the grant in the tool's grants.",
            )
        self.used_at = self.used_at or datetime.now(UTC)
        return self._credentials[grant_name]

    def forget(self) -> None:
        """Drop the credentials; called when the block ends."""
        self._credentials = None

    def __repr__(self) -> str:
        return f"Lease({self.lease_id}, expires_at={self.expires_at.isoformat()})"
