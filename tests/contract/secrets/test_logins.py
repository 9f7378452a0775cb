"""Logging in to a real OpenBao with what an orchestrator gives a process: a signed token, or its service account."""

import http.server
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hvac
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from overseen.errors import Misconfigured
from overseen.secrets.connect import broker_vault, killswitch_vault
from overseen.secrets.errors import VaultRefused
from overseen.secrets.secret import Secret
from overseen.secrets.vault_check import LoginMethod, check_vault, policy_text
from overseen.settings import VaultSettings
from overseen.stack.vault_layout import LAYOUT, PROVISIONER
from overseen.stack.vault_provisioning import read_logins
from tests.stack_fixtures import RunningOpenBao

# Roles with our policies are made by hand, at mounts where the reconciler expects no login.
pytestmark = pytest.mark.anomalies

JWT_MOUNT, KUBERNETES_MOUNT = "jwt-of-tests", "kubernetes-of-tests"
KEY = ec.generate_private_key(ec.SECP256R1())
BOUND = {"jwt": {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "bound_subject": "worker"}}
BOUND["kubernetes"] = {"bound_service_account_names": "worker", "bound_service_account_namespaces": "overseen"}


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode()


def signed(key: ec.EllipticCurvePrivateKey = KEY, **claims: Any) -> str:
    now = int(time.time())
    return jwt.encode({"sub": "worker", "aud": ["vault"], "iat": now, "exp": now + 300, **claims}, key, "ES256")


@pytest.fixture
def administrator(openbao_server: RunningOpenBao) -> hvac.Client:
    """Someone who sets up logins."""
    login = read_logins(openbao_server.server)[PROVISIONER]
    client = hvac.Client(openbao_server.server.address)
    client.auth.approle.login(login.role_id, login.secret_id)
    able = '{ capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
    paths = (f"auth/{JWT_MOUNT}/*", f"auth/{KUBERNETES_MOUNT}/*", "sys/auth/*", "sys/policies/acl/*", "auth/token/*")
    paths += ("database/roles/*", "identity/*")
    client.sys.create_or_update_acl_policy("logins", "".join(f'path "{path}" {able}\n' for path in paths))
    client.write_data("auth/approle/role/logins", data={"token_policies": "logins", "token_ttl": "5m"})
    role_id = client.auth.approle.read_role_id("logins")["data"]["role_id"]
    secret_id = client.auth.approle.generate_secret_id("logins")["data"]["secret_id"]
    administrator = hvac.Client(openbao_server.server.address)
    administrator.auth.approle.login(role_id, secret_id)
    return administrator


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return tmp_path / "token"


def make_roles(administrator: hvac.Client, auth: str, mount: str) -> None:
    for role in LAYOUT.app_roles:
        fields = {
            "token_policies": [role.policy],
            "token_ttl": role.token_seconds,
            "token_max_ttl": role.renewable_seconds,
            "token_no_default_policy": True,
        }
        administrator.write_data(f"auth/{mount}/role/{role.name}", data=fields | BOUND[auth])


@pytest.fixture
def jwt_settings(
    openbao_server: RunningOpenBao, administrator: hvac.Client, token_file: Path
) -> Iterator[VaultSettings]:
    administrator.sys.enable_auth_method("jwt", path=JWT_MOUNT)
    administrator.write_data(f"auth/{JWT_MOUNT}/config", data={"jwt_validation_pubkeys": [pem(KEY)]})
    make_roles(administrator, "jwt", JWT_MOUNT)
    yield VaultSettings(addr=openbao_server.server.address, auth="jwt", auth_mount=JWT_MOUNT, jwt_file=token_file)
    administrator.sys.disable_auth_method(JWT_MOUNT)


async def policies(settings: VaultSettings, connect: Any = broker_vault) -> list[str]:
    client = connect(settings)
    try:
        return (await client.read("auth/token/lookup-self"))["data"]["policies"]
    finally:
        await client.close()


async def test_a_signed_token_logs_in_as_broker_and_as_kill_switch(
    jwt_settings: VaultSettings, token_file: Path
) -> None:
    token_file.write_text(signed() + "\n")
    assert await policies(jwt_settings) == ["overseen-broker"]
    assert await policies(jwt_settings, killswitch_vault) == ["overseen-killswitch"]


@pytest.mark.parametrize("wrong", ["subject", "audience", "key", "time"])
async def test_another_token_does_not_log_in(jwt_settings: VaultSettings, token_file: Path, wrong: str) -> None:
    tokens = {
        "subject": lambda: signed(sub="somebody"),
        "audience": lambda: signed(aud=["elsewhere"]),
        "key": lambda: signed(ec.generate_private_key(ec.SECP256R1())),
        "time": lambda: signed(iat=int(time.time()) - 3600, exp=int(time.time()) - 1800),
    }
    token_file.write_text(tokens[wrong]())
    with pytest.raises(VaultRefused):
        await policies(jwt_settings)


async def test_a_renewed_token_file_is_read_at_the_next_login(jwt_settings: VaultSettings, token_file: Path) -> None:
    token_file.write_text(signed(sub="somebody"))
    client = broker_vault(jwt_settings)
    with pytest.raises(VaultRefused):
        await client.read("auth/token/lookup-self")
    token_file.write_text(signed())
    assert await client.read("auth/token/lookup-self")
    await client.close()


