"""Names of the files that were handed in: content like what is in them, so they are kept encrypted."""

import json
import secrets
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.store.blobs import BlobStore
from overseen.store.database import Database
from overseen.store.tables import Attachment

ERASED = "(erased)"
_SALT_BYTES = 16
_BATCH = 500


async def put_file_name(blobs: BlobStore, name: str, *, session: AsyncSession) -> str:
    """Store a name; returns its address.

    It is stored with random bytes beside it: names are few and guessable, and an address that is the digest of the name
    alone would tell whoever guesses it.
    """
    content = {"name": name, "salt": secrets.token_hex(_SALT_BYTES)}
    return await blobs.put(json.dumps(content).encode(), "application/json", session=session)


async def read_file_names(blobs: BlobStore, attachments: Iterable[Attachment]) -> dict[str, str]:
    """The names by attachment id, read in one go; "(erased)" for one that was erased."""
    listed = list(attachments)
    contents = await blobs.get_many([row.name_blob for row in listed if row.name_blob is not None])
    names = {address: str(json.loads(content)["name"]) for address, content in contents.items()}
    return {
        row.attachment_id: names.get(row.name_blob, ERASED) if row.name_blob is not None else row.name or ERASED
        for row in listed
    }


async def seal_old_file_names(database: Database, blobs: BlobStore) -> int:
    """Encrypt the names that an earlier version kept in the clear; returns how many. Several processes may do it."""
    count = 0
    while True:
        async with database.transaction() as session:
            query = select(Attachment).where(Attachment.name.is_not(None)).limit(_BATCH)
            rows = (await session.scalars(query.with_for_update(skip_locked=True))).all()
            for row in rows:
                row.name_blob = await put_file_name(blobs, row.name or "", session=session)
                row.name = None
        count += len(rows)
        if len(rows) < _BATCH:
            return count
