"""What a lease costs: a cycle of the broker against the same cycle by hand with hvac, and against a bare secret read.

Run it with `python -m benchmarks.leases`. It starts its own PostgreSQL and OpenBao in a temporary folder. Both sides
of every ratio alternate in one run, so that a busy machine slows them alike.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import hvac
import hvac.exceptions
import psycopg
import requests

from overseen.blocking import run_blocking
from overseen.domain.calls import ToolCall
from overseen.domain.identifiers import new_id
from overseen.journal import Journal
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.grants import GrantLike, vault_name
from overseen.secrets.run_tokens import RunTokens
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
    lay_out,
    set_password,
)
from overseen.stack.vault_layout import BROKER, LAYOUT, PROVISIONER
from overseen.stack.vault_provisioning import DatabaseTarget, Login, provision, read_logins
from overseen.store import Database, migrate

AT_ONCE = (1, 8, 32)


@dataclass(frozen=True, kw_only=True)
class Grant:
    name: str
    kind: str
    resource: str
    ttl_seconds: int = 60


READ = Grant(name="insurer_read", kind="database", resource="insurer")


@dataclass(frozen=True, kw_only=True)
class House:
    """Everything a cycle needs, ours and by hand."""

    broker: LeaseBroker
    run_tokens: RunTokens
    by_hand: hvac.Client
    reader: hvac.Client
    address: str
    session: requests.Session


@asynccontextmanager
async def house(folder: Path) -> AsyncGenerator[House]:
    postgres, openbao = EmbeddedPostgres(folder / "postgres"), EmbeddedOpenBao(folder / "openbao")
    await postgres.prepare()
    await openbao.prepare()
    processes = [postgres.spawn(), openbao.spawn()]
    try:
        for server in (postgres, openbao):
            await _until_ready(server.check)
        await lay_out(postgres)
        url = postgres.url(STORE_DATABASE, STORE_OWNER).replace("postgresql://", "postgresql+psycopg://")
        await migrate(url)
        target = DatabaseTarget(host="127.0.0.1", port=postgres.port, database=INSURER_DATABASE, manager=LEASE_MANAGER)
        logins = await provision(openbao, LAYOUT, target, lambda password: _set_manager(postgres, password))
        async with _broker(url, openbao, logins[BROKER], postgres.port) as made:
            yield made
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGINT)  # PostgreSQL would wait for its clients on SIGTERM
            process.wait(20)


@asynccontextmanager
async def _broker(url: str, openbao: EmbeddedOpenBao, login: Login, port: int) -> AsyncGenerator[House]:
    address = openbao.address
    database = Database(url)
    vault = VaultClient(address, AppRoleLogin(role_id=login.role_id, secret_id=Secret(login.secret_id)))
    resources = {"insurer": ResourceSettings(host="127.0.0.1", port=port, database=INSURER_DATABASE)}
    source = VaultCredentials(vault, resources)
    session = requests.Session()
    by_hand = hvac.Client(address, session=session, timeout=3)
    by_hand.auth.approle.login(login.role_id, login.secret_id)
    yield House(
        broker=LeaseBroker(
            database=database, journal=Journal(database), vault=vault, source=source, worker_id="benchmark"
        ),
        run_tokens=RunTokens(database, vault, source, worker_id="benchmark"),
        by_hand=by_hand,
        reader=make_reader(openbao, session),
        address=address,
        session=session,
    )
    await vault.close()
    await database.close()


async def _until_ready(check: Callable[[], Awaitable[None]]) -> None:
    from overseen.errors import Unavailable

    for _ in range(600):
        try:
            return await check()
        except Unavailable:
            await asyncio.sleep(0.05)
    raise TimeoutError("a server did not come up")


async def _set_manager(postgres: EmbeddedPostgres, password: str) -> None:
    connection: psycopg.AsyncConnection = await postgres.connect()
    async with connection:
        await set_password(connection, LEASE_MANAGER, password)


def call(run_id: str) -> ToolCall:
    return ToolCall(
        run_id=run_id, step_id="step_1", agent="policy_lookup", tool="look_up_policy", arguments={"n": new_id("n")}
    )


async def ours(made: House, run_id: str, grants: list[GrantLike]) -> None:
    async with made.broker.lease(call(run_id), grants, wall_seconds=20):
        pass


def by_hand(made: House, run_token: str, grant: str | None, *, look_up: bool = False) -> None:
    """What someone would write without Overseen: mint, read, revoke. No ledger, no journal.

    With `look_up` they make sure, one after the other, that token and lease are gone.
    """
    parent = hvac.Client(made.address, token=run_token, session=made.session, timeout=3)
    name = grant or "none"
    asked = {"ttl": "65s", "entity_alias": "agent-policy_lookup"}
    auth = parent.adapter.post(f"/v1/auth/token/create/call-{name}", json=asked)["auth"]
    lease_id = ""
    if grant is not None:
        child = hvac.Client(made.address, token=auth["client_token"], session=made.session, timeout=3)
        credential = child.secrets.database.generate_credentials(grant)
        lease_id = credential["lease_id"]
        made.by_hand.adapter.put("/v1/sys/leases/revoke", json={"lease_id": lease_id, "sync": True})
    made.by_hand.adapter.post("/v1/auth/token/revoke", json={"token": auth["client_token"]})
    if look_up:
        with contextlib.suppress(hvac.exceptions.Forbidden, hvac.exceptions.InvalidRequest):
            made.by_hand.auth.token.lookup_accessor(auth["accessor"])
        if lease_id:
            with contextlib.suppress(hvac.exceptions.InvalidRequest):
                made.by_hand.sys.read_lease(lease_id)


def bare_read(made: House) -> None:
    """A secret read with a token that is there: no lease, nobody knows."""
    made.reader.secrets.kv.v2.read_secret_version("benchmark", mount_point="kv", raise_on_deleted_version=True)


def make_reader(openbao: EmbeddedOpenBao, session: requests.Session) -> hvac.Client:
    """A client with a long-lived token for one secret, as programs have it that know no leases."""
    login = read_logins(openbao)[PROVISIONER]
    administrator = hvac.Client(openbao.address)
    administrator.auth.approle.login(login.role_id, login.secret_id)
    rules = 'path "kv/data/benchmark" { capabilities = ["create", "read", "update"] }'
    administrator.sys.create_or_update_acl_policy("benchmark", rules)
    administrator.write_data("auth/approle/role/benchmark", data={"token_policies": "benchmark", "token_ttl": "1h"})
    role_id = administrator.auth.approle.read_role_id("benchmark")["data"]["role_id"]
    secret_id = administrator.auth.approle.generate_secret_id("benchmark")["data"]["secret_id"]
    reader = hvac.Client(openbao.address, session=session, timeout=3)
    reader.auth.approle.login(role_id, secret_id)
    reader.secrets.kv.v2.create_or_update_secret("benchmark", {"key": "value"}, mount_point="kv")
    return reader


async def alternate(rounds: int, **sides: Callable[[], Awaitable[None]]) -> dict[str, float]:
    """Median milliseconds of each side, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 2):
        for name, side in sides.items():
            started = time.perf_counter()
            await side()
            if number >= 2:  # the first ones open connections
                taken[name].append((time.perf_counter() - started) * 1000)
    return {name: round(statistics.median(times), 2) for name, times in taken.items()}