async def test_a_missing_token_file_is_said(jwt_settings: VaultSettings) -> None:
    with pytest.raises(Misconfigured, match="cannot be read") as raised:
        await policies(jwt_settings)
    assert "OVERSEEN_VAULT_JWT_FILE" in raised.value.next_step


def test_a_login_that_is_not_named_is_said() -> None:
    with pytest.raises(Misconfigured, match="signed token"):
        broker_vault(VaultSettings(addr="http://127.0.0.1:1", auth="jwt"))
    with pytest.raises(Misconfigured, match="login of the kill switch"):
        killswitch_vault(VaultSettings(addr="http://127.0.0.1:1", role_id="x"))


@dataclass
class Cluster:
    """The one thing OpenBao asks of a Kubernetes cluster: whose token is this? `known` are those it made."""

    known: dict[str, tuple[str, str]] = field(default_factory=dict)
    reviews: int = 0

    def review(self, token: str) -> dict[str, Any]:
        self.reviews += 1
        if token not in self.known:
            return {"authenticated": False, "error": "unknown token"}
        namespace, account = self.known[token]
        user = {"username": f"system:serviceaccount:{namespace}:{account}", "uid": f"uid-of-{account}"}
        return {"authenticated": True, "user": user, "audiences": ["https://kubernetes.default.svc"]}

    def service_account_token(self, namespace: str, account: str) -> str:
        about = {"namespace": namespace, "serviceaccount": {"name": account, "uid": f"uid-of-{account}"}}
        claims = {
            "iss": "https://kubernetes.default.svc",
            "sub": f"system:serviceaccount:{namespace}:{account}",
            "kubernetes.io": about,
        }
        token = signed(**claims, aud=["https://kubernetes.default.svc"])
        self.known[token] = (namespace, account)
        return token


def certificate() -> tuple[bytes, bytes]:
    """A self-signed certificate for 127.0.0.1, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cluster of tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), private


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Cluster, str, str]]:
    """A cluster's TokenReview endpoint over TLS; its address and authority."""
    cluster = Cluster()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {**asked, "status": cluster.review(asked["spec"]["token"])}
            body = json.dumps(answer).encode()
            found = self.path.startswith("/apis/authentication.k8s.io/v1/tokenreviews")
            self.send_response(201 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    authority, key = certificate()
    (tmp_path / "cluster.pem").write_bytes(authority + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cluster.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield cluster, f"https://127.0.0.1:{server.server_address[1]}", authority.decode()
    server.shutdown()
    server.server_close()


async def test_a_pod_logs_in_with_its_service_account_and_no_other(
    openbao_server: RunningOpenBao,
    administrator: hvac.Client,
    cluster: tuple[Cluster, str, str],
    token_file: Path,
) -> None:
    asked, address, authority = cluster
    administrator.sys.enable_auth_method("kubernetes", path=KUBERNETES_MOUNT)
    config = {
        "kubernetes_host": address,
        "kubernetes_ca_cert": authority,
        "token_reviewer_jwt": asked.service_account_token("vault", "reviewer"),
        "disable_local_ca_jwt": True,
    }
    administrator.write_data(f"auth/{KUBERNETES_MOUNT}/config", data=config)
    make_roles(administrator, "kubernetes", KUBERNETES_MOUNT)
    settings = VaultSettings(
        addr=openbao_server.server.address, auth="kubernetes", auth_mount=KUBERNETES_MOUNT, jwt_file=token_file
    )
    try:
        token_file.write_text(asked.service_account_token("overseen", "worker"))
        assert await policies(settings) == ["overseen-broker"]
        assert asked.reviews == 1
        for namespace, account in (("overseen", "other"), ("elsewhere", "worker")):
            token_file.write_text(asked.service_account_token(namespace, account))
            with pytest.raises(VaultRefused):
                await policies(settings)
        token_file.write_text(signed(sub="system:serviceaccount:overseen:worker"))
        with pytest.raises(VaultRefused):
            await policies(settings)
    finally:
        administrator.sys.disable_auth_method(KUBERNETES_MOUNT)


async def test_a_login_for_anyone_is_too_wide(jwt_settings: VaultSettings, administrator: hvac.Client) -> None:
    login, token = LoginMethod(auth="jwt", mount=JWT_MOUNT), Secret(administrator.token)
    vault = broker_vault(jwt_settings)
    assert await check_vault(vault, token, LAYOUT, login) == []
    role = f"auth/{JWT_MOUNT}/role/overseen-broker"
    wider = BOUND["jwt"] | {"bound_subject": "", "token_policies": ["overseen-broker", "root-like"]}
    administrator.write_data(role, data=wider)
    found = [(deviation.what, deviation.problem) for deviation in await check_vault(vault, token, LAYOUT, login)]
    assert found == [(role, "different"), (role, "too_wide")]
    await vault.close()


def test_the_printed_roles_are_those_of_the_login() -> None:
    assert "bao write auth/approle/role/overseen-broker token_policies=overseen-broker" in policy_text(LAYOUT)
    text = policy_text(LAYOUT, LoginMethod(auth="kubernetes", mount="k8s"))
    assert "bao write auth/k8s/role/overseen-killswitch" in text
    assert "bound_service_account_names=" in text
    assert "approle" not in text
