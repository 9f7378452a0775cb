"""Clients from the settings: the broker's login, that of effects and the kill switch's."""

from pathlib import Path

from pydantic import SecretStr

from overseen.errors import Misconfigured
from overseen.secrets.secret import Secret
from overseen.secrets.vault_client import AppRoleLogin, TokenFileLogin, VaultClient, VaultLogin
from overseen.settings import VaultSettings

BROKER_ROLE = "overseen-broker"
EFFECTS_ROLE = "overseen-effects"
KILLSWITCH_ROLE = "overseen-killswitch"

_POD_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""Where Kubernetes keeps the token of a pod's service account, renewed by it."""


def broker_vault(settings: VaultSettings) -> VaultClient:
    """As `overseen-broker`. Misconfigured when the settings do not say how."""
    return _client(settings, BROKER_ROLE, "the broker", (settings.role_id, settings.secret_id), "OVERSEEN_VAULT")


def effects_vault(settings: VaultSettings) -> VaultClient:
    """As `overseen-effects`, the only way to credentials that act. Misconfigured when not named."""
    ids = (settings.effects_role_id, settings.effects_secret_id)
    return _client(settings, EFFECTS_ROLE, "effects", ids, "OVERSEEN_VAULT_EFFECTS")


def killswitch_vault(settings: VaultSettings) -> VaultClient:
    """As `overseen-killswitch`, which can end everything and make nothing. Misconfigured when not named."""
    ids = (settings.killswitch_role_id, settings.killswitch_secret_id)
    return _client(settings, KILLSWITCH_ROLE, "the kill switch", ids, "OVERSEEN_VAULT_KILLSWITCH")


def _client(
    settings: VaultSettings, role: str, whose: str, ids: tuple[str | None, SecretStr | None], prefix: str
) -> VaultClient:
    if settings.addr is None:
        raise _missing("No address", "VAULT_ADDR")
    if settings.auth == "approle":
        role_id, secret_id = ids
        if role_id is None or secret_id is None:
            raise _missing(f"No login of {whose}", f"{prefix}_ROLE_ID and {prefix}_SECRET_ID")
        mount = settings.auth_mount or "approle"
        login: VaultLogin = AppRoleLogin(role_id=role_id, secret_id=Secret(secret_id.get_secret_value()), mount=mount)
    else:
        login = _token_file(settings, role)
    return VaultClient(settings.addr, login, timeout_seconds=settings.timeout_seconds, ca_file=settings.ca_file)


def _token_file(settings: VaultSettings, role: str) -> TokenFileLogin:
    file = settings.jwt_file or (_POD_TOKEN if settings.auth == "kubernetes" else None)
    if file is None:
        raise _missing("No file with a signed token", "OVERSEEN_VAULT_JWT_FILE")
    return TokenFileLogin(role=role, token_file=file, mount=settings.auth_mount or settings.auth)


def _missing(what: str, setting: str) -> Misconfigured:
    return Misconfigured(
        f"{what} for Vault is named.",
        not_done="Vault was not asked.",
        next_step=f"Run `overseen up`, or set {setting}.",
    )
