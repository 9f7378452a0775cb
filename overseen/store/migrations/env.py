"""Alembic's entry: one connection, one advisory lock, all migrations."""

from alembic import context
from sqlalchemy import create_engine, text

from overseen.store.tables import Base

_LOCK = 7_201_339
"""Any number that nothing else locks: two starting processes migrate one after the other."""


def run() -> None:
    engine = create_engine(context.config.attributes["url"])
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
