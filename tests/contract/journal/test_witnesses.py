"""Checkpoints and witnesses: crashes, workers side by side, witnesses that forget, and what cannot be looked at."""

import asyncio
import json
import signal
import stat
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from overseen.errors import Unavailable
from overseen.journal import SYSTEM, Journal, Verdict, events, seal_chain, seal_or_leave, verify
from overseen.journal.checkpointing import Checkpointer
from overseen.journal.checkpoints import Checkpoint, read_line
from overseen.journal.errors import JournalDamaged, WitnessContradicts, WitnessUnavailable
from overseen.journal.file_witness import FileWitness
from overseen.journal.merkle import Head, root_over
from overseen.journal.witnesses import Witnesses
from overseen.store import Database
from overseen.store.tables import CheckpointLeaf, CheckpointRow
from tests.contract.journal.conftest import Installation
from tests.journal_attacks import Attacker, LocalKey


def started(number: int) -> events.StepStarted:
    return events.StepStarted(step_id=f"s{number}", agent="extractor")


@pytest.fixture
def journal(database: Database) -> Journal:
    return Journal(database)


async def fill(journal: Journal, stream: str, count: int = 1) -> None:
    for number in range(count):
        await journal.append(started(number), stream=stream, actor="worker:1", once=f'{number}:ü\n"')


# --- checkpoints ----------------------------------------------------------------------------------------------------


async def test_a_checkpoint_covers_what_moved_and_roots_over_everything(
    database: Database, journal: Journal, key: LocalKey
) -> None:
    checkpointer = Checkpointer(database, key)
    for number in range(40):
        await fill(journal, f"run_{number}", 2)
    [first] = await checkpointer.make()
    assert await checkpointer.make() == []
    await fill(journal, "run_x", 3)
    await journal.append(started(9), stream="run_7", actor="worker:1")
    [second] = await checkpointer.make()
    assert (first.streams, first.entries, second.streams, second.entries) == (40, 80, 41, 84)
    assert {head.stream: head.sequence for head in second.moved or ()} == {"run_7": 3, "run_x": 3}
    assert second.previous == first.digest
    async with database.read() as session:
        leaves = (await session.scalars(select(CheckpointLeaf))).all()
    heads = [
        Head(stream=leaf.stream, sequence=leaf.sequence, head_hash=leaf.head_hash, closed=leaf.closed)
        for leaf in leaves
    ]
    assert root_over(heads) == second.root
    assert await key.verify(second.signed_text, second.signature)


