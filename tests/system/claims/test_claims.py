"""A claim through the whole house with every part real; only the model is scripted."""

import asyncio
import random
import signal

import pytest
from sqlalchemy import select

from overseen.journal import verify
from overseen.secrets.connect import broker_vault
from overseen.secrets.signer import HeadSigner
from overseen.store.tables import LeaseRecord, ServiceReport
from tests.stack_fixtures import Insurer
from tests.system.claims.conftest import Workers, at_rest

pytestmark = pytest.mark.slow

SERVICES = ("canary", "sweeper", "reconciler")


async def living_leases(services) -> list[str]:
    async with services.database.read() as session:
        rows = await session.scalars(select(LeaseRecord).where(LeaseRecord.state.not_in(("closed", "refused"))))
        return [f"{row.tool}:{row.state}" for row in rows]


async def effects(insurer: Insurer) -> tuple[int, int, int]:
    """How many payments, letters and claims of this test the insurer has."""
    paid = await insurer.rows("SELECT count(*) FROM payments")
    sent = await insurer.rows("SELECT count(*) FROM outbox")
    claims = await insurer.rows("SELECT count(*) FROM claims WHERE idempotency_key LIKE 'call_%%'")
    return int(str(paid[0][0])), int(str(sent[0][0])), int(str(claims[0][0]))


async def test_a_plain_claim_is_settled_with_every_part_real(services, workers: Workers, hand_in, insurer) -> None:
    workers.start()
    submitted = await hand_in()
    assert await at_rest(services, submitted.run_id) == "settled", workers.log.read_text()[-3000:]
    run = await services.runs.run(submitted.run_id)
    assert (str(run.amount), run.currency, run.boundary) == ("492.80", "GBP", "automate")
    rows = await insurer.rows("SELECT payee, amount::text, currency FROM payments")
    assert rows == [("20-45-11 60317752", "492.80", "GBP")]
    assert await effects(insurer) == (1, 1, 1)
    assert await living_leases(services) == []
    async with services.database.read() as session:
        reports = {row.name: row for row in (await session.scalars(select(ServiceReport))).all()}
    assert {
        name: (row.ok, row.detail.get("message")) for name, row in reports.items() if name in SERVICES
    } == dict.fromkeys(SERVICES, (True, None))
    assert reports["reconciler"].detail["findings"] == 0
    signer = HeadSigner(broker_vault(workers.settings.vault))
    checked = await verify(services.journal, signatures=signer)
    assert checked.breaks == ()
    assert checked.signatures_checked == 1 + checked.checkpoints


async def test_a_worker_killed_at_ten_random_points_repeats_nothing(
    services, workers: Workers, hand_in, insurer
) -> None:
    dice = random.Random(7)
    worker = workers.start()
    submitted = await hand_in()
    for _ in range(10):
        await asyncio.sleep(dice.uniform(0.3, 4.0))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker = workers.start()
    assert await at_rest(services, submitted.run_id, 240) == "settled", workers.log.read_text()[-3000:]
    assert str((await services.runs.run(submitted.run_id)).amount) == "492.80"
    assert await effects(insurer) == (1, 1, 1)
    for _ in range(300):
        if not await living_leases(services):
            break
        await asyncio.sleep(0.1)
    assert await living_leases(services) == []
    assert (await verify(services.journal)).holds
