"""Database sessions, tables, migrations and content-addressed blobs."""

from overseen.store.blobs import BlobStore, PostgresBlobStore, load_blob_key
from overseen.store.database import Database
from overseen.store.migrate import migrate

__all__ = ["BlobStore", "Database", "PostgresBlobStore", "load_blob_key", "migrate"]
