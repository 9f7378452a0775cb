"""What Overseen needs to find in a Vault that someone else runs: printed as text, and compared with what is there."""

import json
from dataclasses import dataclass
from typing import Any

from overseen.errors import Misconfigured
from overseen.secrets.connect import broker_vault, effects_vault, killswitch_vault
from overseen.secrets.errors import VaultRefused
from overseen.secrets.secret import Secret
from overseen.secrets.vault_client import VaultClient
from overseen.secrets.vault_policies import compare_policies
from overseen.settings import VaultSettings
from overseen.stack.postgres_layout import NO_LARGE_OBJECTS, NO_SCHEMA_CHANGES
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
    GrantKind,
    GrantLayout,
    VaultLayout,
    creation_statements,
    run_token_policies,
)

_NOT_FOUND = 404


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """One thing that is not as it should be. `problem` is missing, too_wide, too_narrow or different."""

    what: str
    problem: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class LoginMethod:
    """How our processes log in: approle, kubernetes or jwt, at which mount."""

    auth: str = "approle"
    mount: str = "approle"

    def path(self, role: str) -> str:
        """Where the role is kept."""
        return f"auth/{self.mount}/role/{role}"

    @property
    def bound_to(self) -> dict[str, str]:
        """What only the site knows: who may log in as a role. Nothing for AppRoles, whose secret says it."""
        if self.auth == "kubernetes":
            return {
                "bound_service_account_names": "<service account of the process>",
                "bound_service_account_namespaces": "<its namespace>",
            }
        if self.auth == "jwt":
            return {
                "role_type": "jwt",
                "user_claim": "sub",
                "bound_audiences": "<audience of the token>",
                "bound_subject": "<subject of the process>",
            }
        return {}


APPROLE = LoginMethod()


def policy_text(layout: VaultLayout, login: LoginMethod = APPROLE) -> str:
    """Policies, token roles and logins of a layout, as an administrator of Vault would type them."""
    parts: list[str] = []
    for name, policy in _policies(layout).items():
        parts.append(f"bao policy write {name} - <<'EOF'\n{policy}EOF\n")
    for path, fields in _roles(layout).items():
        words = " ".join(f"{name}={_word(value)}" for name, value in fields.items())
        parts.append(f"bao write {path} {words}\n")
    for path, fields in _logins(layout, login).items():
        known = [f"{name}={_word(value)}" for name, value in fields.items()]
        words = " ".join([*known, *(f'{name}="{value}"' for name, value in login.bound_to.items())])
        parts.append(f"bao write {path} {words}\n")
    for grant in layout.grants:
        if grant.kind is GrantKind.DATABASE:
            command = f"bao write database/roles/{grant.name} - <<'EOF'"
            parts.append(f"{command}\n{_database_role(layout, grant)}\nEOF\n")
    for agent in layout.agents:
        parts.append(f"bao write identity/entity/name/agent-{agent} metadata=agent={agent} policies=\n")
    sql = f"{NO_LARGE_OBJECTS}\n{NO_SCHEMA_CHANGES.strip()}"
    parts.append(f"# By a superuser, in each database that leases are made on:\npsql <<'EOF'\n{sql}\nEOF\n")
    return "\n".join(parts)


async def check_vault(
    vault: VaultClient, token: Secret, layout: VaultLayout, login: LoginMethod = APPROLE
) -> list[Deviation]:
    """Compare a Vault with the layout, as an administrator whose `token` may read policies and roles.

    Raises VaultRefused when it may not, and VaultUnavailable.
    """
    found: list[Deviation] = []
    for name, wanted in _policies(layout).items():
        there = await _read(vault, f"sys/policies/acl/{name}", token)
        found += _compare_policy(name, wanted, None if there is None else str(there.get("policy", "")))
    for path, fields in _roles(layout).items():
        found += _compare_role(path, fields, await _read(vault, path, token))
    for path, fields in _logins(layout, login).items():
        there = await _read(vault, path, token)
        found += [*_compare_role(path, fields, there), *_compare_bounds(path, login, there)]
    for grant in layout.grants:
        if grant.kind is GrantKind.DATABASE:
            path = f"database/roles/{grant.name}"
            found += _compare_database_role(path, grant, await _read(vault, path, token))
    for agent in layout.agents:
        path = f"identity/entity/name/agent-{agent}"
        found += _compare_entity(path, await _read(vault, path, token))
    return found


