"""Tools that reach HTTP servers: through the gateway, with real leases, from a real sandbox, to real servers."""

import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import hvac
import pytest
import pytest_asyncio

from overseen.domain.calls import Effect
from overseen.errors import Misconfigured
from overseen.settings import HttpResourceSettings
from overseen.stack.vault_layout import PROVISIONER
from overseen.stack.vault_provisioning import read_logins
from overseen.tools.builtin.script_shapes import ScriptArguments, ScriptResult
from overseen.tools.errors import ToolFailed, ToolRefused
from overseen.tools.registry import ToolRegistry
from overseen.tools.sandbox.port import SandboxProfile
from overseen.tools.types import Grant, ToolSpec
from tests.contract.tools.conftest import House, MakeHouse
from tests.contract.tools.resource_servers import (
    Resource,
    admit_certificate,
    admit_identity,
    admit_key,
    serve,
    server_tls,
)
from tests.stack_fixtures import RunningOpenBao

KEY = "kept-in-vault-" + secrets.token_hex(8)
KEY_GRANT = Grant(name="kv_write_to_claimant", kind="kv", resource="tools/write-to-claimant", opens="garages")
IDENTITY_GRANT = Grant(name="identity", kind="identity", resource="claims-api", opens="garages")
CERTIFICATE_GRANT = Grant(
    name="certificate", kind="certificate", resource="policy_lookup.overseen", ttl_seconds=120, opens="garages"
)
ALLOW = [
    {"method": "GET", "path": r"/v1/quotes/[A-Z0-9]{1,8}", "query": ["currency"]},
    {"method": "POST", "path": "/v1/quotes"},
    {"method": "GET", "path": "/v1/(away|slow)"},
]
ASK = """
answer = context.http("DOOR").request("GET", "/v1/quotes/AB12", query={"currency": "GBP"})
result = {"status": answer.status, "body": answer.json(), "headers": dict(answer.headers)}
"""


def asking(*grants: Grant, name: str = "ask_garages", **limits: Any) -> ToolSpec:
    """A tool whose agent writes its script, which makes it the worst tool there can be."""
    return ToolSpec(
        name=name,
        description="Asks the garages.",
        effect=Effect.READ,
        arguments=ScriptArguments,
        result=ScriptResult,
        profile=SandboxProfile(wall_seconds=20.0, **limits),
        entry="overseen.tools.sandbox.script:answer",
        grants=grants,
    )


def server(url: str, **changes: Any) -> Mapping[str, HttpResourceSettings]:
    values = {
        "kind": "http",
        "base_url": url,
        "tools": ["ask_garages"],
        "allow": ALLOW,
        "headers": {"X-Api-Key": "{api_key}"},
        **changes,
    }
    return {"garages": HttpResourceSettings.model_validate(values)}


async def run(house: House, code: str, door: str = "kv_write_to_claimant", **arguments: Any) -> Any:
    """What the script made of it; its own error is a failure of the test."""
    result = await house.use("ask_garages", {"code": code.replace("DOOR", door), "arguments": arguments})
    assert result.value["error"] is None, result.value["error"]
    return result.value["result"]


async def requests_of(house: House) -> list[dict[str, Any]]:
    """The journal's door entries of the run, each with what it says about leave."""
    entries = await house.journal.entries(house.run_id)
    return [
        {"allowed": entry.payload["allowed"], **entry.payload["detail"]}
        for entry in entries
        if entry.kind == "DoorRequest"
    ]


@pytest.fixture(scope="session")
def key_in_vault(openbao_server: RunningOpenBao) -> None:
    """The garages' key, put where the tool's grant points."""
    login = read_logins(openbao_server.server)[PROVISIONER]
    client = hvac.Client(openbao_server.server.address)
    client.auth.approle.login(login.role_id, login.secret_id)
    client.sys.create_or_update_acl_policy(
        "key-keeper", 'path "kv/data/tools/*" { capabilities = ["create", "update"] }'
    )
    client.write_data("auth/approle/role/key-keeper", data={"token_policies": "key-keeper", "token_ttl": "5m"})
    role_id = client.auth.approle.read_role_id("key-keeper")["data"]["role_id"]
    secret_id = client.auth.approle.generate_secret_id("key-keeper")["data"]["secret_id"]
    keeper = hvac.Client(openbao_server.server.address)
    keeper.auth.approle.login(role_id, secret_id)
    keeper.write_data("kv/data/tools/write-to-claimant", data={"data": {"api_key": KEY}})


@pytest_asyncio.fixture
async def garages(key_in_vault: None) -> AsyncIterator[Resource]:
    """A server that wants the key."""
    async with serve(admit_key(KEY)) as resource:
        yield resource


@pytest.fixture
def asking_house(make_house: MakeHouse, garages: Resource) -> House:
    return make_house(ToolRegistry([asking(KEY_GRANT)]), servers=server(garages.url))


