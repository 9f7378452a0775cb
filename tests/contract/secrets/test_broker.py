"""The life of a lease on a real OpenBao and a real PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import select, update

from overseen.journal import Journal
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.credentials import Fetched, MintedToken
from overseen.secrets.errors import LeaseEnded, LeaseLost, LeaseTooShort, VaultRefused
from overseen.secrets.secret import DatabaseCredential
from overseen.secrets.vault_client import VaultClient
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import LEASE_MANAGER
from overseen.store import Database
from overseen.store.tables import LeaseRecord, RunTokenRecord
from tests.contract.secrets.conftest import READ, WRITE, Grant, authorized_call, make_call
from tests.stack_fixtures import Insurer


async def rows(database: Database) -> list[LeaseRecord]:
    async with database.read() as session:
        return list((await session.scalars(select(LeaseRecord).order_by(LeaseRecord.lease_id))).all())


async def leased_roles(insurer: Insurer) -> list[str]:
    return [str(row[0]) for row in await insurer.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE 't-%%'")]


async def ask(credential: DatabaseCredential, query: str) -> list[tuple[object, ...]]:
    connection = await psycopg.AsyncConnection.connect(
        host=credential.host,
        port=credential.port,
        dbname=credential.database,
        user=credential.username,
        password=credential.password.reveal(),
    )
    async with connection:
        return list(await (await connection.execute(query.encode())).fetchall())


async def test_a_leased_role_works_during_the_call_and_is_gone_after(
    broker: LeaseBroker, database: Database, insurer: Insurer
) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30) as lease:
        credential = lease.credential("insurer_read")
        assert isinstance(credential, DatabaseCredential)
        assert await ask(credential, "SELECT count(*) FROM policies")
        assert credential.username in await leased_roles(insurer)
        assert (await rows(database))[0].state == "issued"
    with pytest.raises(psycopg.OperationalError):
        await ask(credential, "SELECT 1")
    assert credential.username not in await leased_roles(insurer)
    row = (await rows(database))[0]
    assert row.state == "closed"
    assert row.reason == "call_ended"
    assert row.proven_gone_at is not None
    assert row.principals == [credential.username]
    assert row.used_at is not None


async def test_a_role_that_is_gone_already_does_not_keep_its_lease_open(
    broker: LeaseBroker, database: Database, postgres_server: EmbeddedPostgres
) -> None:
    """As when OpenBao was killed after it dropped the role and before it wrote that down."""
    async with broker.lease(make_call(), [READ], wall_seconds=30) as lease:
        credential = lease.credential("insurer_read")
        assert isinstance(credential, DatabaseCredential)
        async with await postgres_server.connect() as connection:
            await connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(credential.username)))
    assert [(row.state, row.reason) for row in await rows(database)] == [("closed", "call_ended")]


async def test_a_role_without_a_lease_is_taken_away_by_the_next_lease_once_it_ran_out(
    broker: LeaseBroker, insurer: Insurer, postgres_server: EmbeddedPostgres
) -> None:
    """As when OpenBao was killed after it made the role and before it wrote the lease down."""
    async with await postgres_server.connect() as connection:
        for name, minutes in (("t-token-call-old-x", -2), ("t-token-call-new-x", 1)):
            role = sql.Identifier(name)
            ends = sql.Literal((datetime.now(UTC) + timedelta(minutes=minutes)).isoformat())
            await connection.execute(sql.SQL("CREATE ROLE {} LOGIN VALID UNTIL {}").format(role, ends))
            await connection.execute(
                sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(role, sql.Identifier(LEASE_MANAGER))
            )
        try:
            async with broker.lease(make_call(), [READ], wall_seconds=30):
                pass
            assert await leased_roles(insurer) == ["t-token-call-new-x"]
        finally:
            await connection.execute('DROP ROLE IF EXISTS "t-token-call-old-x", "t-token-call-new-x"')


async def test_every_call_has_a_token_also_without_grants(
    broker: LeaseBroker, database: Database, vault: VaultClient
) -> None:
    call = make_call()
    async with broker.lease(call, [], wall_seconds=30) as lease:
        answer = await vault.write("auth/token/lookup-accessor", {"accessor": lease.accessor})
        assert answer["data"]["meta"]["call_id"] == call.call_id
        assert answer["data"]["policies"] == ["grant-none"]
    with pytest.raises(VaultRefused):
        await vault.write("auth/token/lookup-accessor", {"accessor": lease.accessor})


async def test_the_journal_tells_of_issue_and_end(broker: LeaseBroker, journal: Journal) -> None:
    call = make_call()
    async with broker.lease(call, [READ], wall_seconds=30):
        pass
    kinds = [entry.kind for entry in await journal.entries(call.run_id)]
    assert kinds == ["LeaseIssued", "LeaseClosed"]


async def test_a_lease_ends_when_the_call_fails(broker: LeaseBroker, database: Database, insurer: Insurer) -> None:
    with pytest.raises(ZeroDivisionError):
        async with broker.lease(make_call(), [READ], wall_seconds=30):
            raise ZeroDivisionError
    assert (await rows(database))[0].state == "closed"
    assert (await rows(database))[0].reason == "call_failed"
    assert await leased_roles(insurer) == []


async def test_a_lease_ends_when_the_call_is_cancelled(
    broker: LeaseBroker, database: Database, insurer: Insurer
) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with broker.lease(make_call(), [READ], wall_seconds=30):
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await broker.drain()
    assert (await rows(database))[0].state == "closed"
    assert await leased_roles(insurer) == []


@pytest.mark.parametrize("after_seconds", [0.0, 0.005, 0.02, 0.04])
async def test_a_lease_ends_when_the_caller_is_cancelled_while_it_is_issued(
    broker: LeaseBroker, database: Database, insurer: Insurer, after_seconds: float
) -> None:
    async def work() -> None:
        async with broker.lease(make_call(), [READ], wall_seconds=30):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(after_seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await broker.drain()
    assert {row.state for row in await rows(database)} <= {"closed", "intent"}
    assert await leased_roles(insurer) == []


async def test_credentials_are_forgotten_after_the_block(broker: LeaseBroker) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30) as lease:
        pass
    with pytest.raises(LeaseEnded):
        lease.credential("insurer_read")


async def test_a_lease_has_no_grant_it_was_not_given(broker: LeaseBroker) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30) as lease:
        with pytest.raises(LeaseEnded):
            lease.credential("insurer_pay")


async def test_a_call_with_two_grants_has_two_ledger_rows(broker: LeaseBroker, database: Database) -> None:
    async with broker.lease(await authorized_call(database), [READ, WRITE], wall_seconds=30) as lease:
        assert lease.credential("insurer_read") != lease.credential("insurer_claims_write")
    assert [row.state for row in await rows(database)] == ["closed", "closed"]


async def test_a_lease_shorter_than_the_tool_may_take_is_refused(
    broker: LeaseBroker, database: Database, journal: Journal
) -> None:
    call = make_call()
    with pytest.raises(LeaseTooShort):
        async with broker.lease(call, [READ], wall_seconds=90):
            raise AssertionError("the block was entered")
    assert (await rows(database))[0].state == "refused"
    assert [entry.kind for entry in await journal.entries(call.run_id)] == ["LeaseRefused"]


async def test_a_lease_that_vault_makes_shorter_than_asked_is_refused_and_ended(
    broker: LeaseBroker, database: Database, insurer: Insurer
) -> None:
    generous = Grant(name="insurer_read", kind="database", resource="insurer", ttl_seconds=3600)
    with pytest.raises(LeaseTooShort):
        async with broker.lease(make_call(), [generous], wall_seconds=300):
            raise AssertionError("the block was entered")
    assert (await rows(database))[0].state == "refused"
    assert await leased_roles(insurer) == []


@pytest.mark.anomalies  # asking for what a run may not mint is a probe
async def test_a_grant_that_vault_does_not_know_is_refused(broker: LeaseBroker, database: Database) -> None:
    unknown = Grant(name="payroll", kind="database", resource="insurer")
    with pytest.raises(VaultRefused):
        async with broker.lease(make_call(), [unknown], wall_seconds=30):
            raise AssertionError("the block was entered")
    assert (await rows(database))[0].state == "refused"


async def test_the_end_of_a_run_ends_its_token(broker: LeaseBroker, database: Database, vault: VaultClient) -> None:
    call = make_call()
    async with broker.lease(call, [], wall_seconds=30):
        pass
    assert await broker.end_run(call.run_id)
    async with database.read() as session:
        token = (await session.scalars(select(RunTokenRecord))).one()
    assert token.state == "closed"
    with pytest.raises(VaultRefused):
        await vault.write("auth/token/lookup-accessor", {"accessor": token.accessor})


async def test_a_run_token_that_a_sweeper_ended_is_made_anew_at_the_next_try(
    broker: LeaseBroker, database: Database, killswitch: VaultClient
) -> None:
    call = make_call()
    async with broker.lease(call, [READ], wall_seconds=30):
        pass
    async with database.read() as session:
        accessor = await session.scalar(select(RunTokenRecord.accessor))
    await killswitch.write("auth/token/revoke-accessor", {"accessor": accessor})
    with pytest.raises(LeaseLost) as raised:
        async with broker.lease(call, [READ], wall_seconds=30):
            raise AssertionError("the block was entered")
    assert raised.value.retryable
    async with broker.lease(call, [READ], wall_seconds=30):
        pass
    assert [row.state for row in await rows(database)] == ["closed", "refused", "closed"]


async def test_a_token_that_a_sweeper_ended_before_its_credential_was_fetched_is_a_lost_lease(
    broker: LeaseBroker, database: Database, killswitch: VaultClient, insurer: Insurer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = broker._source.fetch

    async def too_late(grant: Grant, token: MintedToken) -> Fetched:
        await killswitch.write("auth/token/revoke-accessor", {"accessor": token.accessor})
        return await fetch(grant, token)

    monkeypatch.setattr(broker._source, "fetch", too_late)
    with pytest.raises(LeaseLost):
        async with broker.lease(make_call(), [READ], wall_seconds=30):
            raise AssertionError("the block was entered")
    assert [row.state for row in await rows(database)] == ["refused"]
    assert await leased_roles(insurer) == []


async def test_a_lease_that_was_taken_for_abandoned_before_it_was_issued_is_lost_and_ended(
    broker: LeaseBroker, database: Database, insurer: Insurer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = broker._source.fetch

    async def slow(grant: Grant, token: MintedToken) -> Fetched:
        fetched = await fetch(grant, token)
        async with database.transaction() as session:
            await session.execute(update(LeaseRecord).values(state="closed"))
        return fetched

    monkeypatch.setattr(broker._source, "fetch", slow)
    with pytest.raises(LeaseLost):
        async with broker.lease(make_call(), [READ], wall_seconds=30):
            raise AssertionError("the block was entered")
    assert await leased_roles(insurer) == []


async def test_many_calls_at_once_all_end_proven_gone(
    broker: LeaseBroker, database: Database, insurer: Insurer
) -> None:
    run_id = make_call().run_id

    async def work() -> None:
        async with broker.lease(make_call(run_id=run_id), [READ], wall_seconds=30) as lease:
            assert isinstance(lease.credential("insurer_read"), DatabaseCredential)

    await asyncio.gather(*(work() for _ in range(20)))
    assert [row.state for row in await rows(database)] == ["closed"] * 20
    assert await leased_roles(insurer) == []
