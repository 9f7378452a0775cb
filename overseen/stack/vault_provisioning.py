"""Applies the layout to the embedded OpenBao: once in full with the boot role, later only when the layout changed."""

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import hvac
import hvac.exceptions

from overseen.blocking import run_blocking
from overseen.errors import Unavailable
from overseen.stack.files import read_json, write_private
from overseen.stack.openbao import BOOT_ROLE, EmbeddedOpenBao
from overseen.stack.vault_layout import (
    BROKER,
    CONNECTION,
    EFFECTS,
    EFFECTS_RUN_TOKEN,
    JOURNAL_KEY,
    KILL_SWITCH,
    PROVISIONER,
    REVOCATION,
    RUN_TOKEN,
    AppRole,
    GrantKind,
    GrantLayout,
    VaultLayout,
    creation_statements,
    run_token_policies,
)

_TIMEOUT_SECONDS = 10
_LOOPBACK = "127.0.0.1/32"


@dataclass(frozen=True, kw_only=True)
class Login:
    """What an AppRole logs in with."""

    role_id: str
    secret_id: str

    def __repr__(self) -> str:
        return f"Login(role_id={self.role_id!r})"


@dataclass(frozen=True, kw_only=True)
class DatabaseTarget:
    """The database that leases are made on, and the role that makes them there."""

    host: str
    port: int
    database: str
    manager: str


async def provision(
    server: EmbeddedOpenBao,
    layout: VaultLayout,
    target: DatabaseTarget,
    set_manager_password: Callable[[str], Awaitable[None]],
) -> dict[str, Login]:
    """Bring a running server to `layout`; returns the logins that processes use by AppRole name.

    Safe to repeat and to interrupt: the boot role is destroyed only after the logins are on disk. Raises Unavailable
    when the server refuses.
    """
    digest = _digest(layout, target)
    marker = server.folder / "provisioned.json"
    booting = server.boot_secret_file.exists()
    if booting or read_json(marker).get("digest") != digest:
        try:
            client = await run_blocking(_login, server.address, _administrator(server))
            applying = _Applying(client, layout, target)
            await run_blocking(applying.everything_but_leases)
            await _connect_database(applying, set_manager_password, fresh=booting)
            await run_blocking(applying.database_roles)
            await run_blocking(_keep_logins, server, client, layout)
            if booting:
                await run_blocking(_destroy_boot_role, server, client)
        except hvac.exceptions.VaultError as error:
            raise Unavailable(
                f"OpenBao refused its set-up: {error}.", next_step=f"Read {server.server_log}."
            ) from error
        write_private(marker, json.dumps({"digest": digest}))
    logins = read_logins(server)
    await run_blocking(_login, server.address, logins[BROKER])
    return {name: logins[name] for name in (BROKER, EFFECTS, KILL_SWITCH)}


def read_logins(server: EmbeddedOpenBao) -> dict[str, Login]:
    """The kept logins by AppRole name; empty before the first provisioning."""
    return {name: Login(**kept) for name, kept in read_json(server.folder / "credentials.json").items()}


def _digest(layout: VaultLayout, target: DatabaseTarget) -> str:
    statements = [[creation_statements(grant) for grant in layout.grants], REVOCATION]
    material = json.dumps([asdict(layout), asdict(target), statements], sort_keys=True, default=str)
    return hashlib.sha256(material.encode()).hexdigest()


def _administrator(server: EmbeddedOpenBao) -> Login:
    if server.boot_secret_file.exists():
        secret = server.boot_secret_file.read_text(encoding="utf-8").strip()
        return Login(role_id=BOOT_ROLE, secret_id=secret)
    return read_logins(server)[PROVISIONER]


def _login(address: str, login: Login) -> hvac.Client:
    client = hvac.Client(address, timeout=_TIMEOUT_SECONDS)
    try:
        client.auth.approle.login(login.role_id, login.secret_id)
    except hvac.exceptions.VaultError as error:
        raise Unavailable(f"OpenBao at {address} refuses the login of its own stack: {error}.") from error
    return client


