"""Where credentials come from: mint a token for one call, fetch what its grant allows, revoke, and prove it gone."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from overseen.errors import Misconfigured
from overseen.secrets.errors import UnwrappedTwice, VaultRefused
from overseen.secrets.grants import Asked, GrantLike, vault_name
from overseen.secrets.secret import (
    ClientCertificate,
    Credential,
    DatabaseCredential,
    IdentityToken,
    Secret,
    SecretValue,
)
from overseen.secrets.vault_client import VaultClient
from overseen.settings import ResourceSettings

_WRAP_SECONDS = 30
_FORBIDDEN = 403


@dataclass(frozen=True, kw_only=True)
class MintedToken:
    """A token and what Vault says about it."""

    token: Secret
    accessor: str
    policies: tuple[str, ...]
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What a grant yielded. `revocable` is false for signed things that only time ends."""

    credential: Credential
    path: str
    expires_at: datetime
    vault_lease: str | None = None
    principal: str | None = None
    revocable: bool = True


class CredentialSource(Protocol):
    """A system that makes short-lived credentials.

    All methods raise VaultRefused when the system says no and VaultUnavailable when it cannot answer.
    """

    async def mint(self, request: Asked, parent: Secret) -> MintedToken:
        """A token below `parent` that may do what the request's grant allows and nothing else."""
        ...

    async def fetch(self, grant: GrantLike, token: MintedToken) -> Fetched:
        """The credential itself. Consumes the token's uses."""
        ...

    async def revoke(self, accessor: str | None, vault_leases: Sequence[str], *, token: Secret | None = None) -> None:
        """End the leases at their system of record first, then the token.

        Without `token` by its `accessor`, which takes the kill switch's login.
        """
        ...

    async def verify_gone(self, accessor: str | None, vault_leases: Sequence[str]) -> bool:
        """Whether the source itself knows none of them any more. An error is raised, never taken for gone."""
        ...


