"""Whoever writes the database rewrites the journal; each rewrite is named by what is missing, and since when."""

import json
from collections.abc import Awaitable, Callable

import pytest

from overseen.journal import SYSTEM, Break, Verdict
from overseen.journal.errors import JournalDamaged, WitnessContradicts
from tests.contract.journal.conftest import Installation
from tests.journal_attacks import Row

Attack = Callable[[Installation], Awaitable[list[tuple[str, str]]]]


def without(rows: list[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["kind"] != kind]


async def rewrite_an_anchor_without_its_signature(there: Installation) -> list[tuple[str, str]]:
    def pay_more(rows: list[Row]) -> list[Row]:
        for row in rows:
            if row["kind"] in ("RunEnded", "RulingComputed"):
                row["payload"] = {**row["payload"], "amount": "9999.00"}
        return rows

    await there.attacker.rewrite(there.paid, pay_more)
    [head] = await there.attacker.sql("SELECT * FROM journal_heads WHERE stream = :run", run=there.paid)

    def unsigned(rows: list[Row]) -> list[Row]:
        for row in rows:
            if row["kind"] == "ChainClosed":
                row["payload"] = {"run_id": there.paid, "sequence": head.sequence, "head_hash": head.head_hash}
        return rows

    await there.attacker.rewrite(SYSTEM, unsigned)
    await there.attacker.sql("UPDATE journal_heads SET signature = NULL WHERE stream = :run", run=there.paid)
    await there.attacker.sql("UPDATE runs SET amount = 9999 WHERE run_id = :run", run=there.paid)
    return [
        (there.paid, "was closed without a signature"),
        (there.paid, "those before were rewritten"),
        (SYSTEM, "those before were rewritten"),
    ]


async def delete_a_paid_run_with_chat_and_anchor(there: Installation) -> list[tuple[str, str]]:
    streams = {"run": there.paid, "task": there.paid_task}
    await there.attacker.rewrite(SYSTEM, lambda rows: without(rows, "ChainClosed"))
    for table in ("journal", "journal_heads", "journal_checkpoint_heads", "journal_checkpoint_leaves"):
        await there.attacker.sql(f"DELETE FROM {table} WHERE stream IN (:run, :task)", **streams)
    await there.attacker.sql("DELETE FROM loss_matches WHERE :run IN (run_id, earlier_run_id)", run=there.paid)
    for table in ("authorizations", "loss_keys"):
        await there.attacker.sql(f"DELETE FROM {table} WHERE run_id = :run", run=there.paid)
    await there.attacker.sql("DELETE FROM runs WHERE run_id = :run", run=there.paid)
    for table in ("attachments", "messages", "tasks"):
        await there.attacker.sql(f"DELETE FROM {table} WHERE task_id = :task", task=there.paid_task)
    return [(there.paid, "the whole stream is missing"), (there.paid_task, "the whole stream is missing")]


async def cut_off_the_end_of_system(there: Installation) -> list[tuple[str, str]]:
    await there.attacker.rewrite(SYSTEM, lambda rows: rows[:-2])
    return [(SYSTEM, "are missing; checkpoint 2 witnessed them")]


async def remove_sign_ins(there: Installation) -> list[tuple[str, str]]:
    await there.attacker.rewrite(SYSTEM, lambda rows: without(rows, "SignedIn"))
    await there.attacker.sql("DELETE FROM sign_ins")
    return [(SYSTEM, "are missing; checkpoint 2 witnessed them")]


async def remove_findings_of_a_waiting_run(there: Installation) -> list[tuple[str, str]]:
    await there.attacker.rewrite(there.waiting, lambda rows: without(rows, "FindingReported"))
    return [(there.waiting, "are missing; checkpoint 2 witnessed them")]


async def truncate_a_chat(there: Installation) -> list[tuple[str, str]]:
    await there.attacker.rewrite(there.waiting_task, lambda rows: without(rows, "QuestionAsked"))
    await there.attacker.sql("DELETE FROM messages WHERE kind = 'question'")
    return [(there.waiting_task, "are missing; checkpoint 2 witnessed them")]


async def open_a_closed_run_again(there: Installation) -> list[tuple[str, str]]:
    await there.attacker.sql(
        "UPDATE journal_heads SET closed = false, signature = NULL WHERE stream = :r", r=there.paid
    )
    return [(there.paid, "is open again")]


async def change_the_order(there: Installation) -> list[tuple[str, str]]:
    await there.attacker.sql(
        "UPDATE journal SET entry_id = entry_id + 1000000 WHERE stream = :run AND sequence ="
        " (SELECT max(sequence) FROM journal WHERE stream = :run)",
        run=there.waiting,
    )
    return [(there.waiting, "the order columns (entry_id, once_key)")]


async def delete_everything(there: Installation) -> list[tuple[str, str]]:
    await there.attacker.delete_everything()
    return [
        ("checkpoints", "was rolled back or emptied"),
        (SYSTEM, "the whole stream is missing"),
        (there.paid, "the whole stream is missing"),
        (there.waiting_task, "the whole stream is missing"),
    ]


async def swap_places_within_a_run(there: Installation) -> list[tuple[str, str]]:
    await there.attacker.sql(
        "UPDATE journal SET entry_id = -entry_id WHERE stream = :run AND sequence = 3", run=there.waiting
    )
    return [(there.waiting, "is before that of an earlier one")]


async def free_a_key_of_once(there: Installation) -> list[tuple[str, str]]:
    await there.attacker.sql(
        "UPDATE journal SET once_key = once_key || ' ' WHERE stream = :run AND once_key IS NOT NULL", run=there.waiting
    )
    return [(there.waiting, "the order columns (entry_id, once_key)")]


async def strip_a_signature(there: Installation) -> list[tuple[str, str]]:
    await there.attacker.sql("UPDATE journal_checkpoints SET signature = '' WHERE number = 2")
    return [("checkpoints", "its signature is not ours")]


async def forge_a_checkpoint(there: Installation) -> list[tuple[str, str]]:
    """With a signature that was really made, for the head of a run."""
    signature = await there.key.sign("ab" * 32)
    await there.attacker.sql(
        "INSERT INTO journal_checkpoints SELECT number + 1, at, previous, root, streams, entries, moved_digest, :made"
        " FROM journal_checkpoints WHERE number = 2",
        made=signature,
    )
    return [("checkpoints", "its signature is not ours"), ("checkpoints", "does not follow")]


async def forget_a_checkpoint(there: Installation) -> list[tuple[str, str]]:
    await there.attacker.sql("DELETE FROM journal_checkpoints WHERE number = 1")
    return [("checkpoints", "checkpoints 1 to 1 are missing")]


ATTACKS: list[Attack] = [
    rewrite_an_anchor_without_its_signature,
    delete_a_paid_run_with_chat_and_anchor,
    cut_off_the_end_of_system,
    remove_sign_ins,
    remove_findings_of_a_waiting_run,
    truncate_a_chat,
    open_a_closed_run_again,
    change_the_order,
    delete_everything,
    swap_places_within_a_run,
    free_a_key_of_once,
    strip_a_signature,
    forge_a_checkpoint,
    forget_a_checkpoint,
]


def named(breaks: tuple[Break, ...], stream: str, problem: str) -> Break | None:
    return next((found for found in breaks if found.stream == stream and problem in found.problem), None)


async def test_an_installation_that_was_left_alone_is_verified(installation: Installation) -> None:
    found = await installation.verify()
    assert (found.verdict, found.breaks, found.unproven) == (Verdict.VERIFIED, (), ())
    assert (found.checkpoints, found.witnessed_number, found.unwitnessed) == (2, 2, 0)
    assert found.since is not None
    assert found.until is not None
    assert found.since < found.until
    assert found.signatures_checked == 3  # two checkpoints and the run that ended
    assert found.rows_compared > 15


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_each_rewrite_is_named(installation: Installation, attack: Attack) -> None:
    expected = await attack(installation)
    found = await installation.verify()
    assert found.verdict is Verdict.BROKEN
    for stream, problem in expected:
        assert named(found.breaks, stream, problem), (stream, problem, found.breaks)


@pytest.mark.parametrize(
    "attack", [delete_a_paid_run_with_chat_and_anchor, cut_off_the_end_of_system, delete_everything, truncate_a_chat]
)
async def test_what_is_missing_is_dated_by_who_saw_it_last(installation: Installation, attack: Attack) -> None:
    seen_at = json.loads(installation.file.read_text().splitlines()[-1])["at"]
    stream, problem = (await attack(installation))[-1]
    missing = named((await installation.verify()).breaks, stream, problem)
    assert missing is not None
    assert missing.since is not None
    assert missing.since.isoformat() == seen_at


async def test_a_database_that_was_rolled_back_is_named(installation: Installation) -> None:
    await installation.attacker.back_up()
    later = await installation.house.submit("later")
    await installation.checkpoint()
    await installation.attacker.roll_back()
    found = await installation.verify()
    assert found.verdict is Verdict.BROKEN
    assert named(found.breaks, "checkpoints", "was rolled back")
    assert named(found.breaks, later.run_id, "the whole stream is missing: 1 entries")
    assert named(found.breaks, later.task_id, "the whole stream is missing")


@pytest.mark.parametrize("attack", [delete_everything, cut_off_the_end_of_system, remove_findings_of_a_waiting_run])
async def test_nothing_is_signed_on_top_of_a_journal_that_lost_entries(
    installation: Installation, attack: Attack
) -> None:
    await attack(installation)
    before = installation.file.read_text()
    with pytest.raises((JournalDamaged, WitnessContradicts)):
        await installation.service().turn()
    assert installation.file.read_text() == before


async def test_a_worker_does_not_go_on_after_a_rollback_as_if_nothing_was(installation: Installation) -> None:
    await installation.attacker.back_up()
    await installation.house.submit("later")
    await installation.checkpoint()
    await installation.attacker.roll_back()
    await installation.house.submit("another")
    with pytest.raises(WitnessContradicts, match="rolled back"):
        await installation.service().turn()


async def test_entries_rewritten_before_they_are_witnessed_again_are_still_named(installation: Installation) -> None:
    """A fork that grew longer than what was witnessed."""

    def retell(rows: list[Row]) -> list[Row]:
        kept = without(rows, "FindingReported")
        more = ({**kept[-1], "entry_id": 1_000_000 + number, "once_key": None} for number in range(3))
        return [*kept, *more]

    await installation.attacker.rewrite(installation.waiting, retell)
    found = await installation.verify()
    assert named(found.breaks, installation.waiting, "those before were rewritten")
    with pytest.raises(JournalDamaged):
        await installation.service().turn()


ROWS = [
    ("UPDATE reviews SET edited_by = 'acc_reviewer' WHERE run_id = :waiting", "edited_by acc_reviewer"),
    ("UPDATE reviews SET task_id = 'x' WHERE run_id = :waiting", "task_id x"),
    (
        "INSERT INTO sign_ins (token_digest, kind, account_id, created_at, expires_at)"
        " VALUES ('x', 'token', 'acc_reviewer', now(), now() + interval '9 days')",
        "that nobody made it",
    ),
    ("UPDATE sign_ins SET expires_at = now() + interval '9 days' WHERE kind = 'session'", "that it ended before"),
    ("UPDATE sign_ins SET kind = 'session' WHERE kind = 'link'", "that nobody signed in then"),
    (
        "INSERT INTO sign_ins (token_digest, kind, account_id, created_at, expires_at)"
        " SELECT 'x', kind, account_id, created_at, expires_at FROM sign_ins WHERE kind = 'session'",
        "that nobody signed in then",
    ),
    ("UPDATE runs SET state = 'closed' WHERE run_id = :waiting", "state closed"),
    ("UPDATE runs SET amount = 1 WHERE run_id = :paid", "amount 1"),
    ("UPDATE runs SET outcome = 'deny' WHERE run_id = :waiting", "outcome deny"),
    ("UPDATE runs SET boundary = 'automate' WHERE run_id = :waiting", "boundary automate"),
    ("UPDATE reviews SET state = 'applied' WHERE run_id = :waiting", "state applied"),
    ("UPDATE reviews SET proposal_digest = repeat('0', 64) WHERE run_id = :waiting", "proposal_digest 0000"),
    ("DELETE FROM reviews WHERE run_id = :waiting", "is missing"),
    ("UPDATE messages SET author = 'overseen' WHERE kind = 'question'", "author overseen"),
    ("UPDATE messages SET created_at = created_at - interval '1 day' WHERE kind = 'question'", "created_at"),
    ("DELETE FROM messages WHERE kind = 'question'", "is missing"),
    ("UPDATE accounts SET roles = '{operator}' WHERE name = 'ann'", "roles ['operator']"),
    ("UPDATE accounts SET disabled_at = now() WHERE name = 'ann'", "state disabled"),
    (
        "INSERT INTO accounts (account_id, name, display_name, roles, created_at)"
        " VALUES ('acc_x', 'x', 'x', '{operator}', now())",
        "was put in",
    ),
    (
        "INSERT INTO sign_ins (token_digest, kind, account_id, created_at, expires_at)"
        " VALUES ('x', 'session', 'acc_reviewer', now(), now() + interval '1 day')",
        "that nobody signed in then",
    ),
    (
        "INSERT INTO authorizations (authorization_id, run_id, call_digest, granted_by, created_at)"
        " VALUES ('leave_x', :waiting, 'x', 'boundary', now())",
        "was put in",
    ),
    (
        "INSERT INTO decisions (decision_id, review_id, run_id, kind, reviewer_id, reason_blob, proposal_digest,"
        " created_at) SELECT 'dec_x', review_id, run_id, 'approve', 'acc_reviewer', 'x', proposal_digest, now()"
        " FROM reviews",
        "was put in",
    ),
]


async def test_rows_that_pages_show_are_held_against_the_journal(installation: Installation) -> None:
    await installation.attacker.back_up()
    for statement, shown in ROWS:
        values = {name: getattr(installation, name) for name in ("waiting", "paid") if f":{name}" in statement}
        await installation.attacker.sql(statement, **values)
        found = await installation.verify()
        assert found.verdict is Verdict.BROKEN, statement
        assert any(shown in item.problem for item in found.breaks), (statement, found.breaks)
        await installation.attacker.roll_back()
    assert (await installation.verify()).breaks == ()
