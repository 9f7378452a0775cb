"""The most that each login and each token can do on a real server, as somebody who stole it would try."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hvac
import hvac.exceptions
import pytest

from overseen.stack.vault_layout import BROKER, EFFECTS, KILL_SWITCH, LAYOUT, PROVISIONER
from overseen.stack.vault_provisioning import read_logins
from tests.stack_fixtures import RunningOpenBao

# Everything here is done by hand, without a broker and its ledger.
pytestmark = pytest.mark.anomalies

AGENT = "identity/entity/name/agent-extractor"
EVERYTHING = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
REFUSED = (hvac.exceptions.Forbidden, hvac.exceptions.InvalidRequest, hvac.exceptions.InvalidPath)
THIEVES = ("broker", "effects", "kill switch", "run", "run-effects", "call-insurer-read", "call-insurer-pay")


@dataclass(frozen=True)
class Known:
    """What a thief may know from logs and ledger, beside the token: ids, no other token."""

    own_entity: str
    own_accessor: str
    other_accessor: str
    """Of an administrator's token."""
    other_lease: str
    """A lease of a login, not of the database."""


Write = tuple[str, dict[str, Any]]

ATTEMPTS: dict[str, Callable[[Known], Write]] = {
    "write a policy": lambda _: ("sys/policies/acl/overseen-broker", {"policy": EVERYTHING}),
    "write a policy by the old path": lambda _: ("sys/policy/mine", {"policy": EVERYTHING}),
    "give the own entity a policy by its id": lambda known: (
        f"identity/entity/id/{known.own_entity}",
        {"policies": [PROVISIONER]},
    ),
    "give the own entity a policy": lambda known: (
        "identity/entity",
        {"id": known.own_entity, "policies": [PROVISIONER]},
    ),
    "give an agent's entity a policy": lambda _: (AGENT, {"policies": [PROVISIONER]}),
    "give an agent's entity a policy beside shutting it off": lambda _: (
        AGENT,
        {"disabled": False, "policies": [PROVISIONER]},
    ),
    "rename an agent's entity": lambda _: (AGENT, {"name": "nobody"}),
    "change an agent's metadata": lambda _: (AGENT, {"metadata": {"agent": "supervisor"}}),
    "point an agent's name at the own entity": lambda known: (AGENT, {"id": known.own_entity, "policies": "run"}),
    "make an entity": lambda _: ("identity/entity/name/agent-new", {"disabled": False}),
    "make an alias": lambda known: (
        "identity/entity-alias",
        {"name": "x", "canonical_id": known.own_entity, "mount_accessor": "x"},
    ),
    "merge entities": lambda known: (
        "identity/entity/merge",
        {"from_entity_ids": [known.own_entity], "to_entity_id": known.own_entity},
    ),
    "make a group with a policy": lambda known: (
        "identity/group",
        {"name": "g", "policies": [PROVISIONER], "member_entity_ids": [known.own_entity]},
    ),
    "make a token": lambda _: ("auth/token/create", {"policies": [PROVISIONER]}),
    "make an orphan": lambda _: ("auth/token/create-orphan", {"policies": [PROVISIONER]}),
    "make a token without a parent": lambda _: ("auth/token/create", {"no_parent": True}),
    "change a token role": lambda _: ("auth/token/roles/run", {"allowed_policies": PROVISIONER}),
    "make a token role": lambda _: ("auth/token/roles/call-mine", {"allowed_policies": PROVISIONER}),
    "change a login": lambda _: ("auth/approle/role/overseen-broker", {"token_policies": PROVISIONER}),
    "get the secret id of a login": lambda _: (f"auth/approle/role/{PROVISIONER}/secret-id", {}),
    "add a way to log in": lambda _: ("sys/auth/mine", {"type": "userpass"}),
    "mount an engine": lambda _: ("sys/mounts/mine", {"type": "kv"}),
    "turn auditing off": lambda _: ("sys/audit/overseen", {}),
    "hash for the audit file": lambda _: ("sys/audit-hash/overseen", {"input": "guess"}),
    "change a database role": lambda _: ("database/roles/insurer-read", {"creation_statements": ["SELECT 1;"]}),
    "change the connection": lambda _: ("database/config/insurer", {"allowed_roles": "*"}),
    "change the journal's key": lambda _: ("transit/keys/journal-head/config", {"exportable": True}),
    "write a secret": lambda _: ("kv/data/tools/write-to-claimant", {"data": {"api_key": "mine"}}),
    "end a lease that is no database's": lambda known: ("sys/leases/revoke", {"lease_id": known.other_lease}),
    "end all logins": lambda _: ("sys/leases/revoke-prefix/auth/approle", {}),
    "end all tokens": lambda _: ("sys/leases/revoke-prefix/auth/token", {}),
    "orphan the children of a token": lambda _: ("auth/token/revoke-orphan", {"token": "x"}),
    "seal the server": lambda _: ("sys/seal", {}),
}
READS = (
    "kv/data/tools/write-to-claimant",
    "sys/policies/acl/overseen-broker",
    "sys/audit",
    "sys/mounts",
    "auth/approle/role/overseen-broker/role-id",
    "database/config/insurer",
    "transit/export/signing-key/journal-head",
    "identity/entity/name/entity_of_someone",
)
CREDENTIALS = ("database/creds/insurer-read", "database/creds/insurer-claims-write", "database/creds/insurer-pay")


