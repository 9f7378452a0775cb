"""What the client does with answers that are none of a Vault that serves."""

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from overseen.secrets.errors import VaultAuditBlocked, VaultBackendDown, VaultRefused, VaultSealed, VaultUnavailable
from overseen.secrets.secret import Secret
from overseen.secrets.vault_client import AppRoleLogin, VaultClient
from tests.contract.secrets.test_logins import certificate

LOGIN = AppRoleLogin(role_id="x", secret_id=Secret("x"))
TOKEN = Secret("hvs.leased")


@dataclass
class Answers:
    """A server that always says the same. `asked` are the paths and tokens it saw."""

    status: int = 200
    content: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Answers]:
    answers = Answers()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.asked.append((self.path, self.headers["X-Vault-Token"]))
            self.send_response(answers.status)
            for name, value in {**answers.headers, "Content-Length": str(len(answers.content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answers.content)

        def log_message(self, *arguments: object) -> None:
            pass

    authority, key = certificate()
    (tmp_path / "server.pem").write_bytes(authority + key)
    (tmp_path / "authority.pem").write_bytes(authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    answers.url = f"https://127.0.0.1:{listening.server_address[1]}"
    yield answers
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def client(server: Answers, tmp_path: Path) -> Iterator[VaultClient]:
    made = VaultClient(f"{server.url}/below", LOGIN, ca_file=tmp_path / "authority.pem")
    yield made
    made._threads.shutdown()
    made._connections.close()


async def test_a_server_of_the_named_authority_is_asked_below_its_address(server: Answers, client: VaultClient) -> None:
    server.content = json.dumps({"data": {"a": 1}}).encode()
    assert await client.read("kv/data/x", token=TOKEN) == {"data": {"a": 1}}
    assert server.asked == [("/below/v1/kv/data/x", "hvs.leased")]


async def test_a_server_of_another_authority_is_told_nothing(server: Answers) -> None:
    client = VaultClient(server.url, LOGIN)
    with pytest.raises(VaultUnavailable):
        await client.read("kv/data/x", token=TOKEN)
    assert server.asked == []
    await client.close()


async def test_no_token_follows_a_redirect(server: Answers, client: VaultClient) -> None:
    server.status, server.headers = 307, {"Location": f"{server.url}/v1/elsewhere"}
    with pytest.raises(VaultUnavailable):
        await client.read("kv/data/x", token=TOKEN)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (403, "permission denied", VaultRefused),
        (404, "", VaultRefused),
        (500, "internal error", VaultAuditBlocked),
        (500, "failed to revoke: connection refused", VaultBackendDown),
        (503, "Vault is sealed", VaultSealed),
        (429, "request limit", VaultUnavailable),
        (502, "bad gateway", VaultUnavailable),
    ],
)
async def test_what_vault_says_becomes_an_error_that_says_who_acts(
    server: Answers, client: VaultClient, status: int, said: str, error: type[Exception]
) -> None:
    server.status, server.content = status, json.dumps({"errors": [said] if said else []}).encode()
    with pytest.raises(error) as raised:
        await client.read("kv/data/x", token=TOKEN)
    assert type(raised.value) is error


async def test_an_answer_of_something_else_is_no_refusal(server: Answers, client: VaultClient) -> None:
    for status in (200, 504):
        server.status, server.content = status, b"<html>gateway</html>"
        with pytest.raises(VaultUnavailable):
            await client.read("kv/data/x", token=TOKEN)
