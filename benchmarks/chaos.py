"""Calls through the whole gateway while workers, OpenBao and PostgreSQL are killed at random moments.

    python -m benchmarks.chaos [--calls 1000] [--seed 1] [--json]

Servers of its own in a temporary folder; workers that are killed are started again, servers too. At the end every
lease must be proven gone, every effect be there exactly once, and the reconciler must have found nothing.
"""

import argparse
import asyncio
import contextlib
import functools
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks import chaos_worker
from benchmarks.chaos_figures import Scene, figures, problems, roles
from overseen.blocking import run_blocking
from overseen.domain.calls import ToolCall
from overseen.domain.identifiers import new_id
from overseen.errors import OverseenError, Unavailable
from overseen.settings import Settings, load_settings
from overseen.stack.openbao import EmbeddedOpenBao
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import (
    INSURER_DATABASE,
    INSURER_OWNER,
    STORE_DATABASE,
    STORE_OWNER,
    empty_insurer,
    lay_out,
)
from overseen.stack.server_parts import provision_leases
from overseen.stack.vault_layout import BROKER, EFFECTS, KILL_SWITCH
from overseen.stack.vault_provisioning import Login
from overseen.store import Database, migrate
from overseen.store.tables import Authorization, CallRecord, LeaseRecord, RunTokenRecord
from overseen.tools.sandbox.bubblewrap import BubblewrapBackend

CALLS_A_RUN = 10
WORKERS = 2
_WORKERS = tuple(f"worker {share}" for share in range(WORKERS))
_SETTLE_SECONDS = 120.0
_IMPATIENCE_SECONDS = 15.0
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["benchmarks.chaos_worker"])


Process = subprocess.Popen[bytes] | BaseProcess
"""Servers are started as programs; workers are forked from a process that has imported everything."""