async def _connect_database(
    applying: "_Applying", set_manager_password: Callable[[str], Awaitable[None]], *, fresh: bool
) -> None:
    """Tell OpenBao where the database is. The manager's password is known to nobody but OpenBao afterwards."""
    if not fresh:
        try:
            await run_blocking(applying.database_connection, None)
        except hvac.exceptions.VaultError:
            fresh = True  # the database was made anew, so OpenBao's password is of no use there
    if fresh:
        password = secrets.token_urlsafe(24)
        await set_manager_password(password)
        await run_blocking(applying.database_connection, password)
        await run_blocking(applying.rotate_manager_password)


def _keep_logins(server: EmbeddedOpenBao, client: hvac.Client, layout: VaultLayout) -> None:
    logins = read_logins(server)
    for role in layout.app_roles:
        if role.name not in logins:
            role_id = client.auth.approle.read_role_id(role.name)["data"]["role_id"]
            secret_id = client.auth.approle.generate_secret_id(role.name)["data"]["secret_id"]
            logins[role.name] = Login(role_id=role_id, secret_id=secret_id)
    write_private(
        server.folder / "credentials.json",
        json.dumps({name: {"role_id": kept.role_id, "secret_id": kept.secret_id} for name, kept in logins.items()}),
    )


def _destroy_boot_role(server: EmbeddedOpenBao, client: hvac.Client) -> None:
    client.auth.approle.delete_role(BOOT_ROLE)
    client.sys.delete_policy(BOOT_ROLE)
    client.auth.token.revoke_self()
    server.boot_secret_file.unlink()


