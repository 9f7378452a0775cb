"""Grants and what is asked for one call: the words the broker, the ledger and the credential source share."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from overseen.domain.calls import ToolCall

NO_GRANT = "none"
"""The token role of calls that need no credential. They have a token all the same, so that each can be ended."""

_IRREVOCABLE_KINDS = frozenset({"identity", "certificate"})


class GrantLike(Protocol):
    """What a tool may ask a lease for; see `overseen.tools.types.Grant`."""

    @property
    def name(self) -> str:
        """For example insurer_read; with hyphens, the role and policy name in Vault."""
        ...

    @property
    def kind(self) -> str:
        """database, kv, identity or certificate."""
        ...

    @property
    def resource(self) -> str:
        """A name in the settings' resources, or a key-value path."""
        ...

    @property
    def ttl_seconds(self) -> int:
        """The longest the credential may live."""
        ...


def vault_name(grant: GrantLike | None) -> str:
    """The grant's name as Vault spells it."""
    return NO_GRANT if grant is None else grant.name.replace("_", "-")


def irrevocable(kind: str) -> bool:
    """Whether a credential of this kind lives until it expires, whatever is done."""
    return kind in _IRREVOCABLE_KINDS


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One row of the ledger before anything is minted: one token, for one grant or none."""

    lease_id: str
    call: ToolCall
    grant: GrantLike | None
    ttl_seconds: int

    @cached_property
    def call_id(self) -> str:
        """The call's id; a digest, so it is worked out once."""
        return self.call.call_id

    @property
    def kind(self) -> str:
        """The grant's kind, or none."""
        return "none" if self.grant is None else self.grant.kind

    @property
    def grant_names(self) -> tuple[str, ...]:
        """None or one."""
        return () if self.grant is None else (self.grant.name,)

    @property
    def policy(self) -> str:
        """The policy its token will have."""
        return f"grant-{vault_name(self.grant)}"

    @property
    def irrevocable(self) -> bool:
        """Whether what it yields can only run out."""
        return irrevocable(self.kind)
