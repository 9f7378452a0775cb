"""The one way to OpenBao or Vault: shared connections in a small thread pool, logged in, with errors that say who acts.

urllib3 in threads carries more than twice what an asynchronous client does, for half the processor time of hvac on
requests. The threads are its own, so that a hanging Vault cannot use up those of everything else.
"""

import asyncio
import contextlib
import functools
import json
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import urllib3

from overseen.errors import Misconfigured
from overseen.secrets.breaker import CircuitBreaker
from overseen.secrets.errors import (
    VaultAuditBlocked,
    VaultBackendDown,
    VaultRefused,
    VaultSealed,
    VaultSlow,
    VaultUnavailable,
)
from overseen.secrets.secret import Secret

_THREADS = 16
_REFUSED_CONNECTION = urllib3.exceptions.NewConnectionError
_RENEW_BELOW = 0.25
"""The share of its own token's life below which the client logs in again."""
_NOT_DONE = 300
"""No redirect is followed either: the token would travel to wherever it points."""

_FORBIDDEN, _NOT_FOUND, _INTERNAL_ERROR, _SEALED_OR_STANDBY = 403, 404, 500, 503
_SAID_NO = frozenset({400, 401, _FORBIDDEN, _NOT_FOUND, 405, 412})
_INTERNAL = "internal error"
"""All that Vault says when it could not write its audit log; its health endpoint answers well meanwhile."""


class VaultLogin(Protocol):
    """A way to prove who this process is."""

    @property
    def path(self) -> str:
        """Where to log in, for example auth/approle/login."""
        ...

    def body(self) -> Mapping[str, str]:
        """What to send there; read anew for each login, so that a rotated token file is noticed."""
        ...


@dataclass(frozen=True, kw_only=True)
class AppRoleLogin:
    """Role id and secret id."""

    role_id: str
    secret_id: Secret
    mount: str = "approle"

    @property
    def path(self) -> str:
        """auth/<mount>/login."""
        return f"auth/{self.mount}/login"

    def body(self) -> Mapping[str, str]:
        """Both ids."""
        return {"role_id": self.role_id, "secret_id": self.secret_id.reveal()}


@dataclass(frozen=True, kw_only=True)
class TokenFileLogin:
    """A signed token in a file that something else renews: Kubernetes service accounts and JWT auth."""

    role: str
    token_file: Path
    mount: str = "kubernetes"

    @property
    def path(self) -> str:
        """auth/<mount>/login."""
        return f"auth/{self.mount}/login"

    def body(self) -> Mapping[str, str]:
        """Role and the token as it is in the file now. Misconfigured when it cannot be read."""
        try:
            token = self.token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Misconfigured(
                f"The file with the token for Vault, {self.token_file}, cannot be read: {error.strerror}.",
                not_done="Vault was not asked.",
                next_step="Set OVERSEEN_VAULT_JWT_FILE to a file that this process can read.",
            ) from error
        return {"role": self.role, "jwt": token}


@dataclass(frozen=True, kw_only=True)
class _OwnToken:
    value: Secret
    renew_at: float
    """Seconds on the monotonic clock."""


def _unavailable(message: str, kind: type[VaultUnavailable] = VaultUnavailable) -> VaultUnavailable:
    return kind(
        message,
        not_done="No credential was given.",
        next_step="Try again in a moment; an operator can run `overseen status`.",
    )


def _answered_with_error(status: int, content: bytes) -> Exception:
    """Our error for what Vault answered. Only the first line of its text is kept, and only for operators."""
    said = _said(content)
    if status == _SEALED_OR_STANDBY and "sealed" in said.lower():
        return _unavailable("Vault is sealed.", VaultSealed)
    if status == _INTERNAL_ERROR and (said == _INTERNAL or "audit" in said.lower()):
        return _unavailable("Vault refuses everything, as it does when its audit log is full.", VaultAuditBlocked)
    if status == _INTERNAL_ERROR:
        return _unavailable(f"Vault is up, but could not do it: {said}", VaultBackendDown)
    if status not in _SAID_NO:
        return _unavailable(f"Vault cannot do it now (status {status}): {said}")
    return VaultRefused(
        f"Vault said no: {said}",
        not_done="No credential was given.",
        next_step="An operator can run `overseen vault check`.",
        said=said,
        status=status,
    )


def _said(content: bytes) -> str:
    try:
        errors = json.loads(content).get("errors") or ()
    except (ValueError, AttributeError):
        errors = (content.decode(errors="replace"),)
    return "; ".join(map(str, errors)).strip().replace("\n", " ")[:300]


