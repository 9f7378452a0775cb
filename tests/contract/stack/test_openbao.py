"""The provisioned OpenBao: each login can do its own work and nothing else."""

import base64
import gzip
import json
import signal
import time
from dataclasses import dataclass

import hvac
import hvac.exceptions
import psycopg
import pytest

from overseen.stack.audit_files import pack, set_aside
from overseen.stack.vault_layout import BROKER, EFFECTS, KILL_SWITCH, LAYOUT, PROVISIONER
from overseen.stack.vault_provisioning import read_logins

# Everything here is done by hand, without a broker and its ledger.
pytestmark = pytest.mark.anomalies

FORBIDDEN = hvac.exceptions.Forbidden


@pytest.fixture
def login(openbao_server):
    """A client logged in as an AppRole, or holding a token."""

    def make(role=None, *, token=None):
        client = hvac.Client(openbao_server.server.address, token=token, timeout=5)
        if role is not None:
            kept = read_logins(openbao_server.server)[role]
            client.auth.approle.login(kept.role_id, kept.secret_id)
        return client

    return make


@dataclass(frozen=True)
class Run:
    client: hvac.Client
    accessor: str


@pytest.fixture
def run(login):
    """A fresh run token, below which calls can read."""
    return _run(login, BROKER, "run")


@pytest.fixture
def acting_run(login):
    """A fresh run token for calls with an authorization."""
    return _run(login, EFFECTS, "run-effects")


def _run(login, role, name):
    made = login(role).write_data(f"auth/token/create/{name}", data={"ttl": "10m", "meta": {"run_id": "run_1"}})
    return Run(client=login(token=made["auth"]["client_token"]), accessor=made["auth"]["accessor"])


@pytest.fixture
def call(run, acting_run, login):
    """The client of a fresh call token for a grant."""

    def make(grant, agent="extractor"):
        acts = next(known.acts for known in LAYOUT.grants if known.name == grant)
        data = {"ttl": "60s", "entity_alias": f"agent-{agent}", "meta": {"call_id": "call_1"}}
        answer = (acting_run if acts else run).client.write_data(f"auth/token/create/call-{grant}", data=data)
        return login(token=answer["auth"]["client_token"])

    return make


def _connect(postgres_server, answer):
    return psycopg.connect(
        host="127.0.0.1",
        port=postgres_server.port,
        dbname="insurer",
        user=answer["data"]["username"],
        password=answer["data"]["password"],
    )


def test_the_boot_role_is_gone(openbao_server):
    client = hvac.Client(openbao_server.server.address)
    with pytest.raises(hvac.exceptions.VaultError):
        client.auth.approle.login("boot", "anything")
    assert not openbao_server.server.boot_secret_file.exists()


@pytest.mark.parametrize(
    "path", ["database/creds/insurer-read", "kv/data/tools/write-to-claimant", "sys/policies/acl/run", "sys/mounts"]
)
def test_the_broker_reads_no_secret_and_no_policy(login, path):
    with pytest.raises(FORBIDDEN):
        login(BROKER).read(path)


def test_the_broker_mints_no_call_token_by_itself(login):
    with pytest.raises(FORBIDDEN):
        login(BROKER).auth.token.create(role_name="call-insurer-read", ttl="60s")


def test_the_broker_chooses_no_token_id(login):
    with pytest.raises(FORBIDDEN):
        login(BROKER).write_data("auth/token/create/run", data={"id": "s.chosen"})


def test_a_run_token_outlives_the_broker_that_made_it(login):
    broker = login(BROKER)
    run = broker.write_data("auth/token/create/run", data={"ttl": "10m"})["auth"]["client_token"]
    broker.auth.token.revoke_self()
    assert login(token=run).write_data("auth/token/create/call-none", data={"ttl": "60s"})["auth"]["accessor"]


def test_ending_a_run_token_ends_its_calls_and_their_database_roles(login, run, call, postgres_server):
    answer = call("insurer-read").read("database/creds/insurer-read")
    login(BROKER).write_data("auth/token/revoke", data={"token": run.client.token})
    assert _is_refused_soon(postgres_server, answer)


def _is_refused_soon(postgres_server, answer, seconds=5.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            _connect(postgres_server, answer).close()
        except psycopg.OperationalError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("grant", "table", "other"),
    [
        ("insurer-read", "policies", "payments"),
        ("insurer-claims-write", "claims", "policies"),
        ("insurer-pay", "payments", "claims"),
    ],
)
def test_a_leased_role_sees_the_tables_of_its_grant_only(call, postgres_server, grant, table, other):
    with _connect(postgres_server, call(grant).read(f"database/creds/{grant}")) as connection:
        connection.execute(f"SELECT count(*) FROM {table}")
        connection.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SELECT count(*) FROM {other}")


