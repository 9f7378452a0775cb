"""docs/writing_tools.md, done as it says: a package of somebody else with a tool, its grant, and a server."""

import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import hvac
import pytest
import pytest_asyncio
import yaml
from aiohttp import web

from overseen.errors import Misconfigured
from overseen.settings import HttpResourceSettings
from overseen.stack.openbao import _binary
from overseen.stack.vault_layout import PROVISIONER
from overseen.stack.vault_provisioning import read_logins
from overseen.tools.errors import ToolFailed
from overseen.tools.registry import load_registry, tool_distributions
from overseen.tools.sandbox.bubblewrap import BubblewrapBackend
from tests.contract.tools.conftest import House, MakeHouse
from tests.contract.tools.resource_servers import Resource
from tests.stack_fixtures import RunningOpenBao

# An administrator writes a policy of ours by hand, which the reconciler has to name.
pytestmark = pytest.mark.anomalies

DOCUMENT = Path(__file__).parents[3] / "docs" / "writing_tools.md"
KEY = "the-garages-own-key"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the document, as an installer would have laid it out."""
    folder = tmp_path_factory.mktemp("site-packages")
    project: dict[str, Any] = tomllib.loads(blocks("toml")[0])["project"]
    (folder / "garage_rates").mkdir()
    (folder / "garage_rates" / "__init__.py").touch()
    (folder / "garage_rates" / "tool.py").write_text(blocks("python")[0])
    (folder / "test_garage_rates.py").write_text(blocks("python")[1])
    info = folder / "garage_rates-1.0.dist-info"
    info.mkdir()
    required = "".join(f"Requires-Dist: {name}\n" for name in project["dependencies"])
    info.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n{required}"
    )
    points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["overseen"].items())
    info.joinpath("entry_points.txt").write_text(f"[overseen]\n{points}")
    names = ("garage_rates/__init__.py", "garage_rates/tool.py", "garage_rates-1.0.dist-info/METADATA")
    info.joinpath("RECORD").write_text("".join(f"{name},,\n" for name in names))
    return folder


@pytest.fixture
def installed(package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(package))
    importlib.invalidate_caches()
    return package


@pytest_asyncio.fixture
async def garages() -> AsyncIterator[Resource]:
    """A server that knows one garage and wants the key."""
    resource = Resource()

    async def rate(request: web.Request) -> web.Response:
        resource.seen.append(request.path)
        if request.headers.get("X-Api-Key") != KEY:
            return web.json_response({}, status=401)
        if request.match_info["garage"] != "HB12":
            return web.json_response({}, status=404)
        return web.json_response({"rate": "62.00"})

    application = web.Application()
    application.router.add_get("/v1/garages/{garage}/rate", rate)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    resource.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield resource
    await runner.cleanup()


@pytest.fixture
def vault_told(openbao_server: RunningOpenBao) -> None:
    """Vault after an administrator ran what the document says."""
    address = openbao_server.server.address
    login = read_logins(openbao_server.server)[PROVISIONER]
    client = hvac.Client(address)
    client.auth.approle.login(login.role_id, login.secret_id)
    paths = ("kv/data/tools/*", "sys/policies/acl/*", "auth/token/roles/*")
    rules = "".join(f'path "{path}" {{ capabilities = ["create", "read", "update", "sudo"] }}\n' for path in paths)
    # The client looks up by itself what version of the engine it speaks to.
    rules += 'path "sys/internal/ui/mounts/*" { capabilities = ["read"] }\n'
    client.sys.create_or_update_acl_policy("tool-installer", rules)
    client.write_data("auth/approle/role/tool-installer", data={"token_policies": "tool-installer", "token_ttl": "5m"})
    role_id = client.auth.approle.read_role_id("tool-installer")["data"]["role_id"]
    secret_id = client.auth.approle.generate_secret_id("tool-installer")["data"]["secret_id"]
    installer = hvac.Client(address)
    installer.auth.approle.login(role_id, secret_id)
    environment = {
        "PATH": f"{_binary().parent}:{os.environ['PATH']}",
        "VAULT_ADDR": address,
        "VAULT_TOKEN": installer.token,
        "GARAGES_KEY": KEY,
        "HOME": "/nonexistent",
    }
    subprocess.run(["bash", "-euc", blocks("bash")[0]], env=environment, check=True, capture_output=True, timeout=60)


@pytest_asyncio.fixture
async def garage_house(
    make_house: MakeHouse,
    installed: Path,
    garages: Resource,
    vault_told: None,
    tool_sandbox: BubblewrapBackend,
) -> AsyncIterator[House]:
    """A gateway with the tools that are installed, and sandboxes that see what those need."""
    named: dict[str, Any] = yaml.safe_load(blocks("yaml")[0])["resources"]
    server = HttpResourceSettings.model_validate({**named["garages"], "base_url": garages.url})
    backend = BubblewrapBackend(tool_sandbox.doors_folder.parent, most_prewarmed=0, distributions=tool_distributions())
    yield make_house(load_registry(), servers={"garages": server}, sandbox=backend)
    await backend.close()


async def test_a_tool_of_another_package_reaches_its_server_with_its_own_grant(
    garage_house: House, garages: Resource
) -> None:
    result = await garage_house.use("garage_rate", {"garage": "HB12"})
    assert result.value == {"garage": "HB12", "pounds_an_hour": "62.00"}
    assert garages.seen == ["/v1/garages/HB12/rate"]
    kinds = [entry.kind for entry in await garage_house.journal.entries(garage_house.run_id)]
    assert kinds == ["CallStarted", "LeaseIssued", "DoorRequest", "LeaseClosed", "CallFinished"]


async def test_what_the_tool_says_in_its_own_words_is_passed_on(garage_house: House) -> None:
    with pytest.raises(ToolFailed, match="not_found"):
        await garage_house.use("garage_rate", {"garage": "NOWHERE"})


def test_the_test_of_the_document_passes(installed: Path, tmp_path: Path) -> None:
    importlib.import_module("test_garage_rates").test_the_rate_of_a_garage(tmp_path)


def test_the_tool_is_known_by_its_entry_point_only(installed: Path) -> None:
    assert "garage_rate" in load_registry().names
    assert tool_distributions() == ("garage-rates",)


def test_a_tool_whose_package_lacks_something_says_what(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setitem(sys.modules, "garage_rates", None)
    monkeypatch.delitem(sys.modules, "garage_rates.tool", raising=False)
    with pytest.raises(Misconfigured, match="garage"):
        load_registry().get("garage_rate")
