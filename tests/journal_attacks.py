"""Someone who can write the database, and knows how the journal is made; and a key that stands in for Vault's."""

import base64
from collections.abc import Callable
from datetime import UTC
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.types.json import Jsonb
from sqlalchemy import text

from overseen.errors import Unavailable
from overseen.journal.chain import GENESIS, entry_hash
from overseen.store import Database

Row = dict[str, Any]

_LEANED_ON = ("accounts", "tasks", "runs", "reviews")
"""Tables that others refer to, in the order in which they can be filled."""


class LocalKey:
    """Signs and verifies as Vault's transit engine would; `away` makes it unreachable."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.away = False
        self.signed: list[str] = []

    async def sign(self, text: str, /) -> str:
        self._check()
        self.signed.append(text)
        return "vault:v1:" + base64.b64encode(self._key.sign(text.encode())).decode()

    async def verify(self, text: str, signature: str, /) -> bool:
        self._check()
        try:
            self._key.public_key().verify(base64.b64decode(signature.removeprefix("vault:v1:")), text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True

    def _check(self) -> None:
        if self.away:
            raise Unavailable("Vault is out of reach.")


class Attacker:
    """Has the database's own login, but neither Vault's key nor the witness."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sql(self, statement: str, **values: object) -> list[Any]:
        async with self._database.transaction() as session:
            result = await session.execute(text(statement), values)
            return list(result.all()) if result.returns_rows else []

    async def rewrite(self, stream: str, change: Callable[[list[Row]], list[Row]]) -> None:
        """Change a stream's entries as `change` says, and make the chain and its head hold again."""
        rows = [
            dict(row._mapping)
            for row in await self.sql("SELECT * FROM journal WHERE stream = :stream ORDER BY sequence", stream=stream)
        ]
        await self.sql("DELETE FROM journal WHERE stream = :stream", stream=stream)
        previous, sequence = GENESIS, 0
        for row in change(rows):
            sequence += 1
            row |= {"sequence": sequence, "previous_hash": previous}
            content = {name: row[name] for name in ("stream", "sequence", "kind", "actor", "payload", "previous_hash")}
            row["hash"] = previous = entry_hash(**content, at=row["at"].astimezone(UTC))
            await self._put(row)
        await self.sql(
            "UPDATE journal_heads SET sequence = :sequence, head_hash = :head WHERE stream = :stream",
            sequence=sequence,
            head=previous,
            stream=stream,
        )

    async def _put(self, row: Row) -> None:
        async with self._database.pipeline() as connection:
            await connection.execute(
                "INSERT INTO journal (stream, sequence, entry_id, at, kind, actor, payload, previous_hash, hash,"
                " once_key) VALUES (%(stream)s, %(sequence)s, %(entry_id)s, %(at)s, %(kind)s, %(actor)s, %(payload)s,"
                " %(previous_hash)s, %(hash)s, %(once_key)s)",
                {**row, "payload": Jsonb(row["payload"])},
            )

    async def tables(self) -> list[str]:
        found = await self.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [row.tablename for row in found if row.tablename != "alembic_version"]

    async def delete_everything(self) -> None:
        await self.sql(f"TRUNCATE {', '.join(await self.tables())} CASCADE")

    async def back_up(self) -> None:
        """Keep the database as it is now, to come back to it later."""
        await self.sql("CREATE SCHEMA kept")
        for name in await self.tables():
            await self.sql(f"CREATE TABLE kept.{name} AS SELECT * FROM public.{name}")

    async def roll_back(self) -> None:
        """The whole database as it was when it was kept."""
        names = await self.tables()
        async with self._database.transaction() as session:
            await session.execute(text(f"TRUNCATE {', '.join(names)} CASCADE"))
            for name in sorted(names, key=lambda name: _LEANED_ON.index(name) if name in _LEANED_ON else 9):
                await session.execute(text(f"INSERT INTO public.{name} SELECT * FROM kept.{name}"))
