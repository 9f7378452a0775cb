"""A Vault is compared with what Overseen needs, and what is too wide is named."""

from collections.abc import Iterator

import hvac
import pytest

from overseen.secrets.secret import Secret
from overseen.secrets.vault_check import check_own_logins, check_own_token, check_vault, policy_text
from overseen.secrets.vault_client import VaultClient
from overseen.stack.vault_layout import LAYOUT, PROVISIONER
from overseen.stack.vault_provisioning import read_logins
from tests.stack_fixtures import RunningOpenBao

POLICY = "grant-insurer-read"


@pytest.fixture
def provisioner(openbao_server: RunningOpenBao) -> Iterator[hvac.Client]:
    login = read_logins(openbao_server.server)[PROVISIONER]
    client = hvac.Client(openbao_server.server.address)
    client.auth.approle.login(login.role_id, login.secret_id)
    yield client
    client.sys.create_or_update_acl_policy(POLICY, LAYOUT.all_policies[POLICY])


async def problems(vault: VaultClient, provisioner: hvac.Client) -> list[tuple[str, str]]:
    found = await check_vault(vault, Secret(provisioner.token), LAYOUT)
    return [(deviation.what, deviation.problem) for deviation in found]


async def test_the_embedded_server_is_as_it_should_be(vault: VaultClient, provisioner: hvac.Client) -> None:
    assert await problems(vault, provisioner) == []


async def test_a_policy_that_allows_more_is_too_wide(vault: VaultClient, provisioner: hvac.Client) -> None:
    wider = LAYOUT.all_policies[POLICY] + 'path "kv/data/*" { capabilities = ["read"] }\n'
    provisioner.sys.create_or_update_acl_policy(POLICY, wider)
    assert await problems(vault, provisioner) == [(f"policy {POLICY}", "too_wide")]


async def test_a_policy_that_allows_less_is_too_narrow(vault: VaultClient, provisioner: hvac.Client) -> None:
    provisioner.sys.create_or_update_acl_policy(POLICY, 'path "kv/x" { capabilities = ["deny"] }\n')
    assert sorted(await problems(vault, provisioner)) == [
        (f"policy {POLICY}", "too_narrow"),
        (f"policy {POLICY}", "too_wide"),
    ]


async def test_a_missing_policy_is_named(vault: VaultClient, provisioner: hvac.Client) -> None:
    provisioner.delete(f"sys/policies/acl/{POLICY}")
    assert await problems(vault, provisioner) == [(f"policy {POLICY}", "missing")]


async def test_a_token_role_with_more_uses_is_named(vault: VaultClient, provisioner: hvac.Client) -> None:
    path = "auth/token/roles/call-insurer-read"
    provisioner.write_data(path, data={"token_num_uses": 0})
    try:
        assert await problems(vault, provisioner) == [(path, "different")]
    finally:
        provisioner.write_data(path, data={"token_num_uses": 2})


async def test_a_revocation_that_cannot_be_repeated_is_named(vault: VaultClient, provisioner: hvac.Client) -> None:
    path = "database/roles/insurer-pay"
    role = provisioner.read(path)["data"]
    provisioner.write_data(path, data=role | {"revocation_statements": ['ALTER ROLE "{{name}}" NOLOGIN;']})
    try:
        assert await problems(vault, provisioner) == [(path, "different")]
    finally:
        provisioner.write_data(path, data=role)


# What stood there before: the kill switch could give any entity any policy, the broker mint and end anything.
WIDE = {
    "overseen-killswitch": """
path "identity/entity/name/*" { capabilities = ["read", "update"] }
path "identity/entity/id/*" { capabilities = ["read", "update"] }
path "sys/leases/lookup/*" { capabilities = ["list", "sudo"] }
path "sys/leases/revoke" { capabilities = ["create", "update"] }
""",
    "overseen-broker": """
path "auth/token/create/run" { capabilities = ["create", "update"] denied_parameters = { id = [] } }
path "auth/token/revoke-accessor" { capabilities = ["create", "update"] }
path "sys/leases/revoke" { capabilities = ["create", "update"] }
""",
    "run": 'path "auth/token/create/call-*" { capabilities = ["create", "update"] denied_parameters = { id = [] } }',
}


