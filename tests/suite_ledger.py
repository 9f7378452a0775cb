"""Every ledger of a test session in one, held against all that Vault recorded meanwhile.

Each test has a store of its own, Vault is shared: only together do they show that nothing happened in Vault of which no
ledger knows. Tests that do on purpose what a reconciler has to find, go to Vault by hand or draw up a ledger of their
own say so with the marker `anomalies`; their ledgers are left out.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from psycopg import sql

from overseen.secrets.anomalies import Anomaly
from overseen.store.tables import now

_TABLES = ("leases", "run_tokens", "authorizations", "stops")


@dataclass(frozen=True, kw_only=True)
class _Test:
    name: str
    started: datetime
    ended: datetime
    on_purpose: bool


@dataclass
class SuiteLedger:
    """`url` is a migrated store that takes up the rows of all others, `since` when the session began."""

    url: str
    since: datetime = field(default_factory=now)
    _tests: list[_Test] = field(default_factory=list[_Test])

    async def open(self) -> None:
        """Tests may use an id again that another test had."""
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            for table in _TABLES:
                dropping = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
                await connection.execute(dropping.format(sql.Identifier(table), sql.Identifier(f"{table}_pkey")))

    async def take(self, url: str) -> None:
        """Copy the ledger of a test's store, which is about to be dropped."""
        connect = psycopg.AsyncConnection.connect
        async with await connect(url, autocommit=True) as theirs, await connect(self.url) as ours:
            for table in _TABLES:
                named = sql.Identifier(table)
                reading, writing = theirs.cursor(), ours.cursor()
                async with (
                    reading.copy(sql.SQL("COPY {} TO STDOUT").format(named)) as rows,
                    writing.copy(sql.SQL("COPY {} FROM STDIN").format(named)) as copied,
                ):
                    async for piece in rows:
                        await copied.write(piece)

    @contextmanager
    def during(self, test: str, *, on_purpose: bool) -> Iterator[None]:
        """What happens in the block is this test's doing."""
        started = now()
        try:
            yield
        finally:
            self._tests.append(_Test(name=test, started=started, ended=now(), on_purpose=on_purpose))

    def unexplained(self, findings: Sequence[Anomaly]) -> list[str]:
        """Findings that no test meant to cause, each with the test it belongs to."""
        told: list[str] = []
        for finding in findings:
            test = next((test for test in self._tests if test.started <= finding.at <= test.ended), None)
            if test is None or not test.on_purpose:
                told.append(f"{finding.name} in {test.name if test else 'no test'}: {dict(finding.detail)}")
        return told
