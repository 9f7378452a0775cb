"""Clients from the settings: the broker's login and the kill switch's."""

from overseen.errors import Misconfigured
from overseen.secrets.secret import Secret
from overseen.secrets.vault_client import AppRoleLogin, VaultClient
from overseen.settings import VaultSettings


def _missing(what: str, setting: str) -> Misconfigured:
    return Misconfigured(
        f"No {what} for Vault is named.",
        not_done="Vault was not asked.",
        next_step=f"Run `overseen up`, or set {setting}.",
    )


def _address(settings: VaultSettings) -> str:
    if settings.addr is None:
        raise _missing("address", "VAULT_ADDR")
    return settings.addr


def broker_vault(settings: VaultSettings) -> VaultClient:
    """As AppRole `overseen-broker`. Misconfigured when the settings do not name it."""
    if settings.role_id is None or settings.secret_id is None:
        raise _missing("login of the broker", "OVERSEEN_VAULT_ROLE_ID and OVERSEEN_VAULT_SECRET_ID")
    login = AppRoleLogin(role_id=settings.role_id, secret_id=Secret(settings.secret_id.get_secret_value()))
    return VaultClient(_address(settings), login, timeout_seconds=settings.timeout_seconds)


def killswitch_vault(settings: VaultSettings) -> VaultClient:
    """As AppRole `overseen-killswitch`, which can end everything and make nothing. Misconfigured when not named."""
    if settings.killswitch_role_id is None or settings.killswitch_secret_id is None:
        raise _missing(
            "login of the kill switch",
            "OVERSEEN_VAULT_KILLSWITCH_ROLE_ID and OVERSEEN_VAULT_KILLSWITCH_SECRET_ID",
        )
    login = AppRoleLogin(
        role_id=settings.killswitch_role_id, secret_id=Secret(settings.killswitch_secret_id.get_secret_value())
    )
    return VaultClient(_address(settings), login, timeout_seconds=settings.timeout_seconds)
