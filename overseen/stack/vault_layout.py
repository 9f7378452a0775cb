"""What Overseen needs to find in OpenBao or Vault, as data: `provision` applies it, a command can print it.

Names join three worlds: a tool's grant `insurer_read` is the database role and the token role suffix `insurer-read`
here, and the group role `insurer_read` in PostgreSQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

BROKER = "overseen-broker"
EFFECTS = "overseen-effects"
KILL_SWITCH = "overseen-killswitch"
PROVISIONER = "overseen-provisioner"
JOURNAL_KEY = "journal-head"
AUDIT_DEVICE = "overseen"
CONNECTION = "insurer"

RUN_TOKEN, EFFECTS_RUN_TOKEN = "run", "run-effects"
"""Token roles and policies of a run's tokens: for calls that read, and for calls with an authorization."""

SITE = "-site"
"""A run's token also has the policy `run-site` (or `run-effects-site`), which the site writes for tools of its own."""

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
    acts: whether a call may write or do what cannot be undone with it, so that it needs an authorization.
    """

    name: str
    kind: GrantKind
    policy: str
    uses: int = 1
    group: str | None = None
    read_only: bool = False
    acts: bool = False


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
        calls = {f"grant-{grant.name}": grant.policy for grant in self.grants}
        return {**self.policies, **self._run_policies, KILL_SWITCH: self._kill_switch_policy, **calls}

    @property
    def _run_policies(self) -> dict[str, str]:
        """What a run's tokens can do: have children, each for one call and one grant; one of them only calls that read.

        Each role by its name: whatever else Vault's administrator names `call-...` is not ours to mint.
        """
        may = {
            RUN_TOKEN: [grant for grant in self.grants if not grant.acts],
            EFFECTS_RUN_TOKEN: list(self.grants),
        }
        return {
            name: "".join(mint_rule(f"call-{grant.name}", ', entity_alias = ["agent-*"]') for grant in grants)
            for name, grants in may.items()
        }

    @property
    def _kill_switch_policy(self) -> str:
        """Ends everything and makes nothing. Of an entity it may write one field, and only of the agents' entities.

        Each agent by its name: with a wildcard, writing to a name that is not there would make an entity.
        """
        entities = [f"identity/entity/name/agent-{agent}" for agent in self.agents]
        return _KILL_SWITCH_BASE + "".join(
            rule(entity, '["read", "update"]', "allowed_parameters = { disabled = [] } ") for entity in entities
        )


def rule(path: str, capabilities: str, more: str = "") -> str:
    """One paragraph of a policy."""
    return f'path "{path}" {{ capabilities = {capabilities} {more}}}\n'


def run_token_policies(name: str) -> list[str]:
    """Policies of the tokens that the token role `run` or `run-effects` makes."""
    # A call with an authorization may read as well.
    return sorted({name, f"{name}{SITE}", f"{RUN_TOKEN}{SITE}"})


def mint_rule(role: str, more: str = "") -> str:
    """Making tokens through one token role, with no say in anything the role decides.

    `id` would choose the token, `type`, `period`, `explicit_max_ttl` and `num_uses` would outlast it.
    """
    allowed = f"allowed_parameters = {{ ttl = [], display_name = [], meta = []{more} }} "
    return rule(f"auth/token/create/{role}", _MINT, allowed)


def database_grant(name: str, *, group: str, read_only: bool = False, acts: bool = False) -> GrantLayout:
    """A leased role on the database, member of `group`."""
    return GrantLayout(
        name=name,
        kind=GrantKind.DATABASE,
        policy=rule(f"database/creds/{name}", '["read"]'),
        uses=2,
        group=group,
        read_only=read_only,
        acts=acts,
    )


def kv_grant(tool: str) -> GrantLayout:
    """The one secret kept for `tool` at kv/tools/<tool>; its token role is `call-kv-<tool>`."""
    return GrantLayout(name=f"kv-{tool}", kind=GrantKind.KV, policy=rule(f"kv/data/tools/{tool}", '["read"]'))


# A role cannot be dropped while it owns anything or has default privileges, and then its lease never ends. The manager
# takes on the role only now, so that it has the rights of no living credential.
_TAKE_ALL_AWAY = (
    "EXECUTE format('GRANT %1$I TO CURRENT_USER WITH INHERIT TRUE, SET TRUE', {role}); "
    "EXECUTE format('DROP OWNED BY %1$I CASCADE', {role}); "
    "EXECUTE format('DROP ROLE %1$I', {role}); "
)

REVOCATION = (
    # Every statement can be repeated: a server that was killed in the midst of it tries again, and must not fail for
    # a role that is gone already, or its lease would never end.
    "DO $$ BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{{name}}') "
    'THEN ALTER ROLE "{{name}}" NOLOGIN; END IF; END $$;',
    # Waits until each is gone: one that still runs could make or hold something meanwhile.
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{{name}}';",
    "DO $$ BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{{name}}') "
    "THEN " + _TAKE_ALL_AWAY.format(role="'{{name}}'") + "END IF; END $$;",
)
"""How a leased database role ends."""


_HOUSEKEEPING = (
    # A server that is killed between making a role and writing its lease down leaves a role that nobody has the
    # password of. It cannot log in any more once it ran out; the next lease takes it away.
    "DO $$ DECLARE old record; BEGIN FOR old IN SELECT rolname FROM pg_catalog.pg_roles "  # noqa: S608 - of constants
    "WHERE rolname LIKE 't-token-call-%' AND rolvaliduntil < now() - interval '1 minute' "
    "LOOP BEGIN " + _TAKE_ALL_AWAY.format(role="old.rolname") + "EXCEPTION WHEN OTHERS THEN NULL; END; "
    "END LOOP; END $$;"
)


def creation_statements(grant: GrantLayout) -> list[str]:
    """How the leased role of a database grant is made."""
    statements = [
        _HOUSEKEEPING,
        "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' CONNECTION LIMIT 2;",
        # It has the group's rights but cannot become the group: what that owned would outlive every lease.
        f'GRANT {grant.group} TO "{{{{name}}}}" WITH INHERIT TRUE, SET FALSE;',
        "ALTER ROLE \"{{name}}\" SET statement_timeout = '10s';",
    ]
    if grant.read_only:
        statements.append('ALTER ROLE "{{name}}" SET default_transaction_read_only = on;')
    return statements


_OWN_TOKEN = (
    rule("auth/token/lookup-self", '["read"]')
    + rule("auth/token/renew-self", '["update"]')
    + rule("auth/token/revoke-self", '["update"]')
    # Each login can be asked what it may do, without an administrator.
    + rule("sys/capabilities-self", '["update"]')
)

# Leases of the database engine only: those of logins, of other engines and of other houses are not ours to end.
_DATABASE_LEASES = 'allowed_parameters = {{ lease_id = ["database/creds/*"]{more} }} '
_LOOK_UP_LEASE = rule("sys/leases/lookup", _MINT, _DATABASE_LEASES.format(more=""))
_REVOKE_LEASE = rule("sys/leases/revoke", _MINT, _DATABASE_LEASES.format(more=", sync = []"))

_BROKER_POLICY = (
    _OWN_TOKEN
    + mint_rule(RUN_TOKEN)
    + rule("auth/token/lookup-accessor", _MINT)
    # By the token itself, which only who made it knows: an accessor, which stands in logs, is not enough.
    + rule("auth/token/revoke", _MINT, "allowed_parameters = { token = [] } ")
    + _LOOK_UP_LEASE
    + _REVOKE_LEASE
    + rule(f"transit/sign/{JOURNAL_KEY}", _MINT)
    + rule(f"transit/verify/{JOURNAL_KEY}", _MINT)
    + rule(f"transit/keys/{JOURNAL_KEY}", '["read"]')
    # The journal's witness: it may be overwritten by this login, but every version is in Vault's own audit log.
    + rule("kv/data/overseen/witness/*", '["create", "read", "update"]')
)

# The only way to a credential that acts: not with the broker's login, nor with the token of a run that reads.
_EFFECTS_POLICY = _OWN_TOKEN + mint_rule(EFFECTS_RUN_TOKEN)

_KILL_SWITCH_BASE = (
    _OWN_TOKEN
    + rule("sys/leases/revoke-prefix/database/creds/*", '["update", "sudo"]')
    + rule("sys/leases/lookup/database/creds", _LIST)
    + rule("sys/leases/lookup/database/creds/*", _LIST)
    + _LOOK_UP_LEASE
    + _REVOKE_LEASE
    + rule("auth/token/accessors", _LIST)
    + rule("auth/token/accessors/", _LIST)
    + rule("auth/token/revoke-accessor", _MINT)
    + rule("auth/token/lookup-accessor", _MINT)
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
        BROKER: _BROKER_POLICY,
        EFFECTS: _EFFECTS_POLICY,
        PROVISIONER: _PROVISIONER_POLICY,
    },
    app_roles=(
        AppRole(name=BROKER, policy=BROKER, token_seconds=3600, renewable_seconds=86_400),
        AppRole(name=EFFECTS, policy=EFFECTS, token_seconds=300, renewable_seconds=300),
        AppRole(name=KILL_SWITCH, policy=KILL_SWITCH, token_seconds=300, renewable_seconds=300),
        AppRole(name=PROVISIONER, policy=PROVISIONER, token_seconds=300, renewable_seconds=300),
    ),
    grants=(
        # A call without grants has a token all the same, so that every call can be found and ended in OpenBao.
        GrantLayout(name="none", kind=GrantKind.NOTHING, policy="# Nothing.\n"),
        database_grant("insurer-read", group="insurer_read", read_only=True),
        database_grant("insurer-claims-write", group="insurer_claims_write", acts=True),
        database_grant("insurer-pay", group="insurer_pay", acts=True),
        kv_grant("write-to-claimant"),
        GrantLayout(name="identity", kind=GrantKind.IDENTITY, policy=rule("identity/oidc/token/call", '["read"]')),
        GrantLayout(name="certificate", kind=GrantKind.CERTIFICATE, policy=rule("pki/issue/call", '["update"]')),
    ),
    agents=("supervisor", "extractor", "vision_checker", "policy_lookup"),
)
