"""Encrypted, content-addressed blobs on a real PostgreSQL."""

import pytest
from sqlalchemy import select

from overseen.errors import Misconfigured, NotFound
from overseen.store import Database, PostgresBlobStore
from overseen.store.tables import Blob

LETTER = b"Dear Sirs, my door was dented."


@pytest.fixture
def blobs(database: Database) -> PostgresBlobStore:
    return PostgresBlobStore(database, b"k" * 32)


async def test_what_is_stored_comes_back_and_is_no_plain_text_at_rest(
    blobs: PostgresBlobStore, database: Database
) -> None:
    address = await blobs.put(LETTER, "text/plain")
    assert await blobs.get(address) == LETTER
    assert await blobs.put(LETTER, "text/plain") == address
    async with database.read() as session:
        rows = (await session.scalars(select(Blob.ciphertext))).all()
    assert len(rows) == 1
    assert b"door" not in (rows[0] or b"")


async def test_erased_content_is_gone_and_its_address_still_known(blobs: PostgresBlobStore) -> None:
    address = await blobs.put(LETTER, "text/plain")
    await blobs.erase(address)
    with pytest.raises(NotFound):
        await blobs.get(address)
    assert await blobs.media_type_of(address) == "text/plain"


async def test_content_that_comes_in_again_after_erasure_can_be_read(blobs: PostgresBlobStore) -> None:
    address = await blobs.put(LETTER, "text/plain")
    await blobs.erase(address)
    await blobs.put(LETTER, "text/plain")
    assert await blobs.get(address) == LETTER


async def test_another_key_is_named_as_the_reason(blobs: PostgresBlobStore, database: Database) -> None:
    address = await blobs.put(LETTER, "text/plain")
    with pytest.raises(Misconfigured, match="another blob key"):
        await PostgresBlobStore(database, b"o" * 32).get(address)


async def test_a_blob_of_a_transaction_that_failed_does_not_exist(blobs: PostgresBlobStore, database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as session:
            await blobs.put(LETTER, "text/plain", session=session)
            raise RuntimeError
    async with database.read() as session:
        assert (await session.scalars(select(Blob.sha256))).all() == []


async def test_many_come_back_in_one_go_without_what_is_gone(blobs: PostgresBlobStore) -> None:
    first, second, erased = [await blobs.put(content, "text/plain") for content in (b"one", b"two", b"three")]
    await blobs.erase(erased)
    assert await blobs.get_many([first, second, first, erased, "0" * 64]) == {first: b"one", second: b"two"}
    assert await blobs.get_many([]) == {}
