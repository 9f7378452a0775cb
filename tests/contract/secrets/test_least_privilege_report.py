"""What grants allow against what was used, from ledger and journal to the report."""

from overseen.journal import Journal
from overseen.journal.events import DoorRequest
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.least_privilege import least_privilege
from overseen.store import Database
from tests.contract.secrets.conftest import READ, make_call


async def test_grants_are_reported_with_their_use(broker: LeaseBroker, database: Database) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30) as lease:
        lease.credential("insurer_read")
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        pass
    [privilege] = await least_privilege(database)
    assert (privilege.tool, privilege.grant, privilege.leases, privilege.used) == (
        "look_up_policy",
        "insurer_read",
        2,
        1,
    )
    assert privilege.paths == ("database/creds/insurer-read",)
    assert 0 < privilege.longest_seconds < privilege.granted_seconds


async def test_the_report_names_the_tables_that_doors_told_of(
    database: Database, journal: Journal, broker: LeaseBroker
) -> None:
    call = make_call()
    async with broker.lease(call, [READ], wall_seconds=30) as lease:
        lease.credential("insurer_read")
        told = {
            "kind": "database",
            "resource": "insurer",
            "tables": {"public.policies": ["select"]},
            "allowed": {"public.policies": ["select"], "public.claims": ["select"]},
            "unexplained": 1,
        }
        event = DoorRequest(call_id=call.call_id, door="insurer_read", allowed=True, detail=told)
        await journal.append(event, stream=call.run_id, actor="agent:policy_lookup")
    [privilege] = await least_privilege(database)
    assert privilege.tables == {"public.policies": ("select",)}
    assert set(privilege.allowed) == {"public.claims", "public.policies"}
    assert privilege.unexplained
