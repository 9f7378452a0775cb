"""The proving ground: a PostgreSQL and an OpenBao of its own, so that an eval pays nobody and fills nobody's queue."""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from overseen.engine.migrations import prepare_database
from overseen.errors import Unavailable
from overseen.settings import DatabaseSettings, ResourceSettings, Settings, VaultSettings, make_private_folder
from overseen.stack.openbao import EmbeddedOpenBao
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import INSURER_DATABASE, STORE_DATABASE, STORE_OWNER, empty_insurer, lay_out
from overseen.stack.server_parts import provision_leases
from overseen.stack.vault_layout import BROKER, EFFECTS, KILL_SWITCH
from overseen.store import Database
from overseen.store.loss_keys import forget_loss_keys

_READY_SECONDS = 60.0


class _Server(Protocol):
    async def check(self) -> None: ...


class ProvingGround:
    """Where cases run. `settings` are of a worker on it; the insurer's records can be made new between cases."""

    def __init__(self, settings: Settings, postgres: EmbeddedPostgres) -> None:
        self.settings = settings
        self._postgres = postgres

    async def renew(self) -> None:
        """Put the insurer's records back to the sample data, and forget what earlier cases are known by: a case must
        not see what the one before registered, and is not the same loss as when it was run the last time.
        """
        await empty_insurer(self._postgres)
        database = Database(self.settings.database.sqlalchemy_url, pool_size=1)
        try:
            await forget_loss_keys(database)
        finally:
            await database.close()


@asynccontextmanager
async def proving_ground(settings: Settings, folder: Path) -> AsyncGenerator[ProvingGround]:
    """Start the servers in `folder` (kept between evals, so later ones start in a second); stop them at the end.

    Routes and the sandbox are those of `settings`. Raises Unavailable when a server does not come up.
    """
    make_private_folder(folder)
    postgres = EmbeddedPostgres(make_private_folder(folder / "postgres"), durable=False)
    await postgres.prepare()
    database_process = postgres.spawn()
    try:
        await _until_ready(postgres, database_process)
        await lay_out(postgres)
        openbao = EmbeddedOpenBao(make_private_folder(folder / "openbao"))
        await openbao.prepare()
        vault_process = openbao.spawn()
        try:
            await _until_ready(openbao, vault_process)
            logins = await provision_leases(openbao, postgres)
            broker, effects, killswitch = logins[BROKER], logins[EFFECTS], logins[KILL_SWITCH]
            database = DatabaseSettings.model_validate({"url": postgres.url(STORE_DATABASE, STORE_OWNER)})
            await prepare_database(database)
            own = settings.model_copy(
                update={
                    "home": folder,
                    "database": database,
                    "vault": VaultSettings.model_validate(
                        {
                            "addr": openbao.address,
                            "role_id": broker.role_id,
                            "secret_id": broker.secret_id,
                            "effects_role_id": effects.role_id,
                            "effects_secret_id": effects.secret_id,
                            "killswitch_role_id": killswitch.role_id,
                            "killswitch_secret_id": killswitch.secret_id,
                        }
                    ),
                    "resources": {
                        "insurer": ResourceSettings(host="127.0.0.1", port=postgres.port, database=INSURER_DATABASE)
                    },
                }
            )
            yield ProvingGround(own, postgres)
        finally:
            _stop(vault_process, signal.SIGTERM)
    finally:
        _stop(database_process, signal.SIGINT)


async def _until_ready(server: _Server, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _READY_SECONDS
    while True:
        try:
            return await server.check()
        except Unavailable:
            if process.poll() is not None or time.monotonic() > end:
                raise
        await asyncio.sleep(0.05)


def _stop(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    process.send_signal(number)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
