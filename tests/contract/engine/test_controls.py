"""`overseen doctor` names every control, and says which one is off."""

import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from overseen.api.controls import CONTROLS, examine_controls
from overseen.engine.backups import backups_folder, make_backup
from overseen.engine.sandboxes import verdict_file
from overseen.engine.witnessing import WitnessService, configured_witnesses
from overseen.journal import SYSTEM, Journal
from overseen.journal.events import ReconcilerFinding
from overseen.secrets.connect import broker_vault
from overseen.secrets.signer import HeadSigner
from overseen.settings import BackupSettings, DatabaseSettings, Settings
from overseen.stack.doctor import Health
from overseen.store import Database, load_blob_key
from overseen.store.tables import ServiceReport, now
from overseen.tools.sandbox.verdicts import Verdict

Break = Callable[[Settings, Database], Awaitable[Settings | None]]


@pytest.fixture
async def in_order(settings: Settings, database: Database) -> Settings:
    """An installation with every control on."""
    load_blob_key(settings.keys_folder)
    verdict_file("bubblewrap", settings).write(Verdict(complete=True, attacks=48, at="2026-11-28T10:00:00"))
    async with database.transaction() as session:
        for name in ("canary", "sweeper", "reconciler"):
            session.add(ServiceReport(name=name, worker_id="w", at=now(), ok=True, detail={}))
    await make_backup(settings)
    vault = broker_vault(settings.vault)
    signer, witnesses = HeadSigner(vault), configured_witnesses(settings, vault)
    await WitnessService(database=database, journal=Journal(database), signer=signer, witnesses=witnesses).turn()
    await vault.close()
    return settings


async def health_of(settings: Settings) -> dict[str, Health]:
    return {control.name: control.health for control in await examine_controls(settings)}


async def test_every_control_is_on_where_all_is_in_order(in_order: Settings) -> None:
    found = await health_of(in_order)
    assert list(found) == [name for name, _ in CONTROLS]
    assert {name for name, health in found.items() if health is Health.FAIL} == set()


async def report(database: Database, name: str, **values: Any) -> None:
    async with database.transaction() as session:
        row = await session.get_one(ServiceReport, name)
        for column, value in values.items():
            setattr(row, column, value)


async def lost_attack(settings: Settings, database: Database) -> None:
    verdict_file("bubblewrap", settings).write(Verdict(complete=True, attacks=48, lost={"reads /etc/shadow": "root:"}))


async def never_attacked(settings: Settings, database: Database) -> None:
    verdict_file("bubblewrap", settings).path().unlink()


async def canary_dead(settings: Settings, database: Database) -> None:
    await report(database, "canary", ok=False, detail={"message": "Vault is sealed."})


async def sweeper_silent(settings: Settings, database: Database) -> None:
    await report(database, "sweeper", at=now() - timedelta(minutes=10))


async def unexplained_finding(settings: Settings, database: Database) -> None:
    await Journal(database).append(ReconcilerFinding(name="stray_token", detail={}), stream=SYSTEM, actor="test")


async def reconciler_behind(settings: Settings, database: Database) -> None:
    await report(database, "reconciler", detail={"lag_seconds": 4000.0})


async def witness_gone(settings: Settings, database: Database) -> None:
    assert settings.witness_file is not None
    settings.witness_file.unlink()


async def old_backup(settings: Settings, database: Database) -> None:
    (path,) = backups_folder(settings).iterdir()
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 48 * 3600))


async def backups_turned_off(settings: Settings, database: Database) -> Settings:
    return settings.model_copy(update={"backup": BackupSettings(enabled=False)})


async def key_open_to_others(settings: Settings, database: Database) -> None:
    (settings.keys_folder / "blob.key").chmod(0o644)


async def vault_without_tls(settings: Settings, database: Database) -> Settings:
    # This machine under an address that is not known to be its own, so that all else still works.
    addr = str(settings.vault.addr).replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - not listened on
    return settings.model_copy(update={"vault": settings.vault.model_copy(update={"addr": addr})})


async def no_login_for_effects(settings: Settings, database: Database) -> Settings:
    vault = settings.vault.model_copy(update={"effects_role_id": None})
    return settings.model_copy(update={"vault": vault})


@pytest.mark.parametrize(
    ("control", "broken"),
    [
        ("sandbox attested", lost_attack),
        ("sandbox attested", never_attacked),
        ("vault serves", canary_dead),
        ("leases end", sweeper_silent),
        ("reconciler quiet", unexplained_finding),
        ("reconciler quiet", reconciler_behind),
        ("witness fresh", witness_gone),
        ("backups", old_backup),
        ("backups", backups_turned_off),
        ("private files", key_open_to_others),
        ("encrypted ways", vault_without_tls),
        ("narrow logins", no_login_for_effects),
    ],
    ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else value.__name__,
)
async def test_the_control_that_is_off_is_named_and_no_other(
    in_order: Settings, database: Database, control: str, broken: Break
) -> None:
    changed = await broken(in_order, database) or in_order
    off = [found for found in await examine_controls(changed) if found.health is Health.FAIL]
    assert [found.name for found in off] == [control]
    assert off[0].detail
    assert off[0].next_step


async def test_a_database_that_is_out_of_reach_is_no_control_that_is_on(settings: Settings) -> None:
    gone = DatabaseSettings(url=SecretStr("postgresql://a:b@127.0.0.1:1/none"))
    assert Health.FAIL in (await health_of(settings.model_copy(update={"database": gone}))).values()


async def test_where_nothing_runs_yet_nothing_is_said_to_be_off(settings: Settings) -> None:
    fresh = settings.model_copy(update={"database": DatabaseSettings()})
    assert await health_of(fresh) == {"controls": Health.WARN}
