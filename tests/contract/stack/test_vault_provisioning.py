"""Provisioning: whatever interrupts it, and whatever changed since, it ends with the layout in place."""

import json
import signal
from dataclasses import replace

import hvac
import hvac.exceptions
import pytest

from overseen.stack import server_parts
from overseen.stack.openbao import EmbeddedOpenBao
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import INSURER_DATABASE, LEASE_MANAGER, lay_out, set_password
from overseen.stack.server_parts import provision_leases
from overseen.stack.vault_layout import BROKER, EFFECTS, KILL_SWITCH, LAYOUT, PROVISIONER, kv_grant
from overseen.stack.vault_provisioning import read_logins
from tests.stack_fixtures import until_ready


@pytest.fixture(scope="module")
async def postgres(tmp_path_factory):
    """A cluster of its own: the password of its lease manager changes with every OpenBao."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    await server.prepare()
    process = server.spawn()
    await until_ready(server, process)
    await lay_out(server)
    yield server
    process.send_signal(signal.SIGINT)
    process.wait(20)


class Restartable:
    """An OpenBao that can be killed and started again."""

    def __init__(self, server):
        self.server = server
        self.process = None

    async def start(self):
        await self.server.prepare()
        self.process = self.server.spawn()
        await until_ready(self.server, self.process)

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
async def openbao(tmp_path):
    running = Restartable(EmbeddedOpenBao(tmp_path / "openbao"))
    await running.start()
    yield running
    running.kill()


def _lease(server, login, grant="insurer-read"):
    """A database credential, got the way the broker gets it."""
    broker = hvac.Client(server.address)
    broker.auth.approle.login(login.role_id, login.secret_id)
    run = broker.write_data("auth/token/create/run", data={"ttl": "5m"})["auth"]["client_token"]
    call = hvac.Client(server.address, token=run).write_data(f"auth/token/create/call-{grant}", data={"ttl": "60s"})
    return hvac.Client(server.address, token=call["auth"]["client_token"]).read(f"database/creds/{grant}")


def _audited(server):
    return [json.loads(line)["request"]["path"] for line in server.audit_file.read_text().splitlines()]


async def test_a_second_provisioning_only_logs_in(openbao, postgres):
    first = await provision_leases(openbao.server, postgres)
    before = len(_audited(openbao.server))
    assert await provision_leases(openbao.server, postgres) == first
    assert set(_audited(openbao.server)[before:]) == {"auth/approle/login"}


async def test_an_interrupted_first_provisioning_is_completed(openbao, postgres, monkeypatch):
    def interrupt(*arguments):
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr("overseen.stack.vault_provisioning._keep_logins", interrupt)
        with pytest.raises(InterruptedError):
            await provision_leases(openbao.server, postgres)
    openbao.kill()
    await openbao.start()
    logins = await provision_leases(openbao.server, postgres)
    assert _lease(openbao.server, logins[BROKER])["data"]["username"]
    assert not openbao.server.boot_secret_file.exists()


async def test_the_boot_role_is_destroyed_even_when_the_first_try_ended_before_that(openbao, postgres, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("overseen.stack.vault_provisioning._destroy_boot_role", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await provision_leases(openbao.server, postgres)
    secret = openbao.server.boot_secret_file.read_text()
    await provision_leases(openbao.server, postgres)
    with pytest.raises(hvac.exceptions.VaultError):
        hvac.Client(openbao.server.address).auth.approle.login("boot", secret)


async def test_logins_survive_a_restart(openbao, postgres):
    first = await provision_leases(openbao.server, postgres)
    openbao.kill()
    await openbao.start()
    assert await provision_leases(openbao.server, postgres) == first


async def test_a_changed_layout_is_applied_to_a_provisioned_server(openbao, postgres, monkeypatch):
    await provision_leases(openbao.server, postgres)
    wider = replace(LAYOUT, grants=(*LAYOUT.grants, kv_grant("new-tool")))
    monkeypatch.setattr(server_parts, "LAYOUT", wider)
    logins = await provision_leases(openbao.server, postgres)
    broker = hvac.Client(openbao.server.address)
    broker.auth.approle.login(logins[BROKER].role_id, logins[BROKER].secret_id)
    run = broker.write_data("auth/token/create/run", data={"ttl": "5m"})["auth"]["client_token"]
    client = hvac.Client(openbao.server.address, token=run)
    assert client.write_data("auth/token/create/call-kv-new-tool", data={"ttl": "60s"})["auth"]


async def test_a_shut_off_agent_stays_shut_off_when_the_layout_is_applied_again(openbao, postgres):
    logins = await provision_leases(openbao.server, postgres)
    killer = hvac.Client(openbao.server.address)
    killer.auth.approle.login(logins[KILL_SWITCH].role_id, logins[KILL_SWITCH].secret_id)
    killer.write_data("identity/entity/name/agent-extractor", data={"disabled": True})
    (openbao.server.folder / "provisioned.json").unlink()
    await provision_leases(openbao.server, postgres)
    assert killer.read("identity/entity/name/agent-extractor")["data"]["disabled"] is True


OLD_KILL_SWITCH = """
path "identity/entity/name/*" { capabilities = ["read", "update"] }
path "identity/entity/id/*" { capabilities = ["read", "update"] }
"""
OLD_BROKER = 'path "auth/token/revoke-accessor" { capabilities = ["create", "update"] }'


async def test_a_server_of_an_earlier_version_is_brought_to_narrow_logins_and_leases_that_end(openbao, postgres):
    """As `overseen up` finds it after an upgrade: wide policies, no login for effects, roles that only DROP ROLE."""
    logins = await provision_leases(openbao.server, postgres)
    kept = read_logins(openbao.server)
    provisioner = hvac.Client(openbao.server.address)
    provisioner.auth.approle.login(kept[PROVISIONER].role_id, kept[PROVISIONER].secret_id)
    provisioner.sys.create_or_update_acl_policy(KILL_SWITCH, OLD_KILL_SWITCH)
    provisioner.sys.create_or_update_acl_policy(BROKER, OLD_BROKER)
    provisioner.write_data("identity/entity/name/agent-extractor", data={"policies": [PROVISIONER]})
    provisioner.delete(f"auth/approle/role/{EFFECTS}")
    provisioner.delete("auth/token/roles/run-effects")
    for grant in ("insurer-read", "insurer-claims-write", "insurer-pay"):
        path = f"database/roles/{grant}"
        old = {"revocation_statements": ['DROP ROLE IF EXISTS "{{name}}";']}
        provisioner.write_data(path, data=provisioner.read(path)["data"] | old)
    left = {name: {"role_id": login.role_id, "secret_id": login.secret_id} for name, login in kept.items()}
    del left[EFFECTS]
    (openbao.server.folder / "credentials.json").write_text(json.dumps(left))
    (openbao.server.folder / "provisioned.json").write_text(json.dumps({"digest": "of an earlier version"}))
    async with await postgres.connect(INSURER_DATABASE) as superuser:
        await superuser.execute("GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC")
        await superuser.execute("DROP EVENT TRIGGER overseen_leases")

    await lay_out(postgres)
    again = await provision_leases(openbao.server, postgres)

    assert again[BROKER] == logins[BROKER]
    client = hvac.Client(openbao.server.address)
    client.auth.approle.login(again[EFFECTS].role_id, again[EFFECTS].secret_id)
    assert client.write_data("auth/token/create/run-effects", data={"ttl": "5m"})["auth"]
    killer = hvac.Client(openbao.server.address)
    killer.auth.approle.login(again[KILL_SWITCH].role_id, again[KILL_SWITCH].secret_id)
    own = killer.lookup_token()["data"]["entity_id"]
    with pytest.raises(hvac.exceptions.Forbidden):
        killer.write_data(f"identity/entity/id/{own}", data={"policies": [PROVISIONER]})
    assert killer.read("identity/entity/name/agent-extractor")["data"]["policies"] == []
    lease = _lease(openbao.server, again[BROKER])
    role = lease["data"]["username"]
    async with await postgres.connect(INSURER_DATABASE) as superuser:
        rows = await superuser.execute(
            "SELECT has_function_privilege(%s, 'lo_create(oid)', 'EXECUTE'), "
            "(SELECT count(*) FROM pg_event_trigger WHERE evtname = 'overseen_leases')",
            (role,),
        )
        assert await rows.fetchone() == (False, 1)
        await superuser.execute(f'ALTER DEFAULT PRIVILEGES FOR ROLE "{role}" GRANT ALL ON TABLES TO PUBLIC'.encode())
        killer.write_data("sys/leases/revoke", data={"lease_id": lease["lease_id"], "sync": True})
        rows = await superuser.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", (role,))
        assert await rows.fetchone() == (0,)


async def test_leases_are_made_again_after_the_database_lost_its_manager_password(openbao, postgres):
    logins = await provision_leases(openbao.server, postgres)
    connection = await postgres.connect()
    async with connection:
        await set_password(connection, LEASE_MANAGER, "somebody changed it")
    (openbao.server.folder / "provisioned.json").unlink()
    await provision_leases(openbao.server, postgres)
    assert _lease(openbao.server, logins[BROKER])["data"]["username"]
