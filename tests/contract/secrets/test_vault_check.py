"""A Vault is compared with what Overseen needs, and what is too wide is named."""

from collections.abc import Iterator

import hvac
import pytest

from overseen.secrets.secret import Secret
from overseen.secrets.vault_check import check_vault, policy_text
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


def test_the_printed_policies_are_those_of_the_layout() -> None:
    text = policy_text(LAYOUT)
    assert "bao policy write grant-insurer-pay" in text
    assert "overseen-provisioner" not in text
    assert "bao write auth/token/roles/call-insurer-read" in text
    assert "bao write database/roles/insurer-read" in text
