"""From a server of the settings and the credential of one call to the target of an egress door."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Protocol

from overseen.blocking import run_blocking
from overseen.errors import Misconfigured
from overseen.settings import HttpResourceSettings
from overseen.tools.doors.egress import AllowedRequest, EgressLimits, EgressTarget, Injection

HTTP_KINDS = frozenset({"kv", "identity", "certificate"})
"""Kinds of grants whose credential is for an HTTP server."""


class Revealing(Protocol):
    """A secret text that prints as stars."""

    def reveal(self) -> str:
        """The text itself."""
        ...


class KeyValues(Protocol):
    """The fields of a key-value secret by name."""

    @property
    def values(self) -> Mapping[str, Revealing]:
        """Secret texts by name."""
        ...


class Identity(Protocol):
    """A signed token that says who calls."""

    @property
    def token(self) -> Revealing:
        """The JSON Web Token."""
        ...


class Certificate(Protocol):
    """A client certificate and its key, both PEM."""

    @property
    def certificate(self) -> str:
        """The certificate."""
        ...

    @property
    def private_key(self) -> Revealing:
        """Its key."""
        ...


class HttpCredential(KeyValues, Identity, Certificate, Protocol):
    """One of the three, by the kind of its grant."""


class _Grant(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...


def limits_of(resource: HttpResourceSettings) -> EgressLimits:
    """How much one call may ask of the server."""
    return EgressLimits(
        requests=resource.requests,
        request_bytes=resource.request_bytes,
        response_bytes=resource.response_bytes,
        total_bytes=resource.total_bytes,
        request_seconds=resource.request_seconds,
        total_seconds=resource.total_seconds,
    )


async def target_of(grant: _Grant, resource: HttpResourceSettings, credential: HttpCredential) -> EgressTarget:
    """The server as the sandbox may use it: under the grant's name, with the credential added outside.

    Raises Misconfigured when the credential is not what the settings say about the server.
    """
    certificate = credential if grant.kind == "certificate" else None
    if certificate is not None and not resource.base_url.startswith("https://"):
        raise _misconfigured(grant, "a client certificate needs a server with TLS", "Give its base_url as https://.")
    tls: ssl.SSLContext | None = None
    if certificate is not None or resource.ca_file is not None:
        tls = await run_blocking(_tls, grant, resource.ca_file, certificate)
    if grant.kind == "kv":
        _check_headers(grant, resource, credential)
    return EgressTarget(
        host=grant.name,
        base_url=resource.base_url,
        allow=[
            AllowedRequest(method=allowed.method, path=allowed.path, query=allowed.query) for allowed in resource.allow
        ],
        # Revealed for each request anew: nothing here holds the text between two of them.
        credential=lambda: _injection(grant.kind, resource, credential),
        tls=tls,
    )


def _injection(kind: str, resource: HttpResourceSettings, credential: HttpCredential) -> Injection:
    if kind == "identity":
        token = credential.token.reveal()
        return Injection(headers={"Authorization": f"Bearer {token}"}, secrets=(token,))
    if kind == "kv":
        # Only what is sent: other fields of the secret are left alone, and no answer is searched for them.
        named = {
            field for template in resource.headers.values() for _, field, _, _ in Formatter().parse(template) if field
        }
        fields = {name: credential.values[name].reveal() for name in sorted(named)}
        headers = {name: template.format(**fields) for name, template in resource.headers.items()}
        return Injection(headers=headers, secrets=tuple(fields.values()))
    return Injection()


def _check_headers(grant: _Grant, resource: HttpResourceSettings, credential: HttpCredential) -> None:
    if not resource.headers:
        raise _misconfigured(grant, "the settings do not say where its key goes", "Add `headers` to the resource.")
    try:
        headers = _injection("kv", resource, credential).headers
    except KeyError as error:
        raise _misconfigured(
            grant, f"its secret has no field {error}", "Correct `headers` of the resource, or the secret."
        ) from None
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        raise _misconfigured(grant, "its secret cannot stand in a header", "Store the key without line breaks.")


def _tls(grant: _Grant, ca_file: Path | None, certificate: Certificate | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        if certificate is not None:
            _load_certificate(context, certificate)
    except (OSError, ssl.SSLError) as error:
        raise _misconfigured(
            grant, f"TLS could not be set up ({type(error).__name__})", "Check `ca_file` of the resource."
        ) from error
    return context


def _load_certificate(context: ssl.SSLContext, certificate: Certificate) -> None:
    """The library reads certificates from files only; this one is in memory and gone when it is closed."""
    descriptor = os.memfd_create("overseen-certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "w", encoding="ascii") as stream:
            stream.write(f"{certificate.certificate.strip()}\n{certificate.private_key.reveal().strip()}\n")
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _misconfigured(grant: _Grant, what: str, next_step: str) -> Misconfigured:
    return Misconfigured(
        f"The grant {grant.name} cannot be used: {what}.", not_done="The tool was not run.", next_step=next_step
    )