@pytest.fixture
def client(openbao_server: RunningOpenBao) -> Callable[[str], hvac.Client]:
    """A client as one of `THIEVES`, or the provisioner."""
    address, logins = openbao_server.server.address, read_logins(openbao_server.server)

    def log_in(role: str) -> hvac.Client:
        made = hvac.Client(address)
        made.auth.approle.login(logins[role].role_id, logins[role].secret_id)
        return made

    def child(parent: hvac.Client, role: str, **more: str) -> hvac.Client:
        answer = parent.write_data(f"auth/token/create/{role}", data={"ttl": "60s", **more})
        return hvac.Client(address, token=answer["auth"]["client_token"])

    def make(who: str) -> hvac.Client:
        match who:
            case "run":
                return child(log_in(BROKER), "run")
            case "run-effects":
                return child(log_in(EFFECTS), "run-effects")
            case "call-insurer-read":
                return child(make("run"), who, entity_alias="agent-extractor")
            case "call-insurer-pay":
                return child(make("run-effects"), who, entity_alias="agent-extractor")
        return log_in({"broker": BROKER, "effects": EFFECTS, "kill switch": KILL_SWITCH}.get(who, who))

    return make


@pytest.fixture
def known(client: Callable[[str], hvac.Client]) -> Callable[[hvac.Client], Known]:
    administrator = client(PROVISIONER).lookup_token()["data"]

    def about(thief: hvac.Client) -> Known:
        try:
            own = thief.lookup_token()["data"]
        except hvac.exceptions.Forbidden:  # it may not even ask who it is
            own = administrator
        return Known(
            own_entity=own["entity_id"] or administrator["entity_id"],
            own_accessor=own["accessor"],
            other_accessor=administrator["accessor"],
            other_lease="auth/approle/login/h1234",
        )

    return about


