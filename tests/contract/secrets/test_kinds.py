"""Credentials that are no database roles: a wrapped secret, an identity token, a client certificate."""

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import hvac
import jwt
import pytest
from sqlalchemy import update

from overseen.secrets.broker import LeaseBroker
from overseen.secrets.errors import VaultRefused
from overseen.secrets.reconciler import Reconciler
from overseen.secrets.secret import ClientCertificate, IdentityToken, SecretValue
from overseen.secrets.sweeper import Sweeper
from overseen.secrets.vault_client import VaultClient
from overseen.store import Database
from overseen.store.tables import LeaseRecord, now
from tests.contract.secrets.conftest import Grant, make_call
from tests.contract.secrets.test_broker import rows
from tests.contract.secrets.test_reconciler import reconciler  # noqa: F401 - a fixture
from tests.contract.secrets.test_sweeper import liveness, sweeper  # noqa: F401 - fixtures
from tests.stack_fixtures import RunningOpenBao

KEY_VALUE = Grant(name="kv_write_to_claimant", kind="kv", resource="tools/write-to-claimant")
IDENTITY = Grant(name="identity", kind="identity", resource="claims-api")
CERTIFICATE = Grant(name="certificate", kind="certificate", resource="policy_lookup.overseen", ttl_seconds=120)


async def test_a_key_value_secret_is_read_wrapped_and_shown_to_nobody(
    broker: LeaseBroker, administrator: hvac.Client, database: Database
) -> None:
    async with broker.lease(make_call(), [KEY_VALUE], wall_seconds=30) as lease:
        credential = lease.credential("kv_write_to_claimant")
        assert isinstance(credential, SecretValue)
        assert credential.values["api_key"].reveal() == "kept-in-vault"
        assert "kept-in-vault" not in repr(credential) + repr(lease) + str(credential.values)
    assert [row.state for row in await rows(database)] == ["closed"]


@pytest.mark.anomalies
async def test_a_wrapped_secret_that_someone_else_unwrapped_is_refused_and_found(
    broker: LeaseBroker,
    administrator: hvac.Client,
    openbao_server: RunningOpenBao,
    reconciler: Reconciler,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    vault: VaultClient,
) -> None:
    read = vault.read

    async def read_and_steal(path: str, **named: Any) -> dict[str, Any]:
        answer = await read(path, **named)
        if answer.get("wrap_info"):
            thief = hvac.Client(openbao_server.server.address, token=answer["wrap_info"]["token"])
            thief.sys.unwrap()
        return answer

    monkeypatch.setattr(vault, "read", read_and_steal)
    with pytest.raises(VaultRefused, match="unwrapped by someone else"):
        async with broker.lease(make_call(), [KEY_VALUE], wall_seconds=30):
            raise AssertionError("the block was entered")
    assert [finding.name.value for finding in await reconciler.reconcile()] == ["UNWRAPPED_TWICE"]


async def test_an_identity_token_convinces_a_resource_server_that_knows_only_the_public_keys(
    broker: LeaseBroker, openbao_server: RunningOpenBao
) -> None:
    async with broker.lease(make_call(), [IDENTITY], wall_seconds=30) as lease:
        credential = lease.credential("identity")
        assert isinstance(credential, IdentityToken)
    async with httpx.AsyncClient() as client:
        keys = (await client.get(f"{openbao_server.server.address}/v1/identity/oidc/.well-known/keys")).json()
    token = credential.token.reveal()
    key_id = jwt.get_unverified_header(token)["kid"]
    key = next(jwt.PyJWK(known) for known in keys["keys"] if known["kid"] == key_id)
    claims = jwt.decode(token, key, algorithms=["EdDSA"], options={"verify_aud": False}, leeway=2)
    assert claims["agent"] == "policy_lookup"
    assert claims["exp"] - claims["iat"] == 60
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token[:-6] + "AAAAAA", key, algorithms=["EdDSA"], options={"verify_aud": False})


async def test_what_was_signed_is_irrevocable_until_it_ran_out(
    broker: LeaseBroker,
    database: Database,
    sweeper: Sweeper,  # noqa: F811
) -> None:
    async with broker.lease(make_call(), [IDENTITY], wall_seconds=30):
        pass
    assert [row.state for row in await rows(database)] == ["irrevocable"]
    await sweeper.sweep()
    assert [row.state for row in await rows(database)] == ["irrevocable"]
    async with database.transaction() as session:
        await session.execute(update(LeaseRecord).values(expires_at=now() - timedelta(seconds=1)))
    await sweeper.sweep()
    assert [(row.state, row.reason) for row in await rows(database)] == [("closed", "expired")]


async def test_a_client_certificate_opens_a_server_that_asks_for_one(
    broker: LeaseBroker, tmp_path: Path, database: Database
) -> None:
    async with broker.lease(make_call(), [CERTIFICATE], wall_seconds=30) as lease:
        credential = lease.credential("certificate")
        assert isinstance(credential, ClientCertificate)
        assert await handshake(tmp_path, credential) == "policy_lookup.overseen"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await handshake(tmp_path, credential, show_certificate=False)
    assert (await rows(database))[0].principals == [credential.serial_number]


async def handshake(folder: Path, credential: ClientCertificate, *, show_certificate: bool = True) -> str:
    """The name a real TLS server reads from the client's certificate, which it demands."""
    certificate, key, issuer = folder / "client.pem", folder / "client.key", folder / "issuer.pem"
    certificate.write_text(credential.certificate)
    key.write_text(credential.private_key.reveal())
    issuer.write_text(credential.issuer)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(*_server_certificate(folder))
    server_side.verify_mode = ssl.CERT_REQUIRED
    server_side.load_verify_locations(issuer)
    names: list[str] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown = writer.get_extra_info("ssl_object").getpeercert()
        names.extend(value for part in shown["subject"] for name, value in part if name == "commonName")
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.check_hostname = False
    client_side.verify_mode = ssl.CERT_NONE
    if show_certificate:
        client_side.load_cert_chain(certificate, key)
    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server_side)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_side)
        said = await reader.read(5)
        writer.close()
    if said != b"hello":
        raise ConnectionError("the server hung up")
    return names[0]


def _server_certificate(folder: Path) -> tuple[Path, Path]:
    from datetime import UTC, datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "insurer.example")])
    moment = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(minutes=1))
        .not_valid_after(moment + timedelta(minutes=5))
        .sign(key, hashes.SHA256())
    )
    paths = folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
