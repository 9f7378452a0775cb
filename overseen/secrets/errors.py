"""What can go wrong with leases.

::

    Unavailable
    ├── LeaseLost               someone else ended it before the tool could start: this worker was taken for dead
    └── VaultUnavailable        Vault does not answer, or answers that it cannot; the same call may go through later
        ├── VaultSealed         it is sealed: a person or its seal must open it
        ├── VaultSlow           it did not answer in time; what was asked may or may not have happened
        ├── VaultAuditBlocked   it cannot write its audit log and so refuses everything
        └── VaultBackendDown    it is up, but what it manages (a database) did not do as it was told
    Refused
    ├── VaultRefused            Vault said no: policy, a disabled agent, a revoked token, a wrong login
    │   └── UnwrappedTwice      a wrapped secret was opened by someone else first: it is known to others
    ├── LeaseTooShort           the credential would end before the tool has to
    ├── LeaseEnded              the lease's block was left; its credentials are gone
    └── Stopped                 a kill switch was pulled for this run, agent, tool or everything
    NotProven                   a credential may still be alive; the sweeper goes on until it is proven gone
"""

from overseen.errors import OverseenError, Refused, Unavailable, WhoActs


class LeaseLost(Unavailable):
    """The lease or the run's token was ended by someone else before the tool could start; the same call may be made
    again. Not for kill switches: those are `Stopped`.
    """

    code = "lease_lost"


class VaultUnavailable(Unavailable):
    """Vault is unreachable or answers that it cannot serve. Use `VaultRefused` when it said no."""

    code = "vault_unavailable"


class VaultSealed(VaultUnavailable):
    """Vault is sealed; an operator must unseal it."""

    code = "vault_sealed"


class VaultSlow(VaultUnavailable):
    """Vault did not answer in time. Whether it did what was asked is unknown."""

    code = "vault_slow"


class VaultAuditBlocked(VaultUnavailable):
    """Vault cannot write its audit log (disk full?) and refuses every request; an operator must make room."""

    code = "vault_audit_blocked"


class VaultBackendDown(VaultUnavailable):
    """Vault is up, but the system it manages (the database a role lives in) failed. That system must come back."""

    code = "vault_backend_down"


class VaultRefused(Refused):
    """Vault said no. Trying the same again will not help; a policy, role or login must change."""

    code = "vault_refused"
    who_acts = WhoActs.OPERATOR


class UnwrappedTwice(VaultRefused):
    """A wrapped secret was opened by someone else before us. An alarm: the secret must be changed."""

    code = "unwrapped_twice"


class LeaseTooShort(Refused):
    """The credential would end before the tool's wall time is over; the grant or the profile must change."""

    code = "lease_too_short"
    who_acts = WhoActs.DEVELOPER


class LeaseEnded(Refused):
    """The lease's block was left, or the lease holds no such grant."""

    code = "lease_ended"
    who_acts = WhoActs.DEVELOPER


class Stopped(Refused):
    """A kill switch was pulled; `scope` and `target` in the context say which."""

    code = "stopped"
    who_acts = WhoActs.OPERATOR


class NotProven(OverseenError):
    """A credential could not be proven gone yet. It stays in the ledger as revoking and the sweeper tries again."""

    code = "not_proven_gone"
    retryable = True
    who_acts = WhoActs.OPERATOR
