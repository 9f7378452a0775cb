"""A kill switch in force stops a lease before it is minted and before it is handed out, whatever it names."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from overseen.domain.identifiers import new_id
from overseen.journal import Journal
from overseen.secrets.credentials import Fetched, MintedToken
from overseen.secrets.errors import Stopped
from overseen.secrets.grants import Asked
from overseen.secrets.lease import Held
from overseen.secrets.ledger import Ledger
from overseen.secrets.secret import Secret, SecretValue
from overseen.secrets.stops import Scope, Stops
from overseen.store import Database
from overseen.store.tables import StopRecord, now
from tests.contract.secrets.conftest import READ, make_call
from tests.contract.secrets.test_broker import rows

CALL = make_call()
TARGETS = {
    Scope.CALL: CALL.call_id,
    Scope.RUN: CALL.run_id,
    Scope.AGENT: CALL.agent,
    Scope.TOOL: CALL.tool,
    Scope.EVERYTHING: "*",
}


@pytest.fixture
def ledger(database: Database, journal: Journal) -> Ledger:
    return Ledger(database, journal, actor="worker:worker-1")


async def pull(database: Database, scope: Scope, target: str, **changes: Any) -> None:
    values: dict[str, Any] = {"pulled_at": now(), "pulled_by": "account:b", **changes}
    async with database.transaction() as session:
        session.add(
            StopRecord(
                stop_id=new_id("stop"), scope=scope, target=target, reason_blob="0" * 64, asked_by="account:a", **values
            )
        )


def asked() -> Asked:
    return Asked(lease_id=new_id("lease"), call=CALL, grant=READ, ttl_seconds=60)


def held(one: Asked) -> Held:
    at = datetime.now(UTC)
    end = at + timedelta(seconds=60)
    return Held(
        asked=one,
        token=MintedToken(token=Secret("x"), accessor=new_id("accessor"), policies=("p",), expires_at=end),
        fetched=Fetched(credential=SecretValue(values={}), path="p", expires_at=end, vault_lease="l", principal="t-x"),
        issued_at=at,
    )


@pytest.mark.parametrize("scope", list(Scope))
async def test_nothing_is_minted_for_what_it_names(ledger: Ledger, database: Database, scope: Scope) -> None:
    await pull(database, scope, TARGETS[scope])
    with pytest.raises(Stopped):
        await ledger.intend([asked(), asked()], worker_id="worker-1")
    with pytest.raises(Stopped):
        await ledger.intend([asked()], worker_id="worker-1")
    assert await rows(database) == []
    with pytest.raises(Stopped):
        await Stops(database).check(CALL)


@pytest.mark.parametrize("scope", list(Scope))
async def test_nothing_is_handed_out_that_it_names(ledger: Ledger, database: Database, scope: Scope) -> None:
    one = asked()
    await ledger.intend([one], worker_id="worker-1")
    await pull(database, scope, TARGETS[scope])
    with pytest.raises(Stopped):
        await ledger.issued([held(one)])
    assert [(row.state, row.accessor) for row in await rows(database)] == [("intent", None)]


@pytest.mark.parametrize("scope", list(Scope))
async def test_what_is_only_asked_for_or_was_lifted_or_names_another_stops_nothing(
    ledger: Ledger, database: Database, journal: Journal, scope: Scope
) -> None:
    await pull(database, scope, TARGETS[scope], pulled_at=None, pulled_by=None)
    await pull(database, scope, TARGETS[scope], lifted_at=now(), lifted_by="account:b")
    if scope is not Scope.EVERYTHING:
        await pull(database, scope, "another")
    both = [asked(), asked()]
    await ledger.intend(both, worker_id="worker-1")
    await ledger.issued([held(one) for one in both])
    assert [row.state for row in await rows(database)] == ["issued", "issued"]
    assert [entry.kind for entry in await journal.entries(CALL.run_id)] == ["LeaseIssued", "LeaseIssued"]
    await Stops(database).check(CALL)