async def test_a_key_from_vault_opens_the_server_and_the_request_is_journalled(
    asking_house: House, garages: Resource
) -> None:
    answer = await run(asking_house, ASK)
    assert (answer["status"], answer["body"]["asked_by"]) == (200, "key")
    assert garages.seen == ["GET /v1/quotes/AB12?currency=GBP"]
    (row,) = await requests_of(asking_house)
    assert (row["allowed"], row["method"], row["path"], row["status"]) == (True, "GET", "/v1/quotes/AB12", 200)
    assert (row["server"], row["resource"]) == (garages.url, "garages")
    assert "GBP" not in str(row)


LOOK_AROUND = """
import os
context.http("DOOR").request("GET", "/v1/quotes/AB12")
first, second = (half.encode() for half in arguments["halves"])
found = []
def look(place, content):
    start = content.find(first)
    while start >= 0:
        if content[start + len(first):start + len(first) + len(second)] == second:
            found.append(place)
        start = content.find(first, start + 1)
def halves_apart(place, content):
    if isinstance(content, bytes):
        look(place, content)
for process in (name for name in os.listdir("/proc") if name.isdigit()):
    for name in ("environ", "cmdline"):
        try:
            look(f"{process}/{name}", open(f"/proc/{process}/{name}", "rb").read())
        except OSError:
            pass
for folder, _, names in os.walk("/work"):
    for name in names:
        look(name, open(os.path.join(folder, name), "rb").read())
searched = 0
with open("/proc/self/mem", "rb", buffering=0) as memory:
    for line in open("/proc/self/maps").read().splitlines():
        span, rights = line.split()[:2]
        start, end = (int(part, 16) for part in span.split("-"))
        if "r" not in rights or "w" not in rights:
            continue
        try:
            memory.seek(start)
            content = memory.read(end - start)
        except (OSError, OverflowError):
            continue
        searched += len(content)
        look(f"memory {line}", content)
result = {"found": found, "searched": searched, "listed": [str(key) for key in os.environ]}
"""


async def test_the_key_is_nowhere_in_the_sandbox(asking_house: House, garages: Resource) -> None:
    seen = await run(asking_house, LOOK_AROUND, halves=[KEY[:14], KEY[14:]])
    assert seen["found"] == []
    assert seen["searched"] > 1_000_000
    assert garages.admitted == ["key"]


async def test_the_search_for_the_key_would_find_it(asking_house: House) -> None:
    seen = await run(asking_house, LOOK_AROUND, halves=[KEY[:14], KEY[14:]], planted=KEY)
    assert seen["found"] != []


@pytest.mark.parametrize(
    ("request_line", "reason"),
    [
        ("'GET', '/v1/admin'", "request_not_allowed"),
        ("'DELETE', '/v1/quotes/AB12'", "request_not_allowed"),
        ("'GET', '/v1/quotes/AB12', query={'debug': '1'}", "request_not_allowed"),
        ("'GET', '/v1/quotes/../admin'", "ambiguous_path"),
        ("'GET', '/v1/quotes/AB12', headers={'Host': 'elsewhere.example'}", "host_not_allowed"),
        ("'GET', 'http://169.254.169.254/latest'", "host_not_allowed"),
    ],
)
async def test_everything_else_is_refused_and_journalled(
    asking_house: House, garages: Resource, request_line: str, reason: str
) -> None:
    code = f"""
from overseen.tools.sandbox.context import DoorError
try:
    context.http("DOOR").request({request_line})
except DoorError as error:
    result = error.code
"""
    assert await run(asking_house, code) == reason
    assert garages.seen == []
    (row,) = await requests_of(asking_house)
    assert (row["allowed"], row["reason"]) == (False, reason)


async def test_a_redirect_is_an_answer_and_is_not_followed(asking_house: House, garages: Resource) -> None:
    code = "result = context.http('DOOR').request('GET', '/v1/away').status"
    assert await run(asking_house, code) == 302
    assert garages.seen == ["GET /v1/away"]


async def test_a_body_arrives_and_an_own_authorization_does_not(asking_house: House, garages: Resource) -> None:
    code = """
answer = context.http("DOOR").request("POST", "/v1/quotes", json={"a": 1}, headers={"X-Api-Key": "mine"})
result = answer.json()
"""
    assert await run(asking_house, code) == {"asked_by": "key", "sent": '{"a": 1}'}


async def test_the_budget_of_a_call_ends_its_requests(
    make_house: MakeHouse, garages: Resource, key_in_vault: None
) -> None:
    house = make_house(ToolRegistry([asking(KEY_GRANT)]), servers=server(garages.url, requests=3))
    code = """
from overseen.tools.sandbox.context import DoorError
result = []
for _ in range(6):
    try:
        result.append(context.http("DOOR").request("GET", "/v1/quotes/AB12").status)
    except DoorError as error:
        result.append(error.code)
"""
    assert await run(house, code) == [200, 200, 200, "too_many_requests", "closed", "closed"]
    assert len(garages.seen) == 3
    assert [row["reason"] for row in await requests_of(house)] == ["answered"] * 3 + ["too_many_requests"]
    assert await run(house, "result = context.http('DOOR').request('GET', '/v1/quotes/AB12').status  # anew") == 200


