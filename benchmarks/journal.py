"""What witnesses cost those who append, and what a checkpoint costs with many streams.

Run it with `python -m benchmarks.journal`. It starts its own PostgreSQL in a temporary folder. Rounds with and without
the witness service take turns in one run, so that their ratio holds on a busy machine too; a round has to last longer
than the service rests. Signing is done here, without Vault: it happens once a checkpoint, never once an entry.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from overseen.engine.witnessing import WitnessService
from overseen.errors import Unavailable
from overseen.journal import Journal, verify
from overseen.journal.checkpointing import Checkpointer
from overseen.journal.events import StepStarted
from overseen.journal.file_witness import FileWitness
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import STORE_DATABASE, STORE_OWNER, lay_out
from overseen.store import Database, migrate

WRITERS = 8
PER_STREAM = 50
EVENT = StepStarted(step_id="step_1", agent="extractor")

_MANY_STREAMS = """
WITH made AS (
    SELECT 'run_many_' || number AS stream, encode(sha256(number::text::bytea), 'hex') AS hash
    FROM generate_series(1, :count) AS number
), entries AS (
    INSERT INTO journal (stream, sequence, at, kind, actor, payload, previous_hash, hash)
    SELECT stream, 1, now(), 'StepStarted', 'worker:1', '{}', repeat('0', 64), hash FROM made
)
INSERT INTO journal_heads (stream, sequence, head_hash, closed) SELECT stream, 1, hash, false FROM made
"""


class LocalKey:
    """Stands for Vault's transit engine."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    async def sign(self, text: str, /) -> str:
        return "vault:v1:" + base64.b64encode(self._key.sign(text.encode())).decode()

    async def verify(self, text: str, signature: str, /) -> bool:
        self._key.public_key().verify(base64.b64decode(signature.removeprefix("vault:v1:")), text.encode())
        return True


@dataclass(kw_only=True)
class House:
    database: Database
    journal: Journal
    folder: Path
    key: LocalKey = field(default_factory=LocalKey)
    rounds: int = 0
    interval_seconds: float = 10.0

    def service(self) -> WitnessService:
        return WitnessService(
            database=self.database,
            journal=self.journal,
            signer=self.key,
            witnesses=[FileWitness(self.folder / "witness.jsonl")],
            interval_seconds=self.interval_seconds,
        )


@asynccontextmanager
async def house(folder: Path, interval: float) -> AsyncGenerator[House]:
    server = EmbeddedPostgres(folder / "postgres")
    await server.prepare()
    process = server.spawn()
    try:
        for _ in range(600):
            with contextlib.suppress(Unavailable):
                await server.check()
                break
            await asyncio.sleep(0.05)
        await lay_out(server)
        url = server.url(STORE_DATABASE, STORE_OWNER).replace("postgresql://", "postgresql+psycopg://")
        await migrate(url)
        database = Database(url, pool_size=WRITERS)
        yield House(database=database, journal=Journal(database), folder=folder, interval_seconds=interval)
        await database.close()
    finally:
        process.terminate()
        process.wait(20)


async def append_in_session(there: House, stream: str) -> None:
    await there.journal.append(EVENT, stream=stream, actor="worker:1")


async def append_in_pipeline(there: House, stream: str) -> None:
    async with there.database.pipeline() as connection:
        await connection.execute("BEGIN")
        chain = await there.journal.begin_append(connection, stream)
        await chain.append(EVENT, actor="worker:1")
        await connection.execute("COMMIT")


Append = Callable[[House, str], Awaitable[None]]


async def rate(there: House, append: Append, seconds: float) -> float:
    """Entries a second, by several writers at once."""
    end = time.monotonic() + seconds
    there.rounds += 1

    async def write(number: int) -> int:
        written = 0
        while time.monotonic() < end:
            await append(there, f"run_{there.rounds}_{number}_{written // PER_STREAM}")
            written += 1
        return written

    began = time.monotonic()
    written = sum(await asyncio.gather(*map(write, range(WRITERS))))
    return written / (time.monotonic() - began)


async def rate_beside_witness(there: House, append: Append, seconds: float) -> float:
    """The same while checkpoints are made."""
    service = there.service()

    async def keep() -> None:
        while True:
            turn = await service.turn()
            assert turn is not None
            assert turn.ok, turn.detail
            await asyncio.sleep(there.interval_seconds)

    await service.turn()
    keeping = asyncio.create_task(keep())
    try:
        return await rate(there, append, seconds)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def appending(there: House, seconds: float, rounds: int) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, append in (("in a session", append_in_session), ("in a pipeline", append_in_pipeline)):
        await rate(there, append, 0.5)
        without: list[float] = []
        beside: list[float] = []
        for number in range(rounds):
            # Whoever goes first has the younger tables: they take turns at that too.
            for measure, kept in ((rate, without), (rate_beside_witness, beside))[:: 1 if number % 2 else -1]:
                kept.append(await measure(there, append, seconds))
        found[name] = {
            "entries_per_second_without": round(statistics.median(without), 1),
            "entries_per_second_beside_witness": round(statistics.median(beside), 1),
            "ratio_of_time": round(statistics.median(without) / statistics.median(beside), 3),
        }
    return found


async def timed(work: Awaitable[object]) -> float:
    began = time.monotonic()
    await work
    return round(time.monotonic() - began, 3)


async def many_streams(there: House, count: int) -> dict[str, float]:
    async with there.database.transaction() as session:
        await session.execute(text(_MANY_STREAMS), {"count": count})
    async with there.database.connection() as connection:
        await connection.execute(text("ANALYZE"))
    checkpointer = Checkpointer(there.database, there.key)
    found = {"streams": float(count), "first_checkpoints_seconds": await timed(checkpointer.make())}
    for number in range(100):
        await append_in_session(there, f"run_many_{number * 7 + 1}")
    found["checkpoint_of_100_moved_heads_seconds"] = await timed(checkpointer.make())
    found["look_when_nothing_moved_seconds"] = await timed(checkpointer.make())
    found["full_look_seconds"] = await timed(Checkpointer(there.database, there.key).make())
    witness = FileWitness(there.folder / "witness.jsonl")
    await there.service().turn()
    found["verify_seconds"] = await timed(verify(there.journal, signatures=there.key, witnesses=[witness]))
    return found


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each round")
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between checkpoints; 10 as installed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streams", type=int, default=100_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        async with house(Path(folder), chosen.interval) as there:
            found: dict[str, object] = {"appending": await appending(there, chosen.seconds, chosen.rounds)}
            found["many_streams"] = await many_streams(there, chosen.streams)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
