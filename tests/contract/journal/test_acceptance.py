"""Going on after a restore from a backup, or after a witness was lost."""

import pytest

from overseen.engine.acceptance import Acceptance
from overseen.errors import InvalidInput
from overseen.journal import SYSTEM, Verdict, seal_chain
from overseen.journal.errors import JournalDamaged, WitnessContradicts
from overseen.journal.events import JournalAccepted, StepStarted
from tests.contract.journal.conftest import Installation


def acceptance(there: Installation) -> Acceptance:
    return Acceptance(
        database=there.house.database,
        journal=there.house.journal,
        blobs=there.house.blobs,
        signer=there.key,
        signatures=there.key,
        witnesses=[there.witness],
    )


async def roll_back(there: Installation) -> None:
    await there.attacker.back_up()
    await there.house.submit("lost")
    await there.checkpoint()
    await there.attacker.roll_back()


async def test_after_a_restore_somebody_says_so_and_it_goes_on(installation: Installation) -> None:
    await roll_back(installation)
    held = installation.file.read_text()
    with pytest.raises(WitnessContradicts):
        await installation.service().turn()
    said = await acceptance(installation).accept(reason="Restored last night's backup.", by="operator:olga")
    assert "it was rolled back" in said.set_aside[0]
    await installation.house.submit("anew")
    await installation.checkpoint()
    found = await installation.verify()
    assert (found.breaks, found.verdict) == ((), Verdict.VERIFIED)
    [accepted] = found.accepted
    assert "operator:olga" in accepted
    assert "holds checkpoints up to 3, the database up to 2" in accepted
    [aside] = installation.file.parent.glob("*.set-aside-*")
    assert aside.read_text() == held


async def test_after_a_witness_was_lost_somebody_says_so(installation: Installation) -> None:
    installation.file.unlink()
    await acceptance(installation).accept(reason="The disk died.", by="operator:olga")
    await installation.checkpoint()
    found = await installation.verify()
    assert (found.verdict, len(found.accepted)) == (Verdict.VERIFIED, 1)


async def test_runs_that_an_earlier_version_left_unsigned_are_accepted_by_name(installation: Installation) -> None:
    """Made as if they had been there before the first checkpoint."""
    house = installation.house
    await installation.attacker.sql(
        "TRUNCATE journal_checkpoints, journal_checkpoint_heads, journal_checkpoint_leaves, journal_checkpoint_buckets,"
        " journal_witnesses"
    )
    installation.file.unlink()
    await house.journal.append(StepStarted(step_id="s", agent="x"), stream="run_old", actor="worker:1")
    async with house.database.transaction() as session:
        await house.journal.close_chain("run_old", signature=None, actor="service:journal", session=session)
    await installation.checkpoint()
    assert (await installation.verify()).unsigned == ("run_old",)
    said = await acceptance(installation).accept(reason="Vault was down in March.", by="operator:olga")
    assert said.unsigned == ("run_old",)
    found = await installation.verify()
    assert (found.verdict, found.unsigned) == (Verdict.VERIFIED, ())
    assert "run_old is unsigned" in found.accepted[0]


async def test_a_database_that_is_damaged_by_itself_is_not_accepted(installation: Installation) -> None:
    await roll_back(installation)
    await installation.attacker.sql(
        "DELETE FROM journal WHERE stream = :run AND sequence = 2", run=installation.waiting
    )
    before = installation.file.read_text()
    with pytest.raises(JournalDamaged, match="does not hold"):
        await acceptance(installation).accept(reason="Never mind.", by="operator:olga")
    assert installation.file.read_text() == before


@pytest.mark.parametrize("reason", ["", "  ", "Just because."])
async def test_nothing_is_accepted_without_a_reason_or_a_cause(installation: Installation, reason: str) -> None:
    with pytest.raises(InvalidInput):
        await acceptance(installation).accept(reason=reason, by="operator:olga")


async def test_an_acceptance_that_nobody_signed_is_a_break(installation: Installation) -> None:
    forged = JournalAccepted(reason_blob="x", set_aside=(), unsigned=(installation.paid,), signature="vault:v1:eA==")
    await installation.house.journal.append(forged, stream=SYSTEM, actor="operator:mallory")
    [item] = (await installation.verify()).breaks
    assert (item.stream, item.problem) == (SYSTEM, "an acceptance that was not signed by us")


async def test_sealing_twice_is_sealing_once(installation: Installation) -> None:
    house = installation.house
    assert not await seal_chain(house.database, house.journal, installation.key, installation.paid, actor="x")
