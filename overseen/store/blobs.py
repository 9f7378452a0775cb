"""Content-addressed, encrypted blobs. Journal entries and rows carry the address, never the content."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.canonical import digest_bytes
from overseen.errors import Misconfigured, NotFound
from overseen.settings import make_private_folder
from overseen.store.database import Database
from overseen.store.tables import Blob

_KEY_BYTES = 32
_NONCE_BYTES = 12


class BlobStore(Protocol):
    """Bytes by SHA-256. Adapters keep content encrypted at rest and never change what an address stands for."""

    async def put(self, content: bytes, media_type: str, *, session: AsyncSession | None = None) -> str:
        """Store `content`, return its SHA-256. Storing the same again changes nothing."""
        ...

    async def get(self, sha256: str) -> bytes:
        """The content; NotFound when the address is unknown or its content was erased."""
        ...

    async def get_many(self, sha256s: Collection[str]) -> dict[str, bytes]:
        """The contents by address, in one go; what is unknown or was erased is left out."""
        ...

    async def media_type_of(self, sha256: str) -> str:
        """The media type it was stored with; NotFound as for `get`."""
        ...

    async def erase(self, sha256: str) -> None:
        """Forget the content for good; the address stays known so that chains still verify."""
        ...


def load_blob_key(keys_folder: Path) -> bytes:
    """The 32-byte key of this installation, made on first use. Misconfigured when the file has another length."""
    path = make_private_folder(keys_folder) / "blob.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(_KEY_BYTES))
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise Misconfigured(
            f"The blob key {path} has {len(key)} bytes instead of {_KEY_BYTES}.",
            not_done="No content was read or stored.",
            next_step="Restore the file from a backup: without it stored documents cannot be read.",
        )
    return key


class PostgresBlobStore:
    """Blobs in the database, so that a task and its documents are stored in one transaction."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._cipher = AESGCM(key)
        self._key_id = digest_bytes(key)[:16]

    async def put(self, content: bytes, media_type: str, *, session: AsyncSession | None = None) -> str:
        """See BlobStore."""
        sha256 = digest_bytes(content)
        nonce = os.urandom(_NONCE_BYTES)
        row = {
            "sha256": sha256,
            "media_type": media_type,
            "size": len(content),
            "key_id": self._key_id,
            "nonce": nonce,
            "ciphertext": self._cipher.encrypt(nonce, content, sha256.encode()),
        }
        statement = insert(Blob).values(**row)
        # An erased blob that is handed in anew comes back; a living one is left alone.
        statement = statement.on_conflict_do_update(
            index_elements=[Blob.sha256],
            set_={name: row[name] for name in ("nonce", "ciphertext", "key_id")},
            where=Blob.ciphertext.is_(None),
        )
        if session is not None:
            await session.execute(statement)
        else:
            async with self._database.transaction() as own:
                await own.execute(statement)
        return sha256

    async def get(self, sha256: str) -> bytes:
        """See BlobStore."""
        found = await self.get_many([sha256])
        if sha256 not in found:
            raise NotFound(
                "This content is not stored, or was erased.", next_step="The journal still shows that it existed."
            )
        return found[sha256]

    async def get_many(self, sha256s: Collection[str]) -> dict[str, bytes]:
        """See BlobStore."""
        query = select(Blob.sha256, Blob.nonce, Blob.ciphertext, Blob.key_id)
        async with self._database.read() as session:
            rows = (await session.execute(query.where(Blob.sha256.in_(set(sha256s))))).all()
        return {
            row.sha256: self._decrypted(row.sha256, row.nonce, row.ciphertext, row.key_id)
            for row in rows
            if row.ciphertext is not None
        }

    def _decrypted(self, sha256: str, nonce: bytes, ciphertext: bytes, key_id: str) -> bytes:
        if key_id != self._key_id:
            raise Misconfigured(
                "This content was stored under another blob key.",
                not_done="It was not read.",
                next_step="Restore keys/blob.key of the data folder that the content was stored from.",
            )
        return self._cipher.decrypt(nonce, ciphertext, sha256.encode())

    async def media_type_of(self, sha256: str) -> str:
        """See BlobStore."""
        async with self._database.read() as session:
            found = await session.scalar(select(Blob.media_type).where(Blob.sha256 == sha256))
        if found is None:
            raise NotFound("This content is not stored.")
        return found

    async def erase(self, sha256: str) -> None:
        """See BlobStore."""
        async with self._database.transaction() as session:
            await session.execute(update(Blob).where(Blob.sha256 == sha256).values(ciphertext=None, nonce=b""))
