"""Where the time of one tool call goes: record, lease, doors, sandbox and the tool's own part of it.

Run it with `python -m benchmarks.tool_call`. It starts its own PostgreSQL and OpenBao in a temporary folder and calls
tools through the whole gateway. The parts are those that the gateway itself writes into every call's record.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rules import Everything
from overseen.blocking import run_blocking
from overseen.domain.calls import FileInput, ToolCall
from overseen.domain.identifiers import new_id
from overseen.errors import Unavailable
from overseen.journal import Journal
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.secret import Secret
from overseen.secrets.vault_client import AppRoleLogin, VaultClient
from overseen.settings import ResourceSettings
from overseen.stack.openbao import EmbeddedOpenBao
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import (
    INSURER_DATABASE,
    LEASE_MANAGER,
    STORE_DATABASE,
    STORE_OWNER,
    empty_insurer,
    lay_out,
    set_password,
)
from overseen.stack.vault_layout import BROKER, LAYOUT
from overseen.stack.vault_provisioning import DatabaseTarget, provision
from overseen.store import Database, PostgresBlobStore, migrate
from overseen.store.tables import CallRecord
from overseen.tools.doors import CallDoors
from overseen.tools.gateway import GatewayParts, build_gateway
from overseen.tools.registry import load_registry
from overseen.tools.sandbox.bubblewrap import BubblewrapBackend
from overseen.tools.sandbox.port import SandboxJob
from overseen.tools.types import ToolPort

SAMPLES = Path(__file__).parent.parent / "overseen" / "playbooks" / "claims_intake" / "samples"
LETTER = (SAMPLES / "car_above_threshold" / "claim_letter.pdf").read_bytes()
SCAN = (SAMPLES / "home_scanned_letter" / "scan0004.pdf").read_bytes()

AT_ONCE = (1, 8, 32)


@dataclass(frozen=True, kw_only=True)
class House:
    port: ToolPort
    database: Database
    blobs: PostgresBlobStore
    backend: BubblewrapBackend


@asynccontextmanager
async def servers(folder: Path) -> AsyncGenerator[tuple[EmbeddedPostgres, str, VaultClient]]:
    """PostgreSQL with the insurer's rows, the store's URL, and the broker's client of OpenBao."""
    postgres, openbao = EmbeddedPostgres(folder / "postgres"), EmbeddedOpenBao(folder / "openbao")
    await postgres.prepare()
    await openbao.prepare()
    processes = [postgres.spawn(), openbao.spawn()]
    try:
        await _until_ready(postgres.check)
        await _until_ready(openbao.check)
        await lay_out(postgres)
        await empty_insurer(postgres)
        url = postgres.url(STORE_DATABASE, STORE_OWNER).replace("postgresql://", "postgresql+psycopg://")
        await migrate(url)
        target = DatabaseTarget(host="127.0.0.1", port=postgres.port, database=INSURER_DATABASE, manager=LEASE_MANAGER)
        login = (await provision(openbao, LAYOUT, target, lambda password: _set_manager(postgres, password)))[BROKER]
        vault = VaultClient(openbao.address, AppRoleLogin(role_id=login.role_id, secret_id=Secret(login.secret_id)))
        yield postgres, url, vault
        await vault.close()
    finally:
        # OpenBao first: PostgreSQL waits for its last client to leave.
        for process in reversed(processes):
            process.terminate()
            process.wait(20)


async def _until_ready(check: Callable[[], Awaitable[None]]) -> None:
    for _ in range(600):
        try:
            return await check()
        except Unavailable:
            await asyncio.sleep(0.05)
    raise TimeoutError("a server did not come up")


async def _set_manager(postgres: EmbeddedPostgres, password: str) -> None:
    async with await postgres.connect() as connection:
        await set_password(connection, LEASE_MANAGER, password)