async def check_own_token(vault: VaultClient, policy: str) -> list[Deviation]:
    """What a login of ours is and may, as Vault tells it itself: just its own policy, and none of what would make it
    more. A policy that its entity was given counts for every token of it.

    Raises VaultRefused when the login does not work, and VaultUnavailable.
    """
    what = f"login {policy}"
    own = (await vault.read("auth/token/lookup-self"))["data"]
    more = sorted({*(own.get("policies") or ()), *(own.get("identity_policies") or ())} - {policy})
    found: list[Deviation] = []
    if more:
        detail = f"its token has {', '.join(more)} beside its own policy: look at the policies of its entity and groups"
        found.append(Deviation(what=what, problem="too_wide", detail=detail))
    paths = [*_NOBODYS, *(path for path, whose in _ONLY.items() if whose != policy)]
    try:
        answer = await vault.write("sys/capabilities-self", {"paths": paths})
    except VaultRefused:
        detail = "It is not that of `overseen vault policy`: it may not be asked what it may do."
        return [*found, Deviation(what=f"policy {policy}", problem="different", detail=detail)]
    may = [path for path in paths if answer["data"].get(path, ["deny"]) != ["deny"]]
    return [*found, *(Deviation(what=what, problem="too_wide", detail=f"it may use {path}") for path in may)]


async def check_own_logins(settings: VaultSettings) -> list[Deviation]:
    """The same for every login of this installation. Raises VaultUnavailable."""
    found: list[Deviation] = []
    for connect, role in ((broker_vault, BROKER), (effects_vault, EFFECTS), (killswitch_vault, KILL_SWITCH)):
        try:
            vault = connect(settings)
        except Misconfigured as error:
            detail = f"{error.message} {error.next_step}"
            found.append(Deviation(what=f"login {role}", problem="missing", detail=detail))
            continue
        try:
            found += await check_own_token(vault, role)
        except VaultRefused as refused:
            found.append(Deviation(what=f"login {role}", problem="missing", detail=refused.message))
        finally:
            await vault.close()
    return found


_NOBODYS = (
    "identity/entity/id/any",
    "identity/entity/name/any",
    "identity/entity",
    "identity/entity-alias",
    "identity/group",
    "sys/policies/acl/any",
    "sys/auth/any",
    "sys/mounts/any",
    "sys/audit/any",
    "auth/token/create",
    "auth/token/create-orphan",
    "auth/token/create/any",
    "auth/token/roles/any",
    "auth/approle/role/any",
    "database/creds/any",
    "kv/data/any",
)
"""Paths of which none of our logins may use any."""

_ONLY = {
    "auth/token/revoke-accessor": KILL_SWITCH,
    "auth/token/accessors": KILL_SWITCH,
    "auth/token/create/run": BROKER,
    "auth/token/create/run-effects": EFFECTS,
    f"transit/sign/{JOURNAL_KEY}": BROKER,
}
"""Paths that one login may use, and which."""


def _policies(layout: VaultLayout) -> dict[str, str]:
    """Without the provisioner's, which only the embedded server has."""
    return {name: text for name, text in layout.all_policies.items() if name != PROVISIONER}


def _roles(layout: VaultLayout) -> dict[str, dict[str, Any]]:
    roles: dict[str, dict[str, Any]] = {
        f"auth/token/roles/{name}": {
            "allowed_policies": run_token_policies(name),
            "orphan": True,
            "renewable": False,
            "token_no_default_policy": True,
            "token_type": "service",
            "token_explicit_max_ttl": layout.run_seconds,
        }
        for name in (RUN_TOKEN, EFFECTS_RUN_TOKEN)
    }
    roles |= {f"auth/token/roles/call-{grant.name}": _call_role(layout, grant) for grant in layout.grants}
    return roles