def is_refused(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except REFUSED:
        return True
    return False


@pytest.mark.parametrize("who", THIEVES[:5])
def test_no_login_and_no_runs_token_becomes_more_than_it_is(
    client: Callable[[str], hvac.Client], known: Callable[[hvac.Client], Known], who: str
) -> None:
    thief = client(who)
    about = known(thief)
    won = []
    for name, attempt in ATTEMPTS.items():
        path, body = attempt(about)
        if not is_refused(lambda path=path, body=body: thief.write_data(path, data=body)):
            won.append(name)
    won += [f"read {path}" for path in (*READS, *CREDENTIALS) if not is_refused(lambda path=path: _read(thief, path))]
    won += [
        f"delete {path}" for path in (AGENT, "sys/audit/overseen") if not is_refused(lambda p=path: thief.delete(p))
    ]
    assert won == []
    assert client(KILL_SWITCH).read(AGENT)["data"]["policies"] in (None, [])


def _read(thief: hvac.Client, path: str) -> object:
    answer = thief.read(path)
    if answer is None:
        raise hvac.exceptions.InvalidPath
    return answer


@pytest.mark.parametrize("who", THIEVES[5:])
@pytest.mark.parametrize("name", [*ATTEMPTS, "make a child for another grant"])
def test_a_calls_token_changes_nothing(
    client: Callable[[str], hvac.Client], known: Callable[[hvac.Client], Known], who: str, name: str
) -> None:
    thief = client(who)  # anew for each attempt: it may be used once or twice
    about = known(client("broker"))
    path, body = ATTEMPTS[name](about) if name in ATTEMPTS else ("auth/token/create/call-insurer-pay", {"ttl": "60s"})
    assert is_refused(lambda: thief.write_data(path, data=body))


@pytest.mark.parametrize("who", ["broker", "effects", "run", "run-effects"])
def test_only_the_kill_switch_ends_a_token_it_knows_by_its_accessor(
    client: Callable[[str], hvac.Client], known: Callable[[hvac.Client], Known], who: str
) -> None:
    thief = client(who)
    accessor = known(thief).other_accessor
    assert is_refused(lambda: thief.write_data("auth/token/revoke-accessor", data={"accessor": accessor}))
    assert is_refused(lambda: thief.list("auth/token/accessors"))


def test_the_broker_ends_the_tokens_it_made(client: Callable[[str], hvac.Client]) -> None:
    broker, run = client("broker"), client("run")
    assert run.write_data("auth/token/create/call-insurer-read", data={"ttl": "60s"})
    broker.write_data("auth/token/revoke", data={"token": run.token})
    with pytest.raises(hvac.exceptions.Forbidden):
        run.write_data("auth/token/create/call-insurer-read", data={"ttl": "60s"})


ACTING = [grant.name for grant in LAYOUT.grants if grant.acts]


@pytest.mark.parametrize("grant", ACTING)
@pytest.mark.parametrize("who", ["broker", "effects", "kill switch", "run", "call-insurer-read"])
def test_a_credential_that_acts_comes_from_a_run_with_leave_and_from_nothing_else(
    client: Callable[[str], hvac.Client], who: str, grant: str
) -> None:
    thief = client(who)
    assert is_refused(lambda: thief.write_data(f"auth/token/create/call-{grant}", data={"ttl": "60s"}))
    thief = client(who)
    assert is_refused(lambda: thief.read(f"database/creds/{grant}"))
    if who != "effects":
        assert is_refused(lambda: client(who).write_data("auth/token/create/run-effects", data={"ttl": "60s"}))


def test_the_acting_grants_are_those_that_write_and_pay() -> None:
    assert ACTING == ["insurer-claims-write", "insurer-pay"]


@pytest.mark.parametrize(("who", "role"), [("broker", "run"), ("effects", "run-effects"), ("run", "call-insurer-read")])
@pytest.mark.parametrize(
    "chosen",
    [
        {"id": "s.chosen-by-me"},
        {"policies": ["grant-insurer-pay"]},
        {"policies": [PROVISIONER]},
        {"type": "batch"},
        {"period": "24h"},
        {"explicit_max_ttl": "9999h"},
        {"num_uses": 0},
        {"renewable": True},
        {"no_parent": True},
        {"no_default_policy": False},
        {"entity_alias": "someone"},
        {"lease": "24h"},
    ],
)
def test_who_makes_a_token_has_no_say_in_what_its_role_decides(
    client: Callable[[str], hvac.Client], who: str, role: str, chosen: dict[str, Any]
) -> None:
    assert is_refused(lambda: client(who).write_data(f"auth/token/create/{role}", data=chosen))


def test_what_the_kill_switch_does_is_to_shut_agents_off_and_let_them_in_again(
    client: Callable[[str], hvac.Client],
) -> None:
    killer = client("kill switch")
    for agent in LAYOUT.agents:
        path = f"identity/entity/name/agent-{agent}"
        for disabled in (True, False):
            killer.write_data(path, data={"disabled": disabled})
            assert killer.read(path)["data"]["disabled"] is disabled
        # A parameter in the address is not heeded either.
        killer.adapter.request("POST", f"/v1/{path}?policies={PROVISIONER}", json={"disabled": False})
        assert killer.read(path)["data"]["policies"] in (None, [])


@pytest.mark.parametrize("who", ["broker", "effects", "kill switch"])
def test_no_login_has_a_policy_beside_its_own(client: Callable[[str], hvac.Client], who: str) -> None:
    own = client(who).lookup_token()["data"]
    expected = {"broker": BROKER, "effects": EFFECTS, "kill switch": KILL_SWITCH}[who]
    assert (own["policies"], own.get("identity_policies") or []) == ([expected], [])