@asynccontextmanager
async def house(folder: Path) -> AsyncGenerator[House]:
    async with servers(folder) as (postgres, url, vault), AsyncExitStack() as stack:
        database = Database(url)
        stack.push_async_callback(database.close)
        journal, blobs = Journal(database), PostgresBlobStore(database, b"k" * 32)
        resources = {"insurer": ResourceSettings(host="127.0.0.1", port=postgres.port, database=INSURER_DATABASE)}
        broker = LeaseBroker(
            database=database,
            journal=journal,
            vault=vault,
            source=VaultCredentials(vault, resources),
            worker_id="benchmark",
        )
        stack.push_async_callback(broker.drain)
        backend = BubblewrapBackend(folder / "sandbox")
        stack.push_async_callback(backend.close)
        registry = load_registry()
        rules = Everything(registry.names)
        parts = GatewayParts(
            database=database,
            journal=journal,
            blobs=blobs,
            registry=registry,
            rules=rules,
            plan_lock=rules,
            stop_switch=rules,
            broker=broker,
            backend=backend,
            doors=CallDoors(backend.doors_folder, journal=journal),
        )
        yield House(port=build_gateway(parts), database=database, blobs=blobs, backend=backend)


async def profile(made: House, rounds: int, tool: str, make: Callable[[str], ToolCall]) -> dict[str, float]:
    """Median milliseconds of each part of a call of `tool`; `other` is what no part accounts for."""
    taken: dict[str, list[float]] = {}
    spec = load_registry().get(tool)
    await made.backend.prepare(spec.entry, spec.profile)
    for number in range(rounds + 1):
        call = make(new_id("run"))
        began = time.perf_counter()
        await made.port.call(call)
        whole = time.perf_counter() - began
        if number == 0:  # the first opens connections
            continue
        async with made.database.read() as session:
            row = await session.get(CallRecord, call.call_id)
        assert row is not None
        parts = {**row.timings, "whole": whole}
        parts["other"] = whole - sum(row.timings.values())
        for part, seconds in parts.items():
            taken.setdefault(part, []).append(seconds * 1000)
    return {part: round(statistics.median(times), 2) for part, times in sorted(taken.items())}


async def per_second(made: House, at_once: int, calls: int, make: Callable[[str], ToolCall]) -> float:
    """Calls through the whole gateway, each in a run of its own, so many at once."""
    left = iter(range(calls))

    async def work() -> None:
        for _ in left:
            await made.port.call(make(new_id("run")))

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return round(calls / (time.perf_counter() - started), 1)


async def inside(made: House, tool: str, request: dict[str, str], files: dict[str, bytes]) -> dict[str, float]:
    """The same tool in a sandbox alone: seconds of wall clock and CPU, megabytes."""
    spec = load_registry().get(tool)
    job = SandboxJob(call_id="c", entry=spec.entry, request=request, files=files, profile=spec.profile)
    result = await made.backend.run(job)
    return {
        "wall_seconds": round(result.wall_seconds, 2),
        "cpu_seconds": round(result.cpu_seconds or 0, 2),
        "peak_megabytes": round((result.peak_memory_bytes or 0) / 1e6),
    }


async def measure(rounds: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="overseen-tool-call-") as folder:
        await run_blocking(Path(folder).chmod, 0o755)  # servers and sandboxes may run as other users
        async with house(Path(folder)) as made:
            blob = await made.blobs.put(LETTER, "application/pdf")

            def look_up(run_id: str) -> ToolCall:
                return ToolCall(
                    run_id=run_id,
                    step_id="step_1",
                    agent="policy_lookup",
                    tool="look_up_policy",
                    arguments={"policy_number": "CAR-2214-KL"},
                )

            def read(run_id: str) -> ToolCall:
                return ToolCall(
                    run_id=run_id,
                    step_id="step_1",
                    agent="extractor",
                    tool="read_document",
                    arguments={"file": "letter.pdf"},
                    files=(FileInput(name="letter.pdf", blob=blob),),
                )

            return {
                "milliseconds": {
                    "look_up_policy": await profile(made, rounds, "look_up_policy", look_up),
                    "read_document_pdf": await profile(made, max(rounds // 4, 2), "read_document", read),
                },
                "look_up_policy_calls_per_second": {
                    str(at_once): await per_second(made, at_once, max(rounds, 2 * at_once), look_up)
                    for at_once in AT_ONCE
                },
                "scanned_page": await inside(made, "read_document", {"file": "a"}, {"a": SCAN}),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    print(json.dumps(asyncio.run(measure(parser.parse_args().rounds)), indent=2))


if __name__ == "__main__":
    main()
