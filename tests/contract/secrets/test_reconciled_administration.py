"""The reconciler names who changed what our logins may do, stray tokens, and what acts without leave."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import hvac
import hvac.exceptions
import pytest
import pytest_asyncio

from overseen.domain.identifiers import new_id
from overseen.errors import Misconfigured
from overseen.journal import Journal
from overseen.secrets.alarm import UnauthorizedEffects
from overseen.secrets.anomalies import Anomaly
from overseen.secrets.audit_log import AuditLog
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.errors import VaultRefused
from overseen.secrets.grants import Asked
from overseen.secrets.kill import KillSwitch, Scope
from overseen.secrets.reconciler import Reconciler
from overseen.secrets.run_tokens import RunTokens
from overseen.secrets.stops import Stops
from overseen.secrets.vault_client import VaultClient
from overseen.settings import ResourceSettings
from overseen.stack.vault_layout import BROKER, EFFECTS, KILL_SWITCH, LAYOUT, PROVISIONER
from overseen.stack.vault_provisioning import read_logins
from overseen.store import Database, PostgresBlobStore
from tests.contract.secrets.conftest import PAY, READ, WRITE, authorized_call, make_call
from tests.contract.secrets.test_broker import leased_roles, rows
from tests.stack_fixtures import Insurer, RunningOpenBao

AGENT = "identity/entity/name/agent-extractor"
WIDE = 'path "identity/entity/id/*" { capabilities = ["read", "update"] }\n'


@pytest.fixture
def kill_switch(
    database: Database, journal: Journal, killswitch: VaultClient, resources: dict[str, ResourceSettings]
) -> KillSwitch:
    return KillSwitch(
        database=database,
        journal=journal,
        blobs=PostgresBlobStore(database, b"k" * 32),
        vault=killswitch,
        source=VaultCredentials(killswitch, resources),
    )


@pytest.fixture
def make_reconciler(
    database: Database, journal: Journal, killswitch: VaultClient, openbao_server: RunningOpenBao
) -> Callable[..., Reconciler]:
    since = datetime.now(UTC)

    def make(alarm: UnauthorizedEffects | None = None) -> Reconciler:
        return Reconciler(
            database=database,
            journal=journal,
            killswitch=killswitch,
            audit_log=AuditLog(openbao_server.server.audit_file),
            since=since,
            alarm=alarm,
        )

    return make


@pytest.fixture
def log_in(openbao_server: RunningOpenBao) -> Callable[[str], hvac.Client]:
    logins = read_logins(openbao_server.server)

    def make(role: str) -> hvac.Client:
        client = hvac.Client(openbao_server.server.address)
        client.auth.approle.login(logins[role].role_id, logins[role].secret_id)
        return client

    return make


@pytest.fixture
def security_officer(log_in: Callable[[str], hvac.Client], openbao_server: RunningOpenBao) -> Iterator[hvac.Client]:
    """An administrator of a Vault that others run too; what was changed is put back at the end."""
    provisioner = log_in(PROVISIONER)
    rules = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
    provisioner.sys.create_or_update_acl_policy("officer", rules)
    provisioner.write_data("auth/approle/role/officer", data={"token_policies": "officer", "token_ttl": "5m"})
    role_id = provisioner.auth.approle.read_role_id("officer")["data"]["role_id"]
    secret_id = provisioner.auth.approle.generate_secret_id("officer")["data"]["secret_id"]
    client = hvac.Client(openbao_server.server.address)
    client.auth.approle.login(role_id, secret_id)
    yield client
    for name in (BROKER, KILL_SWITCH):
        provisioner.sys.create_or_update_acl_policy(name, LAYOUT.all_policies[name])
    provisioner.write_data(AGENT, data={"metadata": {"agent": "extractor"}, "policies": [], "disabled": False})
    provisioner.write_data("auth/token/roles/call-insurer-read", data={"token_num_uses": 2})
    provisioner.delete("auth/approle/role/officer")


async def named(reconciler: Reconciler) -> list[tuple[str, str]]:
    return [(finding.name.value, finding.detail.get("path", "")) for finding in await reconciler.reconcile()]


@pytest.mark.anomalies
async def test_the_three_requests_that_made_the_kill_switch_administrator_are_named(
    make_reconciler: Callable[..., Reconciler], log_in: Callable[[str], hvac.Client], security_officer: hvac.Client
) -> None:
    """In a Vault that still has the wide policy: they succeed there, and are found."""
    wide = LAYOUT.all_policies[KILL_SWITCH] + WIDE
    security_officer.sys.create_or_update_acl_policy(KILL_SWITCH, wide)
    thief = log_in(KILL_SWITCH)
    own = f"identity/entity/id/{thief.lookup_token()['data']['entity_id']}"
    thief.write_data(own, data={"policies": [PROVISIONER]})
    try:
        thief.write_data("sys/policies/acl/overseen-broker", data={"policy": WIDE})
    finally:
        security_officer.write_data(own, data={"policies": []})
    assert await named(make_reconciler()) == [
        ("POLICY_WRITE", "sys/policies/acl/overseen-killswitch"),
        ("ENTITY_WRITE", own),
        ("POLICY_WRITE", "sys/policies/acl/overseen-broker"),
        ("ENTITY_WRITE", own),
    ]


@pytest.mark.anomalies
@pytest.mark.parametrize(
    ("path", "data", "expected"),
    [
        ("sys/policies/acl/grant-insurer-pay", {"policy": LAYOUT.all_policies["grant-insurer-pay"]}, "POLICY_WRITE"),
        ("sys/policy/run", {"policy": LAYOUT.all_policies["run"]}, "POLICY_WRITE"),
        ("auth/token/roles/call-insurer-read", {"token_num_uses": 3}, "ROLE_WRITE"),
        ("auth/approle/role/overseen-effects/secret-id", {}, "ROLE_WRITE"),
        ("identity/entity", {"name": "agent-supervisor", "metadata": {"agent": "supervisor"}}, "ENTITY_WRITE"),
        (AGENT, {"disabled": False}, "ENTITY_WRITE"),
        ("auth/token/create", {"policies": ["overseen-broker"], "ttl": "1s"}, "UNLISTED_TOKEN"),
        ("auth/token/create-orphan", {"policies": ["grant-insurer-pay"], "ttl": "1s"}, "UNLISTED_TOKEN"),
    ],
)
async def test_what_an_administrator_changes_of_ours_is_named(
    make_reconciler: Callable[..., Reconciler],
    security_officer: hvac.Client,
    path: str,
    data: dict[str, object],
    expected: str,
) -> None:
    security_officer.write_data(path, data=data)
    assert await named(make_reconciler()) == [(expected, path)]


@pytest.mark.anomalies
async def test_what_an_administrator_does_beside_us_is_theirs(
    make_reconciler: Callable[..., Reconciler], security_officer: hvac.Client
) -> None:
    security_officer.write_data("sys/policies/acl/of-others", data={"policy": WIDE})
    security_officer.write_data("identity/entity/name/of-others", data={"policies": ["of-others"]})
    security_officer.write_data("auth/token/create", data={"policies": ["of-others"], "ttl": "1s"})
    assert await named(make_reconciler()) == []


@pytest.mark.anomalies
@pytest.mark.parametrize("role", [BROKER, EFFECTS, KILL_SWITCH])
@pytest.mark.parametrize(
    "path", ["sys/policies/acl/run", AGENT, "auth/token/create", "auth/approle/role/x", "sys/audit/x"]
)
async def test_what_our_logins_try_and_may_not_is_a_probe(
    make_reconciler: Callable[..., Reconciler], log_in: Callable[[str], hvac.Client], role: str, path: str
) -> None:
    with pytest.raises(hvac.exceptions.Forbidden):
        log_in(role).write_data(path, data={"policies": ["run"]})
    assert await named(make_reconciler()) == [("DENIED", path)]


@pytest.mark.anomalies
async def test_an_agent_that_nobody_stopped_is_not_let_in_or_shut_off_unseen(
    make_reconciler: Callable[..., Reconciler], log_in: Callable[[str], hvac.Client]
) -> None:
    log_in(KILL_SWITCH).write_data(AGENT, data={"disabled": False})
    assert await named(make_reconciler()) == [("ENTITY_WRITE", AGENT)]


async def test_a_kill_switch_of_the_ledger_is_no_finding(
    make_reconciler: Callable[..., Reconciler], kill_switch: KillSwitch
) -> None:
    report = await kill_switch.pull(Scope.AGENT, "extractor", reason="a drill", by="account:auditor")
    await kill_switch.lift(report.stop_id, by="account:auditor")
    assert await named(make_reconciler()) == []


async def test_calls_with_leave_are_no_finding(
    make_reconciler: Callable[..., Reconciler], broker: LeaseBroker, database: Database
) -> None:
    for grants in ([PAY], [WRITE], [READ, WRITE]):
        async with broker.lease(await authorized_call(database), grants, wall_seconds=30):
            pass
    assert await named(make_reconciler()) == []


@pytest.mark.anomalies
async def test_a_call_without_an_authorization_gets_no_credential_that_acts(
    broker: LeaseBroker, database: Database, insurer: Insurer
) -> None:
    with pytest.raises(VaultRefused):
        async with broker.lease(make_call(), [PAY], wall_seconds=30):
            raise AssertionError("the block was entered")
    assert [row.state for row in await rows(database)] == ["refused"]
    assert await leased_roles(insurer) == []


async def test_a_worker_without_the_login_for_effects_reads_and_acts_not(
    database: Database, journal: Journal, vault: VaultClient, resources: dict[str, ResourceSettings]
) -> None:
    source = VaultCredentials(vault, resources)
    broker = LeaseBroker(database=database, journal=journal, vault=vault, source=source, worker_id="worker-1")
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        pass
    with pytest.raises(Misconfigured, match="no login for effects") as raised:
        async with broker.lease(await authorized_call(database), [PAY], wall_seconds=30):
            raise AssertionError("the block was entered")
    assert "overseen vault policy" in raised.value.next_step


@pytest_asyncio.fixture
async def alarm(
    database: Database, kill_switch: KillSwitch, killswitch: VaultClient, resources: dict[str, ResourceSettings]
) -> AsyncIterator[UnauthorizedEffects]:
    yield UnauthorizedEffects(database=database, switch=kill_switch, source=VaultCredentials(killswitch, resources))


def unauthorized(findings: list[Anomaly]) -> list[str | None]:
    return [finding.lease_id for finding in findings if finding.name.value == "UNAUTHORIZED_EFFECT"]


@pytest.mark.anomalies
async def test_a_payment_credential_whose_authorization_was_never_used_is_named_ended_and_its_tool_stopped(
    make_reconciler: Callable[..., Reconciler],
    broker: LeaseBroker,
    database: Database,
    insurer: Insurer,
    alarm: UnauthorizedEffects,
) -> None:
    """As by somebody who took over a worker: the ledger has the lease, nobody gave leave."""
    call = replace(make_call(tool="pay_settlement"), authorization_id=new_id("aut"))
    async with broker.lease(call, [PAY], wall_seconds=30) as lease:
        assert await leased_roles(insurer) != []
        findings = await make_reconciler(alarm).reconcile()
        assert lease.lease_id in unauthorized(findings)
        assert await leased_roles(insurer) == []
        assert [(stop.scope, stop.target) for stop in await Stops(database).in_force()] == [("tool", "pay_settlement")]
        await make_reconciler(alarm).reconcile()
        assert len(await Stops(database).in_force()) == 1


@pytest.mark.anomalies
async def test_a_payment_credential_that_the_ledger_does_not_know_is_ended_and_stopping_everything_asked_for(
    make_reconciler: Callable[..., Reconciler],
    database: Database,
    vault: VaultClient,
    effects: VaultClient,
    insurer: Insurer,
    resources: dict[str, ResourceSettings],
    alarm: UnauthorizedEffects,
    tmp_path: Path,
) -> None:
    """As by somebody who has both logins."""
    source = VaultCredentials(vault, resources)
    tokens = RunTokens(database, vault, source, worker_id="worker-1", effects_vault=effects)
    call = make_call(tool="pay_settlement", authorization_id=new_id("aut"))
    parent = await tokens.token(call.run_id, for_seconds=60, effects=True)
    minted = await source.mint(Asked(lease_id=new_id("lease"), call=call, grant=PAY, ttl_seconds=60), parent)
    await source.fetch(PAY, minted)
    findings = await make_reconciler(alarm).reconcile()
    assert unauthorized(findings) == [None, None]
    assert await leased_roles(insurer) == []
    asked = await Stops(database).in_force()
    assert [(stop.scope, stop.pulled_at) for stop in asked] == [("everything", None)]