def test_a_leased_role_is_named_so_that_it_can_be_told(call):
    assert call("insurer-read").read("database/creds/insurer-read")["data"]["username"].startswith("t-")


def test_a_second_read_with_one_call_token_is_refused_and_kills_the_lease(call, postgres_server):
    client = call("insurer-read")
    answer = client.read("database/creds/insurer-read")
    with pytest.raises(hvac.exceptions.VaultError):
        client.read("database/creds/insurer-read")
    assert _is_refused_soon(postgres_server, answer)


def test_a_call_token_of_one_grant_reads_no_other(call):
    with pytest.raises(FORBIDDEN):
        call("insurer-read").read("database/creds/insurer-pay")


def test_a_call_without_grants_can_do_nothing(call):
    with pytest.raises(FORBIDDEN):
        call("none").read("kv/data/tools/write-to-claimant")


def test_an_identity_token_names_the_agent(call):
    token = call("identity", agent="vision_checker").read("identity/oidc/token/call")["data"]["token"]
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["agent"] == "vision_checker"
    assert claims["exp"] - claims["iat"] == 60


def test_a_certificate_lives_no_longer_than_a_call(call):
    data = call("certificate").write_data("pki/issue/call", data={"common_name": "call_1"})["data"]
    assert 0 < data["expiration"] - time.time() <= LAYOUT.call_seconds + 1


def test_the_broker_signs_the_head_of_the_journal(login):
    broker = login(BROKER)
    signed = broker.write_data("transit/sign/journal-head", data={"input": "aGVhZA=="})["data"]["signature"]
    checked = broker.write_data("transit/verify/journal-head", data={"input": "aGVhZA==", "signature": signed})
    assert checked["data"]["valid"] is True


def test_the_kill_switch_shuts_an_agent_off(login, call):
    killer = login(KILL_SWITCH)
    client = call("none", agent="policy_lookup")
    try:
        killer.write_data("identity/entity/name/agent-policy_lookup", data={"disabled": True})
        with pytest.raises(FORBIDDEN):
            client.auth.token.lookup_self()
    finally:
        killer.write_data("identity/entity/name/agent-policy_lookup", data={"disabled": False})


@pytest.mark.parametrize("role", [BROKER, EFFECTS, KILL_SWITCH])
def test_no_login_can_change_a_policy(login, role):
    with pytest.raises(FORBIDDEN):
        login(role).write_data("sys/policies/acl/run", data={"policy": 'path "*" { capabilities = ["sudo"] }'})


@pytest.mark.parametrize("path", ["database/creds/insurer-pay", "kv/data/tools/write-to-claimant"])
def test_the_provisioner_reads_no_secret(login, path):
    with pytest.raises(FORBIDDEN):
        login(PROVISIONER).read(path)


def test_the_audit_file_joins_calls_with_accessors_and_role_names(call, openbao_server):
    username = call("insurer-read").read("database/creds/insurer-read")["data"]["username"]
    lines = [json.loads(line) for line in openbao_server.server.audit_file.read_text().splitlines()]
    entry = next(line for line in lines if username in json.dumps(line.get("response", {})))
    assert not entry["auth"]["accessor"].startswith("hmac")
    assert entry["auth"]["metadata"]["call_id"] == "call_1"
    assert "hmac" in entry["response"]["data"]["password"]


def test_it_begins_another_audit_file_when_told_and_loses_nothing(login, openbao_server):
    server, asked = openbao_server.server, []

    def ask(number):
        asked.append(f"kv/data/nothing/{number}")
        with pytest.raises(FORBIDDEN):
            client.read(asked[-1])

    client = login(BROKER)
    ask(1)
    assert set_aside(server.audit_file, largest_bytes=1)
    ask(2)
    assert not server.audit_file.exists()
    openbao_server.process.send_signal(signal.SIGHUP)
    until(server.audit_file.exists)
    ask(3)
    pack(server.audit_file)
    (aside,) = server.folder.glob("audit.jsonl.*")
    lines = gzip.decompress(aside.read_bytes()).splitlines() + server.audit_file.read_bytes().splitlines()
    said = [json.loads(line) for line in lines]
    assert [line["request"]["path"] for line in said if line["type"] == "response"][-3:] == asked


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