def _after(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


class VaultCredentials:
    """`CredentialSource` on OpenBao or HashiCorp Vault.

    `resources` say where a leased database role logs in. The layout it expects: token roles `call-<grant>`, policies
    `grant-<grant>`, database roles named like their grant.
    """

    def __init__(self, vault: VaultClient, resources: Mapping[str, ResourceSettings]) -> None:
        self._vault = vault
        self._resources = resources

    async def mint(self, request: Asked, parent: Secret) -> MintedToken:
        """A child of the run's token, through the token role of the grant, on the agent's entity."""
        call = request.call
        answer = await self._vault.write(
            f"auth/token/create/call-{vault_name(request.grant)}",
            {
                "ttl": f"{request.ttl_seconds}s",
                "display_name": request.call_id,
                "entity_alias": f"agent-{call.agent}",
                "meta": {
                    **({"authorization_id": call.authorization_id} if call.authorization_id else {}),
                    "lease_id": request.lease_id,
                    "run_id": call.run_id,
                    "call_id": request.call_id,
                    "agent": call.agent,
                    "tool": call.tool,
                },
            },
            token=parent,
        )
        auth = answer["auth"]
        return MintedToken(
            token=Secret(auth["client_token"]),
            accessor=auth["accessor"],
            policies=tuple(auth["policies"]),
            expires_at=_after(auth["lease_duration"]),
        )

    async def fetch(self, grant: GrantLike, token: MintedToken) -> Fetched:
        """By the grant's kind. Misconfigured when the kind or the resource is unknown."""
        if grant.kind == "database":
            return await self._database(grant, token)
        if grant.kind == "kv":
            return await self._key_value(grant, token)
        if grant.kind == "identity":
            return await self._identity(token)
        if grant.kind == "certificate":
            return await self._certificate(grant, token)
        raise Misconfigured(
            f"Grant {grant.name} is of the unknown kind {grant.kind}.",
            not_done="No credential was given.",
            next_step="Use database, kv, identity or certificate.",
        )

    async def _database(self, grant: GrantLike, token: MintedToken) -> Fetched:
        resource = self._resources.get(grant.resource)
        if resource is None:
            raise Misconfigured(
                f"Grant {grant.name} names the resource {grant.resource}, which the settings do not know.",
                not_done="No credential was given.",
                next_step=f"Add resources.{grant.resource} (host, port, database) to settings.yaml.",
            )
        path = f"{resource.vault_mount}/creds/{vault_name(grant)}"
        answer = await self._vault.read(path, token=token.token)
        username = str(answer["data"]["username"])
        return Fetched(
            credential=DatabaseCredential(
                username=username,
                password=Secret(answer["data"]["password"]),
                host=resource.host,
                port=resource.port,
                database=resource.database,
            ),
            path=path,
            expires_at=_after(answer["lease_duration"]),
            vault_lease=answer["lease_id"],
            principal=username,
        )

    async def _key_value(self, grant: GrantLike, token: MintedToken) -> Fetched:
        """Response-wrapped: the value crosses the wire once, and an unwrapping by anyone else is noticed here."""
        path = f"kv/data/{grant.resource}"
        wrapped = await self._vault.read(path, token=token.token, wrap_seconds=_WRAP_SECONDS)
        wrapping = Secret(wrapped["wrap_info"]["token"])
        try:
            answer = await self._vault.write("sys/wrapping/unwrap", {}, token=wrapping)
        except VaultRefused as refused:
            raise UnwrappedTwice(
                f"The wrapped secret for {grant.name} was unwrapped by someone else first.",
                not_done="No credential was given.",
                next_step="Treat that secret as known to others: rotate it, and read Vault's audit log.",
                wrapping_accessor=wrapped["wrap_info"]["accessor"],
            ) from refused
        values = {name: Secret(str(value)) for name, value in answer["data"]["data"].items()}
        return Fetched(credential=SecretValue(values=values), path=path, expires_at=token.expires_at)

    async def _identity(self, token: MintedToken) -> Fetched:
        path = "identity/oidc/token/call"
        answer = await self._vault.read(path, token=token.token)
        expires_at = _after(answer["data"]["ttl"])
        credential = IdentityToken(token=Secret(answer["data"]["token"]), expires_at=expires_at)
        return Fetched(credential=credential, path=path, expires_at=expires_at, revocable=False)

    async def _certificate(self, grant: GrantLike, token: MintedToken) -> Fetched:
        path = "pki/issue/call"
        answer = await self._vault.write(
            path, {"common_name": grant.resource, "ttl": f"{grant.ttl_seconds}s"}, token=token.token
        )
        data: dict[str, Any] = answer["data"]
        expires_at = datetime.fromtimestamp(data["expiration"], UTC)
        credential = ClientCertificate(
            certificate=data["certificate"],
            private_key=Secret(data["private_key"]),
            issuer=data["issuing_ca"],
            serial_number=data["serial_number"],
            expires_at=expires_at,
        )
        return Fetched(
            credential=credential,
            path=path,
            expires_at=expires_at,
            principal=data["serial_number"],
            revocable=False,
        )

    async def revoke(self, accessor: str | None, vault_leases: Sequence[str], *, token: Secret | None = None) -> None:
        """Leases synchronously first: revoking the token answers yes even while the database still has the role."""
        for vault_lease in vault_leases:
            try:
                await self._vault.write("sys/leases/revoke", {"lease_id": vault_lease, "sync": True})
            except VaultRefused:
                if not await self._lease_gone(vault_lease):
                    raise
        if accessor is None:
            return
        try:
            if token is not None:
                await self._vault.write("auth/token/revoke", {"token": token.reveal()})
            else:
                await self._vault.write("auth/token/revoke-accessor", {"accessor": accessor})
        except VaultRefused:
            if not await self._token_gone(accessor):
                raise

    async def verify_gone(self, accessor: str | None, vault_leases: Sequence[str]) -> bool:
        """Looks up each lease and the token."""
        proofs = [self._lease_gone(vault_lease) for vault_lease in vault_leases]
        if accessor is not None:
            proofs.append(self._token_gone(accessor))
        return all(await asyncio.gather(*proofs))

    async def _lease_gone(self, vault_lease: str) -> bool:
        try:
            await self._vault.write("sys/leases/lookup", {"lease_id": vault_lease})
        except VaultRefused as refused:
            if "invalid lease" in str(refused.context.get("said")):
                return True
            raise
        return False

    async def _token_gone(self, accessor: str) -> bool:
        try:
            await self._vault.write("auth/token/lookup-accessor", {"accessor": accessor})
        except VaultRefused as refused:
            if "invalid accessor" in str(refused.context.get("said")):
                return True
            # A request cut off inside Vault can leave an accessor without its token, whose look-up is then denied.
            if refused.context.get("status") == _FORBIDDEN and await self._may_look_up():
                return True
            raise
        return False

    async def _may_look_up(self) -> bool:
        """Whether this login may look up accessors at all: tried on its own."""
        own = await self._vault.read("auth/token/lookup-self")
        try:
            await self._vault.write("auth/token/lookup-accessor", {"accessor": own["data"]["accessor"]})
        except VaultRefused:
            return False
        return True