async def test_many_heads_make_several_checkpoints(
    database: Database, journal: Journal, key: LocalKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overseen.journal.checkpointing.MAX_HEADS", 10)
    for number in range(25):
        await fill(journal, f"run_{number}")
    made = await Checkpointer(database, key).make()
    assert [len(checkpoint.moved or ()) for checkpoint in made] == [10, 10, 5]
    assert (await verify(journal, signatures=key)).breaks == ()


async def test_an_entry_that_is_committed_late_is_covered_later(
    database: Database, journal: Journal, key: LocalKey
) -> None:
    """Its id is below one that was seen before it."""
    checkpointer = Checkpointer(database, key)
    await fill(journal, "run_1")
    await checkpointer.make()
    async with database.transaction() as session:
        await journal.append(started(1), stream="run_late", actor="worker:1", session=session)
        await fill(journal, "run_2")
        [early] = await checkpointer.make()
    [late] = await checkpointer.make()
    assert [head.stream for head in early.moved or ()] == ["run_2"]
    assert [head.stream for head in late.moved or ()] == ["run_late"]


async def test_a_checkpoint_is_one_line_and_comes_back_the_same(
    database: Database, journal: Journal, key: LocalKey
) -> None:
    await fill(journal, "run_1", 2)
    [made] = await Checkpointer(database, key).make()
    assert "\n" not in made.line()
    assert read_line(made.line()) == made
    assert read_line(made.without_moved().line()).digest == made.digest
    for broken in ("", "{}", "[]", made.line()[:-1], made.line().replace('"number":1', '"number":"1"')):
        with pytest.raises(ValueError, match="checkpoint"):
            read_line(broken)


async def test_a_head_that_is_not_where_its_entries_end_is_not_signed(
    database: Database, journal: Journal, key: LocalKey
) -> None:
    """A signature over a hash of somebody's choice would be good for anything."""
    await fill(journal, "run_1", 2)
    await Attacker(database).sql("UPDATE journal_heads SET head_hash = repeat('a', 64)")
    with pytest.raises(JournalDamaged):
        await Checkpointer(database, key).make()
    with pytest.raises(JournalDamaged):
        await seal_chain(database, journal, key, "run_1", actor="service:journal")
    await Attacker(database).sql("UPDATE journal SET hash = repeat('a', 64) WHERE sequence = 2")
    with pytest.raises(JournalDamaged):
        await seal_chain(database, journal, key, "run_1", actor="service:journal")
    assert key.signed == []


async def test_a_chain_that_grows_while_it_is_signed_is_signed_where_it_ends(
    database: Database, journal: Journal, key: LocalKey
) -> None:
    await fill(journal, "run_1", 2)

    class Slow(LocalKey):
        async def sign(self, text: str, /) -> str:
            if not key.signed:
                await journal.append(started(7), stream="run_1", actor="worker:1")
            return await key.sign(text)

    assert await seal_chain(database, journal, Slow(), "run_1", actor="service:journal")
    [anchor] = await journal.entries(SYSTEM)
    assert anchor.payload["sequence"] == 3
    assert (await verify(journal, signatures=key)).breaks == ()


# --- an honest installation -----------------------------------------------------------------------------------------


async def test_a_busy_journal_with_several_workers_is_verified(
    database: Database, journal: Journal, key: LocalKey, tmp_path: Path, installation: Installation
) -> None:
    done = asyncio.Event()

    async def write(number: int) -> None:
        turn = 0
        while not done.is_set():
            stream = f"run_{number}_{turn // 7}"
            await journal.append(started(turn), stream=stream, actor=f"worker:{number}")
            if turn % 7 == 6:
                await seal_chain(database, journal, key, stream, actor="service:journal")
            turn += 1

    async def tell() -> None:
        service = installation.service()
        while not done.is_set():
            turn = await service.turn()
            assert turn is None or turn.ok

    writers = [asyncio.create_task(write(number)) for number in range(4)]
    workers = [asyncio.create_task(tell()) for _ in range(3)]
    for _ in range(4):
        await asyncio.sleep(0.3)
        found = await installation.verify()
        assert found.breaks == ()
        assert found.verdict is Verdict.VERIFIED
    done.set()
    await asyncio.gather(*writers, *workers)
    await installation.checkpoint()
    found = await installation.verify()
    assert (found.verdict, found.unwitnessed) == (Verdict.VERIFIED, 0)
    assert found.checkpoints > 4


async def test_what_came_after_the_last_checkpoint_is_said_to_be_unwitnessed(installation: Installation) -> None:
    await installation.house.submit("more")
    found = await installation.verify()
    assert (found.verdict, found.unwitnessed) == (Verdict.VERIFIED, 2)


async def test_an_installation_that_upgrades_is_verified_since_its_first_checkpoint(
    journal: Journal, database: Database, key: LocalKey, tmp_path: Path
) -> None:
    """With a run that an earlier version closed without a signature."""
    for stream in ("run_old", "run_unsigned"):
        await fill(journal, stream, 3)
    await seal_chain(database, journal, key, "run_old", actor="service:journal")
    async with database.transaction() as session:
        await journal.close_chain("run_unsigned", signature=None, actor="service:journal", session=session)
    witness = FileWitness(tmp_path / "journal.jsonl")
    before = await verify(journal, signatures=key, witnesses=[witness])
    assert (before.verdict, before.since) == (Verdict.NOT_VERIFIED, None)
    assert any("No checkpoint was made yet" in reason for reason in before.unproven)
    await Checkpointer(database, key).make()
    await Witnesses(database, [witness]).bring_up_to_date()
    found = await verify(journal, signatures=key, witnesses=[witness])
    assert (found.breaks, found.verdict) == ((), Verdict.NOT_VERIFIED)
    [reason] = found.unproven
    assert "run_unsigned was closed without a signature" in reason
    assert "before the first checkpoint" in reason
    assert found.since is not None


async def test_a_chain_closed_without_a_signature_from_now_on_is_a_break(installation: Installation) -> None:
    await fill(installation.house.journal, "run_new", 2)
    async with installation.house.database.transaction() as session:
        await installation.house.journal.close_chain("run_new", signature=None, actor="x", session=session)
    found = await installation.verify()
    assert [(item.stream, item.problem) for item in found.breaks] == [("run_new", "was closed without a signature")]


async def test_a_run_that_ends_while_vault_is_away_is_sealed_later(installation: Installation) -> None:
    house = installation.house
    installation.key.away = True
    submitted = await house.submit("without vault")
    await house.work()  # the second of the fixture's claims waits, this one too: its command is the oldest
    await seal_or_leave(house.database, house.journal, installation.key, submitted.run_id)
    head = await house.journal.head(submitted.run_id)
    assert head is not None
    assert not head.closed
    installation.key.away = False
    await Attacker(house.database).sql(
        "UPDATE runs SET state = 'closed', ended_at = now() - interval '2 minutes' WHERE run_id = :run",
        run=submitted.run_id,
    )
    turn = await installation.service().turn()
    assert turn is not None
    assert turn.detail["sealed"] == 1
    head = await house.journal.head(submitted.run_id)
    assert head is not None
    assert (head.closed, head.signature is not None) == (True, True)


async def test_the_file_is_for_its_owner_only(installation: Installation) -> None:
    assert stat.S_IMODE(installation.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(installation.file.parent.stat().st_mode) == 0o700
    for line in installation.file.read_text().splitlines():
        assert set(json.loads(line)) == {
            "number",
            "at",
            "previous",
            "root",
            "streams",
            "entries",
            "moved",
            "moved_digest",
            "signature",
        }


# --- crashes --------------------------------------------------------------------------------------------------------

_DIES = """
    import asyncio, os, signal, sys
    from pathlib import Path
    from overseen.engine.witnessing import WitnessService
    from overseen.journal import Journal
    from overseen.journal.file_witness import FileWitness
    from overseen.store import Database

    class Plain:
        async def sign(self, text, /):
            return "vault:v1:" + text

    class Dies(FileWitness):
        async def tell(self, checkpoints):
            os.kill(os.getpid(), signal.SIGKILL)

    async def main():
        database = Database(sys.argv[1])
        journal = Journal(database)
        witness = Dies(Path(sys.argv[2]))
        await WitnessService(database=database, journal=journal, signer=Plain(), witnesses=[witness]).turn()

    asyncio.run(main())
"""


class PlainKey:
    async def sign(self, text: str, /) -> str:
        return f"vault:v1:{text}"

    async def verify(self, text: str, signature: str, /) -> bool:
        return signature == f"vault:v1:{text}"


async def test_a_worker_killed_between_database_and_witness_is_mended_and_no_tampering(
    database: Database, database_url: str, journal: Journal, tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    witness, key = FileWitness(path), PlainKey()
    await fill(journal, "run_1", 3)
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            textwrap.dedent(_DIES),
            database_url.replace("postgresql://", "postgresql+psycopg://"),
            str(path),
        )
        assert await process.wait() == -signal.SIGKILL
    async with database.read() as session:
        assert [row.number for row in await session.scalars(select(CheckpointRow))] == [1]
    assert not path.exists()
    found = await verify(journal, signatures=key, witnesses=[witness])
    assert (found.breaks, found.verdict) == ((), Verdict.NOT_VERIFIED)
    [told] = await Witnesses(database, [witness]).bring_up_to_date()
    assert (told.number, told.problem) == (1, "")
    assert (await verify(journal, signatures=key, witnesses=[witness])).verdict is Verdict.VERIFIED


@pytest.mark.parametrize("cut", [1, 40, 200])
async def test_a_line_that_a_crash_cut_short_is_written_anew(
    journal: Journal, database: Database, key: LocalKey, tmp_path: Path, cut: int
) -> None:
    path = tmp_path / "journal.jsonl"
    witness, checkpointer = FileWitness(path), Checkpointer(database, key)
    witnesses = Witnesses(database, [witness])
    await fill(journal, "run_1")
    await checkpointer.make()
    await witnesses.bring_up_to_date()
    await fill(journal, "run_2")
    [second] = await checkpointer.make()
    with path.open("a") as file:
        file.write(second.line()[:cut])
    found = await verify(journal, signatures=key, witnesses=[witness])
    assert (found.breaks, found.witnessed_number) == ((), 1)
    await witnesses.bring_up_to_date()
    found = await verify(journal, signatures=key, witnesses=[witness])
    assert (found.verdict, found.witnessed_number) == (Verdict.VERIFIED, 2)


async def test_told_and_killed_before_that_was_written_down_tells_nothing_twice(installation: Installation) -> None:
    await Attacker(installation.house.database).sql("UPDATE journal_witnesses SET number = 1")
    before = installation.file.read_text()
    await installation.checkpoint()
    assert installation.file.read_text() == before
    assert (await installation.verify()).verdict is Verdict.VERIFIED


# --- witnesses that forget, and what cannot be looked at --------------------------------------------------------------


async def test_a_witness_that_was_cut_is_named_and_not_filled_up(installation: Installation) -> None:
    lines = installation.file.read_text().splitlines(keepends=True)
    installation.file.write_text(lines[0])
    found = await installation.verify()
    assert found.verdict is Verdict.BROKEN
    assert any("it was cut: it was told up to checkpoint 2" in item.problem for item in found.breaks)
    with pytest.raises(WitnessContradicts):
        await installation.service().turn()
    assert installation.file.read_text() == lines[0]


async def test_a_witness_that_is_gone_is_not_verified_and_not_made_anew(installation: Installation) -> None:
    installation.file.unlink()
    found = await installation.verify()
    assert (found.verdict, found.breaks) == (Verdict.NOT_VERIFIED, ())
    assert any("empty or gone; it was told up to checkpoint 2" in reason for reason in found.unproven)
    with pytest.raises(WitnessContradicts):
        await installation.service().turn()
    assert not installation.file.exists()


@pytest.mark.parametrize("damage", ["garbage\n", '{"number": 1}\n'])
async def test_a_witness_that_is_damaged_is_not_verified(installation: Installation, damage: str) -> None:
    lines = installation.file.read_text().splitlines(keepends=True)
    installation.file.write_text(lines[0] + damage + lines[1])
    found = await installation.verify()
    assert found.verdict is Verdict.NOT_VERIFIED
    assert any("is damaged" in reason for reason in found.unproven)


async def test_a_witness_that_was_rewritten_without_the_key_is_named(installation: Installation) -> None:
    lines = installation.file.read_text().splitlines()
    forged = json.loads(lines[1]) | {"entries": 7}
    installation.file.write_text(lines[0] + "\n" + json.dumps(forged) + "\n")
    found = await installation.verify()
    assert any("the signature it holds is not ours" in item.problem for item in found.breaks)


async def test_a_witness_that_cannot_be_read_is_not_verified(installation: Installation) -> None:
    installation.file.unlink()
    installation.file.mkdir()
    found = await installation.verify()
    assert (found.verdict, found.breaks) == (Verdict.NOT_VERIFIED, ())
    assert any("cannot be read" in reason for reason in found.unproven)


async def test_no_witness_is_not_verified(installation: Installation) -> None:
    found = await verify(installation.house.journal, signatures=installation.key, witnesses=[])
    assert (found.verdict, found.unproven) == (Verdict.NOT_VERIFIED, ("No witness was asked.",))


async def test_no_signatures_is_not_verified(installation: Installation) -> None:
    found = await verify(installation.house.journal, witnesses=[installation.witness])
    assert found.verdict is Verdict.NOT_VERIFIED
    assert "Signatures were not checked." in found.unproven


async def test_vault_away_is_an_error_never_a_verdict(installation: Installation) -> None:
    installation.key.away = True
    with pytest.raises(Unavailable):
        await installation.verify()
    with pytest.raises(Unavailable):
        await installation.house.submit("x")
        await installation.service().turn()


class Away(FileWitness):
    """A share that is not mounted now."""

    async def newest(self) -> Checkpoint | None:
        raise WitnessUnavailable("The share is away.")

    async def all(self) -> list[Checkpoint]:
        raise WitnessUnavailable("The share is away.")

    async def tell(self, checkpoints: Sequence[Checkpoint]) -> None:
        raise AssertionError


async def test_one_witness_away_keeps_none_of_the_others_from_being_told(
    installation: Installation, tmp_path: Path
) -> None:
    witnesses = [Away(tmp_path / "share.jsonl"), FileWitness(tmp_path / "third.jsonl")]
    told = await Witnesses(installation.house.database, witnesses).bring_up_to_date()
    assert [(one.number, bool(one.problem)) for one in told] == [(0, True), (2, False)]
    found = await verify(installation.house.journal, signatures=installation.key, witnesses=witnesses)
    assert found.verdict is Verdict.NOT_VERIFIED
    assert found.breaks == ()


async def test_a_run_alone_is_held_against_checkpoints_too(installation: Installation) -> None:
    """As its page does, without asking anybody outside the database."""
    assert (await verify(installation.house.journal, stream=installation.waiting)).holds
    await installation.attacker.rewrite(installation.waiting, lambda rows: rows[:-1])
    [item] = (await verify(installation.house.journal, stream=installation.waiting)).breaks
    assert "checkpoint 2 witnessed them" in item.problem
