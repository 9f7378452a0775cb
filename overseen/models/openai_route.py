"""A route to any server that speaks OpenAI's chat completions: vLLM, llama.cpp, and many more."""

import asyncio
import json
import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from overseen.clock import Clock, SystemClock
from overseen.models.errors import RequestRejected, RouteMisconfigured, RouteUnavailable
from overseen.models.openai_wire import BlobReader, read_answer, request_body
from overseen.models.types import ModelAnswer, ModelRequest, RouteProfile

_CONNECT_SECONDS = 5.0
_BUSY = frozenset({408, 409, 425, 429})
_CREDENTIAL_OR_MODEL = frozenset({401, 403, 404})
_ERROR_NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}")


class OpenAIRoute:
    """One model on one server. `base_url` ends before `/chat/completions` (http://127.0.0.1:8080/v1).

    `timeout_seconds` bounds one request as a whole. Vision needs `blobs`, where the images are.
    """

    def __init__(
        self,
        profile: RouteProfile,
        base_url: str,
        *,
        blobs: BlobReader,
        api_key: str | None = None,
        timeout_seconds: float = 180.0,
        clock: Clock | None = None,
    ) -> None:
        self._profile = profile
        self._blobs = blobs
        self._timeout_seconds = timeout_seconds
        self._clock = clock or SystemClock()
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
            # A proxy of the environment must not stand between us and a server on this machine.
            trust_env=not is_loopback(base_url),
        )

    @property
    def profile(self) -> RouteProfile:
        """See ModelRoute."""
        return self._profile

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """See ModelRoute."""
        body = await request_body(request, self._profile, self._blobs)
        started = self._clock.monotonic()
        response = await self._send(body)
        self._refuse_bad_status(response)
        try:
            answer: Any = response.json()
        except json.JSONDecodeError as error:
            raise self._unavailable("sent something that is not JSON") from error
        return read_answer(answer, self._profile, self._clock.monotonic() - started)

    async def close(self) -> None:
        """See ModelRoute."""
        await self._client.aclose()

    async def _send(self, body: dict[str, Any]) -> httpx.Response:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._client.post("chat/completions", json=body)
        except TimeoutError as error:
            raise self._unavailable(f"did not answer within {self._timeout_seconds:g} s") from error
        except httpx.TransportError as error:
            raise self._unavailable(f"cannot be reached ({type(error).__name__})") from error

    def _unavailable(self, what: str) -> RouteUnavailable:
        return RouteUnavailable(
            f"Model route {self._profile.name} {what}.",
            not_done="The model gave no answer.",
            next_step="An operator can look with `overseen status`.",
            route=self._profile.name,
        )

    def _refuse_bad_status(self, response: httpx.Response) -> None:
        status = response.status_code
        if status < 400:
            return
        what = f"answered {status}{_error_name(response)}"
        if status >= 500 or status in _BUSY:
            raise self._unavailable(what)
        if status in _CREDENTIAL_OR_MODEL:
            raise RouteMisconfigured(
                f"Model route {self._profile.name} {what}.",
                not_done="The model gave no answer.",
                next_step="Check base_url, model and key of the route in the settings.",
                route=self._profile.name,
            )
        raise RequestRejected(
            f"Model route {self._profile.name} {what}.",
            not_done="The model gave no answer.",
            next_step="The request is too long for the model, or asks for something the server cannot do.",
            route=self._profile.name,
        )


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _error_name(response: httpx.Response) -> str:
    """The error's type as the server names it; its message may quote the request and is left out."""
    try:
        error = response.json().get("error")
    except (json.JSONDecodeError, AttributeError):
        return ""
    name = str((error.get("type") or error.get("code") or "") if isinstance(error, dict) else "")
    return f" ({name})" if _ERROR_NAME.fullmatch(name) else ""