async def test_a_call_that_runs_out_of_time_leaves_its_last_request_in_the_journal(
    make_house: MakeHouse, garages: Resource
) -> None:
    spec = asking(KEY_GRANT)
    profile = SandboxProfile(wall_seconds=2.0)
    house = make_house(ToolRegistry([ToolSpec(**{**vars(spec), "profile": profile})]), servers=server(garages.url))
    with pytest.raises(ToolFailed, match="wall seconds"):
        await run(house, "context.http('DOOR').request('GET', '/v1/slow')")
    assert [row["reason"] for row in await requests_of(house)] == ["cut_off"]


async def test_a_tool_the_server_does_not_name_is_refused(make_house: MakeHouse, garages: Resource) -> None:
    house = make_house(ToolRegistry([asking(KEY_GRANT)]), servers=server(garages.url, tools=["another_tool"]))
    with pytest.raises(ToolRefused, match="does not let ask_garages in") as caught:
        await run(house, ASK)
    assert caught.value.rule == "policy"
    assert garages.seen == []


@pytest.mark.parametrize("opens", ["", "elsewhere"])
async def test_a_grant_that_opens_nothing_known_is_refused(
    make_house: MakeHouse, garages: Resource, opens: str
) -> None:
    grant = Grant(name=KEY_GRANT.name, kind="kv", resource=KEY_GRANT.resource, opens=opens)
    house = make_house(ToolRegistry([asking(grant)]), servers=server(garages.url))
    with pytest.raises(Misconfigured, match="opens"):
        await run(house, ASK)


@pytest.mark.parametrize("headers", [{}, {"X-Api-Key": "{another_field}"}])
async def test_a_key_of_which_is_not_said_where_it_goes_is_refused(
    make_house: MakeHouse, garages: Resource, headers: dict[str, str]
) -> None:
    house = make_house(ToolRegistry([asking(KEY_GRANT)]), servers=server(garages.url, headers=headers))
    with pytest.raises(Misconfigured) as caught:
        await run(house, ASK)
    assert KEY not in str(caught.value)


async def test_a_signed_identity_convinces_a_server_that_knows_only_the_public_keys(
    make_house: MakeHouse, openbao_server: RunningOpenBao
) -> None:
    async with serve(admit_identity(openbao_server.server.address)) as resource:
        house = make_house(ToolRegistry([asking(IDENTITY_GRANT)]), servers=server(resource.url, headers={}))
        answer = await run(house, ASK, door="identity")
    assert (answer["status"], answer["body"]["asked_by"]) == (200, "policy_lookup")


async def test_a_client_certificate_opens_a_server_that_demands_one(
    make_house: MakeHouse, openbao_server: RunningOpenBao, tmp_path: Path
) -> None:
    async with httpx.AsyncClient() as client:
        authority = (await client.get(f"{openbao_server.server.address}/v1/pki/ca/pem")).content
    async with serve(admit_certificate, server_tls(tmp_path, clients_of=authority)) as resource:
        settings = server(resource.url, headers={}, ca_file=tmp_path / "server.pem")
        house = make_house(ToolRegistry([asking(CERTIFICATE_GRANT)]), servers=settings)
        answer = await run(house, ASK, door="certificate")
        assert answer["body"]["asked_by"] == "policy_lookup.overseen"
        # The same server from a tool with another credential: the handshake fails.
        other = make_house(ToolRegistry([asking(IDENTITY_GRANT)]), servers=settings)
        with pytest.raises(AssertionError, match="server_unreachable"):
            await run(other, ASK, door="identity")


async def test_a_server_with_a_certificate_nobody_vouches_for_gets_no_credential(
    make_house: MakeHouse, key_in_vault: None, tmp_path: Path
) -> None:
    async with serve(admit_key(KEY), server_tls(tmp_path)) as resource:
        house = make_house(ToolRegistry([asking(KEY_GRANT)]), servers=server(resource.url))
        with pytest.raises(AssertionError, match="server_unreachable"):
            await run(house, ASK)
        assert resource.seen == []
        trusting = make_house(
            ToolRegistry([asking(KEY_GRANT)]), servers=server(resource.url, ca_file=tmp_path / "server.pem")
        )
        assert (await run(trusting, ASK))["status"] == 200


async def test_what_a_call_asked_of_a_database_is_counted_in_the_journal(house: House) -> None:
    await house.use("look_up_policy", {"policy_number": "CAR-2214-KL"})
    (row,) = await requests_of(house)
    assert (row["kind"], row["resource"], row["statements"], row["failed"]) == ("database", "insurer", 1, 0)
    assert row["answer_bytes"] > 10