@pytest.mark.parametrize(
    ("policy", "details"),
    [
        (
            "overseen-killswitch",
            [
                "identity/entity/id/*: read, update",
                "identity/entity/name/*: read, update",
                "sys/leases/lookup/*: list, sudo",
                "sys/leases/revoke: may send any parameter, not only lease_id, sync",
            ],
        ),
        (
            "overseen-broker",
            [
                "auth/token/create/run: may send any parameter, not only display_name, meta, ttl",
                "auth/token/revoke-accessor: create, update",
                "sys/leases/revoke: may send any parameter, not only lease_id, sync",
            ],
        ),
        ("run", ["auth/token/create/call-*: create, update"]),
    ],
)
async def test_a_vault_with_the_former_wide_policies_is_told_from_one_with_these(
    vault: VaultClient, provisioner: hvac.Client, policy: str, details: list[str]
) -> None:
    provisioner.sys.create_or_update_acl_policy(policy, WIDE[policy])
    try:
        found = await check_vault(vault, Secret(provisioner.token), LAYOUT)
    finally:
        provisioner.sys.create_or_update_acl_policy(policy, LAYOUT.all_policies[policy])
    wide = [deviation.detail for deviation in found if deviation.problem == "too_wide"]
    assert (wide, {deviation.what for deviation in found}) == (details, {f"policy {policy}"})


async def test_a_parameter_more_is_too_wide_and_one_less_too_narrow(
    vault: VaultClient, provisioner: hvac.Client
) -> None:
    own = LAYOUT.all_policies["overseen-killswitch"]
    for changed, problem in (
        (own.replace("{ disabled = [] }", "{ disabled = [] policies = [] }", 1), "too_wide"),
        (own.replace('lease_id = ["database/creds/*"]', "lease_id = []", 1), "too_wide"),
        (own.replace(", sync = []", "", 1), "too_narrow"),
    ):
        assert changed != own
        provisioner.sys.create_or_update_acl_policy("overseen-killswitch", changed)
        assert await problems(vault, provisioner) == [("policy overseen-killswitch", problem)]
    provisioner.sys.create_or_update_acl_policy("overseen-killswitch", own)


async def test_a_policy_on_an_agents_entity_and_on_a_logins_own_is_too_wide(
    vault: VaultClient, provisioner: hvac.Client
) -> None:
    agent = "identity/entity/name/agent-extractor"
    provisioner.write_data(agent, data={"policies": ["run"]})
    assert await problems(vault, provisioner) == [(agent, "too_wide")]
    provisioner.write_data(agent, data={"policies": []})
    assert await check_own_token(vault, "overseen-broker") == []
    own = (await vault.read("auth/token/lookup-self"))["data"]["entity_id"]
    provisioner.write_data("identity/entity", data={"id": own, "policies": ["run"]})
    try:
        (deviation,) = await check_own_token(vault, "overseen-broker")
    finally:
        provisioner.write_data("identity/entity", data={"id": own, "policies": []})
    assert (deviation.problem, "run" in deviation.detail) == ("too_wide", True)


async def test_each_login_says_itself_what_it_may(
    openbao_server: RunningOpenBao, vault: VaultClient, killswitch: VaultClient, provisioner: hvac.Client
) -> None:
    assert await check_own_logins(openbao_server.settings) == []
    own = LAYOUT.all_policies["overseen-killswitch"]
    wide = own + 'path "identity/entity/id/*" { capabilities = ["update"] }'
    provisioner.sys.create_or_update_acl_policy("overseen-killswitch", wide)
    try:
        found = await check_own_logins(openbao_server.settings)
        assert [(one.what, one.problem, one.detail) for one in found] == [
            ("login overseen-killswitch", "too_wide", "it may use identity/entity/id/any")
        ]
        provisioner.sys.create_or_update_acl_policy("overseen-killswitch", own.replace("sys/capabilities-self", "no"))
        assert [one.problem for one in await check_own_logins(openbao_server.settings)] == ["different"]
    finally:
        provisioner.sys.create_or_update_acl_policy("overseen-killswitch", own)
    nameless = openbao_server.settings.model_copy(update={"effects_role_id": None})
    assert [(one.what, one.problem) for one in await check_own_logins(nameless)] == [
        ("login overseen-effects", "missing")
    ]


def test_the_printed_policies_are_those_of_the_layout() -> None:
    text = policy_text(LAYOUT)
    assert "bao policy write grant-insurer-pay" in text
    assert "overseen-provisioner" not in text
    assert "bao write auth/token/roles/call-insurer-read" in text
    assert "bao write database/roles/insurer-read" in text
    assert "bao write auth/approle/role/overseen-effects" in text
    assert "identity/entity/id" not in text
    assert "CREATE EVENT TRIGGER" in text