def _call_role(layout: VaultLayout, grant: GrantLayout) -> dict[str, Any]:
    return {
        "allowed_policies": [f"grant-{grant.name}"],
        "allowed_entity_aliases": ["agent-*"],
        "orphan": False,
        "renewable": False,
        "token_no_default_policy": True,
        "token_type": "service",
        "token_explicit_max_ttl": layout.call_seconds,
        "token_num_uses": grant.uses,
    }


def _logins(layout: VaultLayout, login: LoginMethod) -> dict[str, dict[str, Any]]:
    return {
        login.path(role.name): {
            "token_policies": [role.policy],
            "token_ttl": role.token_seconds,
            "token_max_ttl": role.renewable_seconds,
            "token_no_default_policy": True,
        }
        for role in layout.app_roles
        if role.name != PROVISIONER
    }


def _database_role(layout: VaultLayout, grant: GrantLayout) -> str:
    fields = {
        "db_name": CONNECTION,
        "default_ttl": layout.lease_seconds,
        "max_ttl": layout.call_seconds,
        "creation_statements": creation_statements(grant),
        "revocation_statements": list(REVOCATION),
    }
    return json.dumps(fields, indent=2)


def _compare_database_role(path: str, grant: GrantLayout, there: dict[str, Any] | None) -> list[Deviation]:
    if there is None:
        return [Deviation(what=path, problem="missing", detail="No such database role.")]
    wanted = {"creation_statements": creation_statements(grant), "revocation_statements": list(REVOCATION)}
    why = {
        "creation_statements": "which make a role that cannot become its group",
        "revocation_statements": "which end a role whatever it owns, and can be repeated after a crash",
    }
    return [
        Deviation(
            what=path, problem="different", detail=f"Its {name} are not those of `overseen vault policy`, {why[name]}."
        )
        for name, statements in wanted.items()
        if [line.strip() for line in there.get(name) or ()] != statements
    ]


def _compare_entity(path: str, there: dict[str, Any] | None) -> list[Deviation]:
    if there is None:
        return [Deviation(what=path, problem="missing", detail="The agent cannot be shut off in Vault.")]
    policies = there.get("policies") or ()
    if not policies:
        return []
    return [Deviation(what=path, problem="too_wide", detail=f"It has the policies {', '.join(policies)}.")]


def _word(value: object) -> str:
    if isinstance(value, list):
        return ",".join(str(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _read(vault: VaultClient, path: str, token: Secret) -> dict[str, Any] | None:
    try:
        return dict((await vault.read(path, token=token))["data"])
    except VaultRefused as refused:
        if refused.context.get("status") == _NOT_FOUND:
            return None
        raise


def _compare_policy(name: str, wanted: str, there: str | None) -> list[Deviation]:
    what = f"policy {name}"
    if there is None:
        return [Deviation(what=what, problem="missing", detail="No such policy.")]
    return [Deviation(what=what, problem=problem, detail=detail) for problem, detail in compare_policies(wanted, there)]


def _compare_role(path: str, wanted: dict[str, Any], there: dict[str, Any] | None) -> list[Deviation]:
    if there is None:
        return [Deviation(what=path, problem="missing", detail="No such role.")]
    return [
        Deviation(what=path, problem="different", detail=f"{name} is {there.get(name)}, should be {value}")
        for name, value in wanted.items()
        if there.get(name) != value
    ]


def _compare_bounds(path: str, login: LoginMethod, there: dict[str, Any] | None) -> list[Deviation]:
    """Whether anyone who has some token may log in as the role."""
    if there is None:
        return []
    if login.auth == "kubernetes":
        names = ("bound_service_account_names", "bound_service_account_namespaces")
        return [
            Deviation(what=path, problem="too_wide", detail=f"{name} is {there.get(name)}: name the process's own")
            for name in names
            if not there.get(name) or "*" in there[name]
        ]
    if login.auth == "jwt" and not (there.get("bound_subject") or there.get("bound_claims")):
        return [Deviation(what=path, problem="too_wide", detail="Anyone with a token of that issuer may log in.")]
    return []