@dataclass
class Victim:
    """A process that is killed now and then, and how it is started."""

    name: str
    start: Callable[[], Process]
    process: Process
    kills: int = 0

    def kill(self) -> None:
        self.process.kill()
        self.wait(20)
        self.kills += 1

    def end(self) -> None:
        """As it likes to be ended, but not forever."""
        pid = self.process.pid
        if self.is_dead() or pid is None:
            return
        os.kill(pid, signal.SIGINT if self.name == "postgres" else signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(10)
        if not self.is_dead():
            self.process.kill()

    def is_dead(self) -> bool:
        """Whether it ended, killed or by itself."""
        process = self.process
        return process.poll() is not None if isinstance(process, subprocess.Popen) else not process.is_alive()

    def wait(self, seconds: float) -> None:
        process = self.process
        if isinstance(process, subprocess.Popen):
            process.wait(seconds)
        else:
            process.join(seconds)


_CLAIMS = """
INSERT INTO claims (claim_id, policy_number, incident_on, amount, status, idempotency_key)
SELECT 'CLM-CHAOS-' || number, (array_agg(policy_number ORDER BY policy_number))[1 + number % 7],
       date '2000-01-01', number, 'registered', 'chaos-' || number
FROM policies, generate_series(1, {calls}) AS number GROUP BY number ORDER BY number
RETURNING claim_id, policy_number
"""


@dataclass
class Chaos:
    """One run of it. `home` is the data folder of the workers."""

    folder: Path
    calls: int
    seed: int
    calls_between_kills: tuple[int, int] = (1, 12)
    dice: random.Random = field(init=False)
    postgres: EmbeddedPostgres = field(init=False)
    openbao: EmbeddedOpenBao = field(init=False)
    victims: dict[str, Victim] = field(default_factory=dict[str, Victim])
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - dice, not a secret
        self.postgres = EmbeddedPostgres(self.folder / "postgres")
        self.openbao = EmbeddedOpenBao(self.folder / "openbao")
        (self.folder / "home").mkdir(mode=0o700)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    async def run(self) -> dict[str, Any]:
        """From nothing to the figures; what was started is ended."""
        try:
            settings = await self._prepare()
            scene = Scene(
                settings=settings,
                insurer_url=self.postgres.url(INSURER_DATABASE, INSURER_OWNER),
                audit_file=self.openbao.audit_file,
                began=self.began,
            )
            plan = await self._plan(scene)
            started = time.monotonic()
            for share, name in enumerate(_WORKERS):
                self._add(name, functools.partial(self._worker, share))
            await self._disturb(settings, sum(len(run) for run in plan))
            calm = time.monotonic()
            await self._settle(scene)
            kills = {name: victim.kills for name, victim in self.victims.items()}
            return await figures(scene, plan, kills) | {
                "seconds": round(calm - started, 1),
                "settled_after_seconds": round(time.monotonic() - calm, 1),
            }
        finally:
            for victim in reversed(self.victims.values()):
                victim.end()

    async def _prepare(self) -> Settings:
        for server in (self.postgres, self.openbao):
            await server.prepare()
        for name, server in (("postgres", self.postgres), ("openbao", self.openbao)):
            self._add(name, server.spawn)
            await self._until_ready(name, server)
        await lay_out(self.postgres)
        await empty_insurer(self.postgres)
        url = self.postgres.url(STORE_DATABASE, STORE_OWNER)
        await migrate(url.replace("postgresql://", "postgresql+psycopg://"))
        logins = await provision_leases(self.openbao, self.postgres)
        # The interpreter that sandboxes use is copied once; that is not what is looked at here.
        backend = BubblewrapBackend(self.folder / "sandbox")
        await backend.capabilities()
        await backend.close()
        await run_blocking(self._write_settings, url, logins)
        return load_settings(self.home, {})

    def _write_settings(self, url: str, logins: dict[str, Login]) -> None:
        broker, effects, killswitch = logins[BROKER], logins[EFFECTS], logins[KILL_SWITCH]
        resource = {"host": "127.0.0.1", "port": self.postgres.port, "database": INSURER_DATABASE}
        content = {
            "database": {"url": url},
            "resources": {"insurer": resource},
            "sandbox": {"folder": str(self.folder / "sandbox")},
            "vault": {
                "addr": self.openbao.address,
                "role_id": broker.role_id,
                "secret_id": broker.secret_id,
                "effects_role_id": effects.role_id,
                "effects_secret_id": effects.secret_id,
                "killswitch_role_id": killswitch.role_id,
                "killswitch_secret_id": killswitch.secret_id,
                "audit_file": str(self.openbao.audit_file),
                "server_log": str(self.openbao.server_log),
            },
        }
        file = self.home / "stack.json"
        file.write_text(json.dumps({"settings": content}))
        file.chmod(0o600)

    async def _plan(self, scene: Scene) -> list[list[dict[str, Any]]]:
        """Runs of calls: four in five look a policy up, one in five pays, with leave for exactly this payment."""
        # A claim a call: the insurer pays each once.
        rows = await scene.insurer(_CLAIMS.format(calls=self.calls))
        runs: list[list[dict[str, Any]]] = []
        database = Database(scene.settings.database.sqlalchemy_url)
        run_id = ""
        async with database.transaction() as session:
            for number in range(self.calls):
                if number % CALLS_A_RUN == 0:
                    runs.append([])
                    run_id = new_id("run")
                claim_id, policy_number = rows[number % len(rows)]
                common: dict[str, Any] = {
                    "run_id": run_id,
                    "step_id": "step_1",
                    "ordinal": number,
                    "agent": "policy_lookup",
                }
                call: dict[str, Any]
                if number % 5:
                    call = {**common, "tool": "look_up_policy", "arguments": {"policy_number": policy_number}}
                else:
                    arguments = {
                        "policy_number": policy_number,
                        "claim_id": claim_id,
                        "payee": f"payee {number}",
                        "amount": f"{number + 1}.00",
                        "currency": "GBP",
                    }
                    call = {**common, "tool": "pay_settlement", "arguments": arguments}
                    call["authorization_id"] = new_id("aut")
                    session.add(
                        Authorization(
                            authorization_id=call["authorization_id"],
                            run_id=run_id,
                            call_digest=ToolCall(**call).digest,
                            granted_by="boundary",
                        )
                    )
                runs[-1].append(call)
        await database.close()
        await run_blocking((self.home / "calls.json").write_text, json.dumps(runs))
        return runs

    def _worker(self, share: int) -> Process:
        log = str(self.folder / f"worker-{share}.log")
        worker = _FORKS.Process(target=chaos_worker.run, args=(str(self.home), log, share, WORKERS), daemon=True)
        worker.start()
        return worker

    def _add(self, name: str, start: Callable[[], Process]) -> None:
        self.victims[name] = Victim(name=name, start=start, process=start())

    async def _until_ready(self, name: str, server: EmbeddedPostgres | EmbeddedOpenBao) -> None:
        victim = self.victims[name]
        for _ in range(1200):
            try:
                return await server.check()
            except Unavailable:
                if victim.is_dead():  # the dead one's last children were still there
                    await asyncio.sleep(0.2)
                    victim.process = victim.start()
                await asyncio.sleep(0.05)
        raise TimeoutError(f"{name} did not come up")

    async def _disturb(self, settings: Settings, calls: int) -> None:
        """Kill something every now and then until every call has come back."""
        database = Database(settings.database.sqlalchemy_url)
        finished, last_told = 0, 0.0
        while True:
            wanted = min(finished + self.dice.randint(*self.calls_between_kills), calls)
            finished = await self._wait_for(database, wanted)
            if finished >= calls:
                break
            if time.monotonic() - last_told > 20:
                last_told = time.monotonic()
                kills = {name: victim.kills for name, victim in self.victims.items()}
                print(f"{finished} of {calls} calls; kills {kills}", file=sys.stderr, flush=True)
            await asyncio.sleep(self.dice.uniform(0.0, 0.3))
            await self._kill(self.dice.choices((*_WORKERS, "openbao", "postgres"), (*(3 for _ in _WORKERS), 3, 2))[0])
        await database.close()

    async def _kill(self, name: str) -> None:
        victim = self.victims[name]
        victim.kill()
        await asyncio.sleep(self.dice.uniform(0.0, 0.8))
        victim.process = victim.start()
        if name in ("openbao", "postgres"):
            await self._until_ready(name, self.openbao if name == "openbao" else self.postgres)

    async def _wait_for(self, database: Database, wanted: int) -> int:
        """Until so many calls have come back, but not forever: then something else is killed. How many have."""
        end = time.monotonic() + _IMPATIENCE_SECONDS
        while True:
            self._start_dead_workers()
            finished = await self._finished(database)
            if finished >= wanted or time.monotonic() > end:
                return finished
            await asyncio.sleep(0.05)

    async def _finished(self, database: Database) -> int:
        query = select(func.count()).select_from(CallRecord).where(CallRecord.state == "finished")
        for _ in range(50):
            try:
                async with database.read() as session:
                    return (await session.execute(query)).scalar_one()
            except OverseenError:
                await asyncio.sleep(0.1)
        raise TimeoutError("the store does not answer")

    def _start_dead_workers(self) -> None:
        """A worker whose lock broke with the database ends by itself."""
        for name, victim in self.victims.items():
            if name.startswith("worker") and victim.is_dead():
                victim.process = victim.start()

    async def _settle(self, scene: Scene) -> None:
        """Without further kills the workers' sweepers end what is left; one whole turn of the reconciler too."""
        database = Database(scene.settings.database.sqlalchemy_url)
        end = time.monotonic() + _SETTLE_SECONDS
        living_leases = (
            select(func.count()).select_from(LeaseRecord).where(LeaseRecord.state.not_in(("closed", "refused")))
        )
        living_tokens = select(func.count()).select_from(RunTokenRecord).where(RunTokenRecord.state != "closed")
        while time.monotonic() < end:
            self._start_dead_workers()
            async with database.read() as session:
                left = [(await session.execute(query)).scalar_one() for query in (living_leases, living_tokens)]
            if not any(left):
                break
            await asyncio.sleep(0.5)
        await asyncio.sleep(4.0)
        for _ in range(90):
            if not await roles(scene, "rolvaliduntil > now()"):
                break
            await asyncio.sleep(1.0)
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the folder, with the logs of all parts")
    chosen = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="overseen-chaos-")
    try:
        Path(folder).chmod(0o755)  # servers and sandboxes may run as other users
        found = asyncio.run(Chaos(folder=Path(folder), calls=chosen.calls, seed=chosen.seed).run())
    finally:
        if chosen.keep:
            print(f"kept {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)
    print(json.dumps(found, indent=2, default=str))
    wrong = problems(found)
    for problem in wrong:
        print(problem, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