async def per_second(made: House, at_once: int, calls: int) -> float:
    run_id = new_id("run")
    left = iter(range(calls))

    async def work() -> None:
        for _ in left:
            await ours(made, run_id, [READ])

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return round(calls / (time.perf_counter() - started), 1)


async def measure(folder: Path, rounds: int) -> dict[str, object]:
    async with house(folder) as made:
        run_id = new_id("run")
        parent = await made.run_tokens.token(run_id, for_seconds=60)
        token = parent.reveal()
        milliseconds = await alternate(
            rounds,
            bare_read=lambda: run_blocking(bare_read, made),
            token_by_hand=lambda: run_blocking(by_hand, made, token, None),
            token_lease=lambda: ours(made, run_id, []),
            database_by_hand=lambda: run_blocking(by_hand, made, token, vault_name(READ)),
            database_by_hand_with_proof=lambda: run_blocking(by_hand, made, token, vault_name(READ), look_up=True),
            database_lease=lambda: ours(made, run_id, [READ]),
        )
        rates = {str(at_once): await per_second(made, at_once, rounds) for at_once in AT_ONCE}
    return {
        "milliseconds": milliseconds,
        "ratios": {
            "database lease to by hand": round(milliseconds["database_lease"] / milliseconds["database_by_hand"], 2),
            "database lease to by hand with proof": round(
                milliseconds["database_lease"] / milliseconds["database_by_hand_with_proof"], 2
            ),
            "token lease to by hand": round(milliseconds["token_lease"] / milliseconds["token_by_hand"], 2),
            "database lease to a bare read": round(milliseconds["database_lease"] / milliseconds["bare_read"], 1),
        },
        "database_leases_per_second": rates,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overseen-leases-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another user
        result = asyncio.run(measure(Path(folder), chosen.rounds))
    if chosen.json:
        print(json.dumps(result))
        return
    for title, values in result.items():
        print(title.replace("_", " "))
        if isinstance(values, dict):
            for name, value in values.items():
                print(f"  {name:<32} {value}")


if __name__ == "__main__":
    main()
