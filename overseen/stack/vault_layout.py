"""What Overseen needs to find in OpenBao or Vault, as data: `provision` applies it, a command can print it.

Names join three worlds: a tool's grant `insurer_read` is the database role and the token role suffix `insurer-read`
here, and the group role `insurer_read` in PostgreSQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

BROKER = "overseen-broker"
KILL_SWITCH = "overseen-killswitch"
PROVISIONER = "overseen-provisioner"
JOURNAL_KEY = "journal-head"
AUDIT_DEVICE = "overseen"
CONNECTION = "insurer"

_MINT = '["create", "update"]'
_LIST = '["list", "sudo"]'


class GrantKind(StrEnum):
    """What a grant yields."""

    NOTHING = "none"
    DATABASE = "database"
    KV = "kv"
    IDENTITY = "identity"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, kw_only=True)
class GrantLayout:
    """One thing a call may be given: policy `grant-<name>` and token role `call-<name>`.

    name: with hyphens, as it stands in OpenBao.
    policy: what the call's token may do.
    uses: how often the token may be used. A leased secret needs 2: the second read is refused and kills the lease.
    group: for databases, the group role that the leased role becomes a member of.
    read_only: for databases, whether its transactions start read only.
    """

    name: str
    kind: GrantKind
    policy: str
    uses: int = 1
    group: str | None = None
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class AppRole:
    """A login of one of our own processes; its token lives `token_seconds`, renewed up to `renewable_seconds`."""

    name: str
    policy: str
    token_seconds: int
    renewable_seconds: int


@dataclass(frozen=True, kw_only=True)
class VaultLayout:
    """The whole of it. `agents` get one identity entity `agent-<name>` each, so that one agent can be shut off."""

    policies: Mapping[str, str]
    app_roles: tuple[AppRole, ...]
    grants: tuple[GrantLayout, ...]
    agents: tuple[str, ...]
    run_seconds: int = 7200
    call_seconds: int = 240
    lease_seconds: int = 60
    mounts: Mapping[str, str] = field(
        default_factory=lambda: {"kv": "kv", "database": "database", "transit": "transit", "pki": "pki"}
    )

    @property
    def all_policies(self) -> dict[str, str]:
        """Every policy by name, those of grants included."""
        return {**self.policies, **{f"grant-{grant.name}": grant.policy for grant in self.grants}}


def rule(path: str, capabilities: str, more: str = "") -> str:
    """One paragraph of a policy."""
    return f'path "{path}" {{ capabilities = {capabilities} {more}}}\n'


def database_grant(name: str, *, group: str, read_only: bool = False) -> GrantLayout:
    """A leased role on the database, member of `group`."""
    return GrantLayout(
        name=name,
        kind=GrantKind.DATABASE,
        policy=rule(f"database/creds/{name}", '["read"]'),
        uses=2,
        group=group,
        read_only=read_only,
    )


def kv_grant(tool: str) -> GrantLayout:
    """The one secret kept for `tool` at kv/tools/<tool>; its token role is `call-kv-<tool>`."""
    return GrantLayout(name=f"kv-{tool}", kind=GrantKind.KV, policy=rule(f"kv/data/tools/{tool}", '["read"]'))


REVOCATION = (
    # Every statement can be repeated: a server that was killed in the midst of it tries again, and must not fail for
    # a role that is gone already, or its lease would never end.
    "DO $$ BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{{name}}') "
    'THEN ALTER ROLE "{{name}}" NOLOGIN; END IF; END $$;',
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}';",
    'DROP ROLE IF EXISTS "{{name}}";',
)
"""How a leased database role ends."""


_HOUSEKEEPING = (
    # A server that is killed between making a role and writing its lease down leaves a role that nobody has the
    # password of. It cannot log in any more once it ran out; the next lease takes it away.
    "DO $$ DECLARE old record; BEGIN FOR old IN SELECT rolname FROM pg_catalog.pg_roles "
    "WHERE rolname LIKE 't-token-call-%' AND rolvaliduntil < now() - interval '1 minute' "
    "LOOP BEGIN EXECUTE format('DROP ROLE IF EXISTS %I', old.rolname); EXCEPTION WHEN OTHERS THEN NULL; END; "
    "END LOOP; END $$;"
)


def creation_statements(grant: GrantLayout) -> list[str]:
    """How the leased role of a database grant is made."""
    statements = [
        _HOUSEKEEPING,
        "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' "
        f"CONNECTION LIMIT 2 IN ROLE {grant.group};",
        "ALTER ROLE \"{{name}}\" SET statement_timeout = '10s';",
    ]
    if grant.read_only:
        statements.append('ALTER ROLE "{{name}}" SET default_transaction_read_only = on;')
    return statements


_OWN_TOKEN = (
    rule("auth/token/lookup-self", '["read"]')
    + rule("auth/token/renew-self", '["update"]')
    + rule("auth/token/revoke-self", '["update"]')
)

_BROKER_POLICY = (
    _OWN_TOKEN
    + rule("auth/token/create/run", _MINT, "denied_parameters = { id = [] } ")
    + rule("auth/token/lookup-accessor", _MINT)
    + rule("auth/token/revoke-accessor", _MINT)
    + rule("sys/leases/lookup", _MINT)
    + rule("sys/leases/revoke", _MINT)
    + rule("sys/wrapping/lookup", _MINT)
    + rule(f"sys/audit-hash/{AUDIT_DEVICE}", _MINT)
    + rule(f"transit/sign/{JOURNAL_KEY}", _MINT)
    + rule(f"transit/verify/{JOURNAL_KEY}", _MINT)
    + rule(f"transit/keys/{JOURNAL_KEY}", '["read"]')
    # The journal's witness: it may be overwritten by this login, but every version is in Vault's own audit log.
    + rule("kv/data/overseen/witness/*", '["create", "read", "update"]')
)

# A run's token can do one thing: have children, each for one call and one grant.
_RUN_POLICY = rule("auth/token/create/call-*", _MINT, "denied_parameters = { id = [] } ")

_KILL_SWITCH_POLICY = (
    _OWN_TOKEN
    + rule("sys/leases/revoke-prefix/database/creds/*", '["update", "sudo"]')
    + rule("sys/leases/revoke-prefix/auth/token/create*", '["update", "sudo"]')
    + rule("sys/leases/lookup/*", _LIST)
    + rule("sys/leases/lookup", _MINT)
    + rule("sys/leases/revoke", _MINT)
    + rule("auth/token/accessors", _LIST)
    + rule("auth/token/accessors/", _LIST)
    + rule("auth/token/revoke-accessor", _MINT)
    + rule("auth/token/lookup-accessor", _MINT)
    + rule("identity/entity/name/*", '["read", "update"]')
    + rule("identity/entity/id/*", '["read", "update"]')
)

_ADMINISTER = '["create", "read", "update", "delete", "list", "sudo"]'
# Enough to apply a changed layout after an upgrade: no secret can be read and no lease be had with it, though
# whoever may write policies can give themselves more. Its credentials never leave OpenBao's own data folder.
_PROVISIONER_POLICY = _OWN_TOKEN + "".join(
    rule(path, _ADMINISTER)
    for path in (
        "sys/policies/acl/*",
        "sys/mounts",
        "sys/mounts/*",
        "sys/auth",
        "sys/auth/*",
        "auth/approle/role/*",
        "auth/token/roles/*",
        "identity/entity",
        "identity/entity/name/*",
        "identity/entity-alias",
        "identity/oidc/config",
        "identity/oidc/key/*",
        "identity/oidc/role/*",
        "database/config/*",
        "database/roles/*",
        "database/rotate-root/*",
        f"transit/keys/{JOURNAL_KEY}",
        "pki/roles/*",
        "pki/root/generate/internal",
        "pki/issuers",
        "pki/issuers/",
    )
)

LAYOUT = VaultLayout(
    policies={
        "overseen-broker": _BROKER_POLICY,
        "run": _RUN_POLICY,
        "overseen-killswitch": _KILL_SWITCH_POLICY,
        "overseen-provisioner": _PROVISIONER_POLICY,
    },
    app_roles=(
        AppRole(name=BROKER, policy="overseen-broker", token_seconds=3600, renewable_seconds=86_400),
        AppRole(name=KILL_SWITCH, policy="overseen-killswitch", token_seconds=300, renewable_seconds=300),
        AppRole(name=PROVISIONER, policy="overseen-provisioner", token_seconds=300, renewable_seconds=300),
    ),
    grants=(
        # A call without grants has a token all the same, so that every call can be found and ended in OpenBao.
        GrantLayout(name="none", kind=GrantKind.NOTHING, policy="# Nothing.\n"),
        database_grant("insurer-read", group="insurer_read", read_only=True),
        database_grant("insurer-claims-write", group="insurer_claims_write"),
        database_grant("insurer-pay", group="insurer_pay"),
        kv_grant("write-to-claimant"),
        GrantLayout(name="identity", kind=GrantKind.IDENTITY, policy=rule("identity/oidc/token/call", '["read"]')),
        GrantLayout(name="certificate", kind=GrantKind.CERTIFICATE, policy=rule("pki/issue/call", '["update"]')),
    ),
    agents=("supervisor", "extractor", "vision_checker", "policy_lookup"),
)