class _Applying:
    """One pass over a layout; every step can be repeated."""

    def __init__(self, client: hvac.Client, layout: VaultLayout, target: DatabaseTarget) -> None:
        self._client = client
        self._layout = layout
        self._target = target

    def everything_but_leases(self) -> None:
        """Mounts, policies, AppRoles, token roles, identities, keys."""
        self._mounts()
        for name, policy in self._layout.all_policies.items():
            self._write(f"sys/policies/acl/{name}", policy=policy)
        for role in self._layout.app_roles:
            self._app_role(role)
        self._token_roles()
        self._identities()
        self._journal_key()
        self._certificates()

    def database_connection(self, password: str | None) -> None:
        """Write the connection; without `password` the one OpenBao knows stays."""
        target = self._target
        url = f"postgresql://{{{{username}}}}:{{{{password}}}}@{target.host}:{target.port}/{target.database}"
        self._write(
            f"database/config/{CONNECTION}",
            plugin_name="postgresql-database-plugin",
            allowed_roles=[grant.name for grant in self._database_grants()],
            connection_url=f"{url}?sslmode=disable",
            username=target.manager,
            password_authentication="scram-sha-256",  # noqa: S106 - a method, not a password
            max_open_connections=8,
            max_idle_connections=8,
            username_template="t-{{ .DisplayName | truncate 40 }}-{{ random 6 | lowercase }}",
            **({} if password is None else {"password": password}),
        )

    def rotate_manager_password(self) -> None:
        """From here only OpenBao knows the manager's password."""
        self._client.write_data(f"database/rotate-root/{CONNECTION}", data={})

    def database_roles(self) -> None:
        """One role per database grant."""
        for grant in self._database_grants():
            self._write(
                f"database/roles/{grant.name}",
                db_name=CONNECTION,
                default_ttl=self._layout.lease_seconds,
                max_ttl=self._layout.call_seconds,
                creation_statements=creation_statements(grant),
                revocation_statements=list(REVOCATION),
            )

    def _read(self, path: str) -> dict[str, Any]:
        """The data at `path`; empty when there is nothing."""
        return _data(self._client.read(path))

    def _write(self, path: str, **data: object) -> dict[str, Any]:
        answer = self._client.write_data(path, data=data)
        return answer if isinstance(answer, dict) else {}

    def _database_grants(self) -> list[GrantLayout]:
        return [grant for grant in self._layout.grants if grant.kind is GrantKind.DATABASE]

    def _mounts(self) -> None:
        present = self._client.sys.list_mounted_secrets_engines()["data"]
        for path, kind in self._layout.mounts.items():
            if f"{path}/" not in present:
                options = {"version": "2"} if kind == "kv" else None
                self._client.sys.enable_secrets_engine(kind, path=path, options=options)
        # The name of a leased role is no secret, and it joins the audit file with our own ledger.
        self._write("sys/mounts/database/tune", audit_non_hmac_response_keys=["username"])
        self._write("sys/mounts/pki/tune", max_lease_ttl="87600h")

    def _app_role(self, role: AppRole) -> None:
        self._write(
            f"auth/approle/role/{role.name}",
            token_policies=role.policy,
            token_ttl=role.token_seconds,
            token_max_ttl=role.renewable_seconds,
            token_no_default_policy=True,
            token_bound_cidrs=_LOOPBACK,
            secret_id_bound_cidrs=_LOOPBACK,
            secret_id_num_uses=0,
            secret_id_ttl=0,
        )

    def _token_roles(self) -> None:
        common = {"renewable": False, "token_no_default_policy": True, "token_type": "service"}
        for name in (RUN_TOKEN, EFFECTS_RUN_TOKEN):
            self._write(
                f"auth/token/roles/{name}",
                allowed_policies=",".join(run_token_policies(name)),
                orphan=True,
                token_explicit_max_ttl=self._layout.run_seconds,
                **common,
            )
        for grant in self._layout.grants:
            self._write(
                f"auth/token/roles/call-{grant.name}",
                allowed_policies=f"grant-{grant.name}",
                allowed_entity_aliases="agent-*",
                token_explicit_max_ttl=self._layout.call_seconds,
                token_num_uses=grant.uses,
                **common,
            )

    def _identities(self) -> None:
        accessor = self._client.sys.list_auth_methods()["data"]["token/"]["accessor"]
        for agent in self._layout.agents:
            name = f"agent-{agent}"
            # An update leaves `disabled` as it is: an agent that was shut off stays so. None has a policy of its own.
            self._write(f"identity/entity/name/{name}", metadata={"agent": agent}, policies=[])
            entity = self._read(f"identity/entity/name/{name}")["id"]
            self._write("identity/entity-alias", name=name, canonical_id=entity, mount_accessor=accessor)
        self._write("identity/oidc/config", issuer=self._client.url)
        self._write(
            "identity/oidc/key/call",
            algorithm="EdDSA",
            rotation_period="24h",
            verification_ttl="1h",
            allowed_client_ids="*",
        )
        self._write(
            "identity/oidc/role/call",
            key="call",
            ttl=self._layout.lease_seconds,
            template='{"agent": {{identity.entity.metadata.agent}}, "nbf": {{time.now}}}',
        )

    def _journal_key(self) -> None:
        if not self._read(f"transit/keys/{JOURNAL_KEY}"):
            self._write(f"transit/keys/{JOURNAL_KEY}", type="ed25519")

    def _certificates(self) -> None:
        if not _data(self._client.list("pki/issuers")).get("keys"):
            self._write(
                "pki/root/generate/internal", common_name="overseen calls", key_type="ec", key_bits=256, ttl="87600h"
            )
        self._write(
            "pki/roles/call",
            allow_any_name=True,
            enforce_hostnames=False,
            key_type="ec",
            key_bits=256,
            ttl=self._layout.call_seconds,
            max_ttl=self._layout.call_seconds,
            client_flag=True,
            server_flag=False,
            no_store=True,
            allowed_uri_sans="spiffe://overseen/*",
        )


def _data(answer: object) -> dict[str, Any]:
    data = answer.get("data") if isinstance(answer, dict) else None
    return data if isinstance(data, dict) else {}
