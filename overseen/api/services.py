"""What pages, the JSON API and the command line work with, made once per process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from overseen.api.accounts import Accounts
from overseen.api.reading import EvidenceReader, LeaseReader, RunReader, SecurityReader, TaskReader
from overseen.api.reading.progress import ProgressReader
from overseen.api.security_desk import SecurityDesk, VaultAccess
from overseen.blocking import run_blocking
from overseen.engine.edit_rules import PlaybookEditRules
from overseen.engine.intake import IntakeQueue, TaskIntake
from overseen.engine.queue import PostgresCommandQueue
from overseen.journal import Journal
from overseen.reviews import ReviewDesk, ReviewQueue
from overseen.settings import Settings, VaultSettings
from overseen.store import BlobStore, Database, PostgresBlobStore, load_blob_key


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything a request handler may use."""

    database: Database
    blobs: BlobStore
    journal: Journal
    accounts: Accounts
    tasks: TaskReader
    runs: RunReader
    progress: ProgressReader
    evidence: EvidenceReader
    leases: LeaseReader
    security: SecurityReader
    security_desk: SecurityDesk
    review_queue: ReviewQueue
    reviews: ReviewDesk
    intake: TaskIntake


def make_services(
    *,
    database: Database,
    blobs: BlobStore,
    journal: Journal,
    queue: IntakeQueue,
    access: VaultAccess | None = None,
) -> Services:
    """Wire the readers and desks around the given store and queue; `access` is what may be known of Vault."""
    access = access or VaultAccess(vault=VaultSettings(), resources={})
    leases = LeaseReader(database, access.vault)
    security = SecurityReader(database, blobs, leases)
    runs = RunReader(database, blobs, journal)
    return Services(
        database=database,
        blobs=blobs,
        journal=journal,
        accounts=Accounts(database, journal),
        tasks=TaskReader(database, blobs, runs),
        runs=runs,
        progress=ProgressReader(database),
        evidence=EvidenceReader(database, blobs),
        leases=leases,
        security=security,
        security_desk=SecurityDesk(database=database, journal=journal, blobs=blobs, reader=security, access=access),
        review_queue=ReviewQueue(database, blobs),
        reviews=ReviewDesk(database, blobs, journal, queue, PlaybookEditRules()),
        intake=TaskIntake(database, blobs, journal, queue),
    )


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services]:
    """Services on the database that `settings` names, closed at the end. Raises Misconfigured when none is named."""
    database = Database(settings.database.sqlalchemy_url, pool_size=settings.database.pool_size)
    queue = PostgresCommandQueue(settings.database)
    try:
        blobs = PostgresBlobStore(database, load_blob_key(settings.keys_folder))
        access = VaultAccess(vault=settings.vault, resources=settings.database_resources)
        yield make_services(database=database, blobs=blobs, journal=Journal(database), queue=queue, access=access)
    finally:
        await run_blocking(queue.close)
        await database.close()
