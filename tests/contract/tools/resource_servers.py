"""Real HTTP and HTTPS servers that tools are let through to, and what they saw."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Admit = Callable[[web.Request], Awaitable[str | None]]
"""Who asks; None for nobody who may."""


@dataclass
class Resource:
    """A system of record behind HTTP. `seen` are method, path and query of all requests that got here."""

    url: str = ""
    seen: list[str] = field(default_factory=list)
    admitted: list[str] = field(default_factory=list)


@asynccontextmanager
async def serve(admit: Admit, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Resource]:
    """A server on a free port of 127.0.0.1 that lets in whom `admit` knows."""
    resource = Resource()

    async def answer(request: web.Request) -> web.StreamResponse:
        resource.seen.append(f"{request.method} {request.raw_path}")
        who = await admit(request)
        if who is None:
            return web.json_response({"error": "who are you"}, status=401)
        resource.admitted.append(who)
        if request.path == "/v1/away":
            return web.Response(status=302, headers={"Location": f"{resource.url}/v1/admin"})
        if request.path == "/v1/slow":
            await asyncio.sleep(30)
        return web.json_response({"asked_by": who, "sent": (await request.read()).decode()})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        scheme = "https" if tls else "http"
        resource.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
        yield resource
    finally:
        await runner.cleanup()


def admit_key(key: str) -> Admit:
    """Whoever has the key."""

    async def admit(request: web.Request) -> str | None:
        return "key" if request.headers.get("X-Api-Key") == key else None

    return admit


def admit_identity(vault_address: str) -> Admit:
    """Whoever shows a token that Vault signed: the server knows Vault's public keys and nothing else."""

    async def admit(request: web.Request) -> str | None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer":
            return None
        async with httpx.AsyncClient() as client:
            known = (await client.get(f"{vault_address}/v1/identity/oidc/.well-known/keys")).json()["keys"]
        key_id = jwt.get_unverified_header(token)["kid"]
        key = next(jwt.PyJWK(one) for one in known if one["kid"] == key_id)
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=["EdDSA"], options={"verify_aud": False}, leeway=2, issuer=None
        )
        return str(claims["agent"]) if claims["exp"] - claims["iat"] == 60 else None

    return admit


async def admit_certificate(request: web.Request) -> str | None:
    """Whoever came through a TLS handshake that demands a client certificate, by its common name."""
    shown = request.transport.get_extra_info("ssl_object").getpeercert() if request.transport else None
    names = [value for part in (shown or {}).get("subject", ()) for name, value in part if name == "commonName"]
    return names[0] if names else None


def server_tls(folder: Path, *, clients_of: bytes | None = None) -> ssl.SSLContext:
    """A TLS server for 127.0.0.1 with a certificate of its own (`server.pem` in `folder`).

    With `clients_of`, the PEM of an authority, only clients with a certificate of it get through the handshake.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "resource.example")])
    moment = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(minutes=1))
        .not_valid_after(moment + timedelta(minutes=5))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*paths)
    if clients_of is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients_of.decode())
    return context