class VaultClient:
    """Requests to one server, as one login. Close it when done."""

    def __init__(
        self,
        addr: str,
        login: VaultLogin,
        *,
        timeout_seconds: float = 3.0,
        ca_file: Path | None = None,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        if not addr.startswith(("http://", "https://")):
            raise Misconfigured(
                f"VAULT_ADDR is not an address: {addr!r}.",
                not_done="Vault was not asked.",
                next_step="Set it to http(s)://host:port.",
            )
        self.addr = addr
        self._login = login
        self._timeout_seconds = timeout_seconds
        self._breaker = breaker or CircuitBreaker()
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="vault")
        # No proxy of the environment: those are for the outside world, and credentials do not travel through them.
        trust = ssl.create_default_context(cafile=ca_file) if addr.startswith("https://") else None
        named = {"ssl_context": trust} if trust is not None else {}
        self._connections = urllib3.connection_from_url(addr, maxsize=_THREADS, **named)
        self._base = urlsplit(addr).path.rstrip("/")
        self._own: _OwnToken | None = None
        self._login_lock = asyncio.Lock()

    async def read(self, path: str, *, token: Secret | None = None, wrap_seconds: int | None = None) -> dict[str, Any]:
        """GET `path`. Without `token`, as this client's own login. Raises VaultRefused and VaultUnavailable."""
        return await self.request("get", path, token=token, wrap_seconds=wrap_seconds)

    async def write(
        self, path: str, body: Mapping[str, Any], *, token: Secret | None = None, wrap_seconds: int | None = None
    ) -> dict[str, Any]:
        """POST `body` to `path`; {} when Vault answers nothing. Raises VaultRefused and VaultUnavailable."""
        return await self.request("post", path, body=body, token=token, wrap_seconds=wrap_seconds)

    async def list(self, path: str) -> list[str]:
        """The keys below `path`; none when there is nothing. Raises VaultRefused and VaultUnavailable."""
        try:
            answer = await self.request("list", path)
        except VaultRefused as refused:
            if refused.context.get("status") == _NOT_FOUND:
                return []
            raise
        return list(answer.get("data", {}).get("keys", ()))

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        token: Secret | None = None,
        wrap_seconds: int | None = None,
    ) -> dict[str, Any]:
        """One request to /v1/`path`. A request as our own login that is refused logs in anew and tries once more."""
        if token is not None:
            return await self._guarded(method, path, token, body, wrap_seconds)
        own = await self._own_token()
        try:
            return await self._guarded(method, path, own, body, wrap_seconds)
        except VaultRefused as refused:
            if refused.context.get("status") != _FORBIDDEN or await self._still_valid(own):
                raise
            again = await self._own_token(not_this=own)
            return await self._guarded(method, path, again, body, wrap_seconds)

    async def server_time(self) -> float:
        """Seconds since 1970 by Vault's own clock, from the health endpoint, which needs no login."""
        answer = await self._guarded("get", "sys/health", None, None, None)
        return float(answer["server_time_utc"])

    async def close(self) -> None:
        """Revoke this client's own token and end the session. Out of reach, the token runs out by itself."""
        with contextlib.suppress(VaultUnavailable, VaultRefused):
            await self.revoke_own()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._connections.close()

    async def revoke_own(self) -> None:
        """Revoke this client's own token; the next request logs in again."""
        own, self._own = self._own, None
        if own is not None:
            await self._guarded("post", "auth/token/revoke-self", own.value, {}, None)

    async def _own_token(self, not_this: Secret | None = None) -> Secret:
        async with self._login_lock:
            own = self._own
            if own is None or own.renew_at < time.monotonic() or own.value is not_this:
                self._own = own = await self._log_in()
            return own.value

    async def _still_valid(self, own: Secret) -> bool:
        """Whether our own token lives, so that a refusal was meant for what was asked and not for who asked."""
        try:
            await self._guarded("get", "auth/token/lookup-self", own, None, None)
        except VaultRefused:
            return False
        return True

    async def _log_in(self) -> _OwnToken:
        # A login may read a file.
        body = await asyncio.get_running_loop().run_in_executor(self._threads, self._login.body)
        answer = await self._guarded("post", self._login.path, None, body, None)
        auth = answer["auth"]
        lasts = float(auth["lease_duration"])
        return _OwnToken(value=Secret(auth["client_token"]), renew_at=time.monotonic() + lasts * (1.0 - _RENEW_BELOW))

    async def _guarded(
        self,
        method: str,
        path: str,
        token: Secret | None,
        body: Mapping[str, Any] | None,
        wrap_seconds: int | None,
    ) -> dict[str, Any]:
        if not self._breaker.admit():
            raise _unavailable("Vault did not answer several times in a row, so it is given a rest.")
        try:
            answer = await self._in_pool(functools.partial(self._send, method, path, token, body, wrap_seconds))
        except (VaultRefused, VaultBackendDown):
            self._breaker.succeeded()
            raise
        except VaultUnavailable:
            self._breaker.failed()
            raise
        except BaseException:
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()
        return answer

    async def _in_pool(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _send(
        self,
        method: str,
        path: str,
        token: Secret | None,
        body: Mapping[str, Any] | None,
        wrap_seconds: int | None,
    ) -> dict[str, Any]:
        headers = {"X-Vault-Request": "true"}
        if token is not None:
            headers["X-Vault-Token"] = token.reveal()
        if wrap_seconds is not None:
            headers["X-Vault-Wrap-TTL"] = str(wrap_seconds)
        try:
            response = self._connections.request(
                method.upper(),
                f"{self._base}/v1/{quote(path)}",
                body=json.dumps(dict(body)).encode() if body is not None else None,
                headers=headers,
                timeout=self._timeout_seconds,
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            # A refused connection calls itself a time-out as well.
            if isinstance(error, urllib3.exceptions.TimeoutError) and not isinstance(error, _REFUSED_CONNECTION):
                message = f"Vault did not answer within {self._timeout_seconds:g} seconds."
                raise _unavailable(message, VaultSlow) from None
            raise _unavailable(f"Vault at {self.addr} is out of reach ({type(error).__name__}).") from None
        if response.status >= _NOT_DONE:
            raise _answered_with_error(response.status, response.data)
        try:
            return json.loads(response.data) if response.data else {}
        except ValueError:
            raise _unavailable(f"What answers at {self.addr} is no Vault.") from None
