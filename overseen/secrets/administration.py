"""What in Vault's records tells of somebody changing who may do what: policies, identities, logins, roles, tokens."""

import re
from collections.abc import Collection

from overseen.secrets.anomalies import AnomalyName
from overseen.secrets.audit_log import AuditEntry
from overseen.stack.openbao import BOOT_ROLE
from overseen.stack.vault_layout import (
    EFFECTS_RUN_TOKEN,
    KILL_SWITCH,
    LAYOUT,
    PROVISIONER,
    RUN_TOKEN,
    run_token_policies,
)

_WRITES = frozenset({"create", "update", "patch", "delete"})
_POLICIES = frozenset({*LAYOUT.all_policies, *run_token_policies(RUN_TOKEN), *run_token_policies(EFFECTS_RUN_TOKEN)})
_OURS = _POLICIES - {PROVISIONER}
_SET_UP_BY = frozenset({PROVISIONER, BOOT_ROLE})
"""Only the embedded server has them: `overseen up` brings it to its layout with them. A token that has one of them
beside another policy is somebody else's."""

_ROLE_NAMES = "|".join(re.escape(role.name) for role in LAYOUT.app_roles)
_TOKEN_ROLES = "|".join(
    re.escape(name) for name in (RUN_TOKEN, EFFECTS_RUN_TOKEN, *(f"call-{grant.name}" for grant in LAYOUT.grants))
)
_POLICY = re.compile(r"sys/polic(?:y|ies/acl)/(.+)")
_IDENTITY = re.compile(r"identity/(?:entity|entity-alias|group|group-alias|alias|persona)(?:/|$)")
_AGENT = re.compile(r"identity/entity/name/agent-([^/]+)")
_OTHERS_ENTITY = re.compile(r"identity/(?:entity|group)/name/(?!agent-)")
_DATABASE_ROLES = "|".join(re.escape(grant.name) for grant in LAYOUT.grants)
_ROLE = re.compile(
    rf"auth/[^/]+/role/(?:{_ROLE_NAMES})(?:/|$)|auth/token/roles/(?:{_TOKEN_ROLES})$"
    rf"|[^/]+/roles/(?:{_DATABASE_ROLES})$"
)
_ANY_ROLE = re.compile(r"auth/.+/roles?/|sys/(?:auth|mounts|audit|remount|raw|seal|rotate|rekey|generate-root)(?:/|$)")
_TOKEN = re.compile(r"auth/token/create(?:-orphan|/.*)?$")
_LISTED_TOKEN = re.compile(rf"auth/token/create/(?:{_TOKEN_ROLES})$")
_LOGIN = re.compile(r"auth/([^/]+)/login(?:/|$)")


def is_administrative(entry: AuditEntry) -> bool:
    """Whether the entry may be one that `judge` names."""
    return _name(entry) is not None


def shut_off_agent(entry: AuditEntry) -> str | None:
    """The agent that the kill switch's login shut off or let in again by this entry, and did nothing else; else None.

    Right only where a kill switch of the ledger names that agent.
    """
    agent = _AGENT.fullmatch(entry.path)
    only_that = KILL_SWITCH in entry.policies and set(entry.fields) <= {"disabled"} and entry.operation != "delete"
    return agent[1] if agent and only_that else None


def judge(entry: AuditEntry, *, login_mounts: Collection[str], agents_stopped: Collection[str]) -> AnomalyName | None:
    """What is wrong with an entry about administration; None when it is as it should be.

    `login_mounts`: where our processes log in. `agents_stopped`: agents that some kill switch of the ledger names.
    """
    name = _name(entry, login_mounts)
    if name is AnomalyName.ENTITY_WRITE and shut_off_agent(entry) in agents_stopped:
        return None
    return AnomalyName.DENIED if name is not None and entry.refused else name


def _name(entry: AuditEntry, login_mounts: Collection[str] = ()) -> AnomalyName | None:
    if entry.error is not None and not entry.refused:
        return None
    by_us = bool(_OURS.intersection(entry.policies))
    held = frozenset(entry.policies) - {"default"}
    set_up = bool(held) and held <= _SET_UP_BY
    if entry.refused and not by_us:
        return None  # what others try and may not is theirs to watch
    if login := _LOGIN.match(entry.path):
        stranger = _OURS.intersection(entry.made_policies) and login[1] not in login_mounts
        return AnomalyName.UNLISTED_TOKEN if stranger else None
    if _TOKEN.match(entry.path):
        ours = by_us or bool(_POLICIES.intersection(entry.made_policies))
        listed = _LISTED_TOKEN.match(entry.path) and not entry.refused
        return AnomalyName.UNLISTED_TOKEN if ours and not listed else None
    if entry.operation not in _WRITES or set_up:
        return None
    if policy := _POLICY.match(entry.path):
        return AnomalyName.POLICY_WRITE if by_us or policy[1] in _POLICIES else None
    if _IDENTITY.match(entry.path):
        return None if _OTHERS_ENTITY.match(entry.path) and not by_us else AnomalyName.ENTITY_WRITE
    if _ROLE.match(entry.path) or (by_us and _ANY_ROLE.match(entry.path)):
        return AnomalyName.ROLE_WRITE
    return None
