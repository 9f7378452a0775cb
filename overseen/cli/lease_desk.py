"""What the commands about leases work with: the ledger, and the login of the kill switch."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from overseen.journal import Journal
from overseen.secrets.connect import killswitch_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.kill import KillSwitch, open_kill_switch
from overseen.secrets.vault_client import VaultClient
from overseen.settings import Settings, load_settings
from overseen.store import Database, PostgresBlobStore, load_blob_key


@dataclass(frozen=True, kw_only=True)
class LeaseDesk:
    """The settings, the store and the journal of this installation."""

    settings: Settings
    database: Database
    journal: Journal

    @asynccontextmanager
    async def killswitch(self) -> AsyncGenerator[VaultClient]:
        """Logged in as the kill switch; logged out at the end. Misconfigured when the settings name no login."""
        vault = killswitch_vault(self.settings.vault)
        try:
            yield vault
        finally:
            await vault.close()

    def credentials(self, vault: VaultClient) -> VaultCredentials:
        """The source of credentials as that login reaches it."""
        return VaultCredentials(vault, self.settings.database_resources)

    def kill_switch(self) -> AbstractAsyncContextManager[KillSwitch]:
        """The kill switches on this desk; they stop what they name however Vault is."""
        return open_kill_switch(
            database=self.database,
            journal=self.journal,
            blobs=PostgresBlobStore(self.database, load_blob_key(self.settings.keys_folder)),
            vault=self.settings.vault,
            resources=self.settings.database_resources,
        )


@asynccontextmanager
async def lease_desk() -> AsyncGenerator[LeaseDesk]:
    """Open the desk of this installation; closed at the end of the block."""
    settings = load_settings()
    database = Database(settings.database.sqlalchemy_url)
    try:
        yield LeaseDesk(settings=settings, database=database, journal=Journal(database))
    finally:
        await database.close()
