"""A route to any server that speaks OpenAI's chat completions: vLLM, llama.cpp, and many more."""

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from overseen.clock import Clock, SystemClock
from overseen.models.answer_reader import AnswerReader
from overseen.models.errors import RouteUnavailable
from overseen.models.openai_wire import BlobReader, request_body
from overseen.models.patience import IdleLimits, Patience
from overseen.models.route_errors import error_for_status, error_name_of, unavailable
from overseen.models.sse import DONE, json_messages
from overseen.models.types import ModelAnswer, ModelRequest, RouteProfile, TokenListener, nobody_listens

_CONNECT_SECONDS = 5.0
_MAX_ERROR_BYTES = 64 * 1024


class OpenAIRoute:
    """One model on one server. `base_url` ends before `/chat/completions` (http://127.0.0.1:8080/v1).

    Answers are streamed unless `stream` is False, for servers that cannot; `extra` is sent along as it is. A call is
    cut by `limits` alone, and then the connection is closed, which ends the work on the server too. Vision needs
    `blobs`, where the images are.
    """

    def __init__(
        self,
        profile: RouteProfile,
        base_url: str,
        *,
        blobs: BlobReader,
        api_key: str | None = None,
        limits: IdleLimits | None = None,
        stream: bool = True,
        extra: dict[str, Any] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._profile = profile
        self._blobs = blobs
        self._limits = limits or IdleLimits()
        self._stream = stream
        self._extra = extra or {}
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

    async def complete(self, request: ModelRequest, listener: TokenListener = nobody_listens) -> ModelAnswer:
        """See ModelRoute."""
        body = await request_body(request, self._profile, self._blobs, stream=self._stream)
        reader = AnswerReader(self._profile, request)
        patience = Patience(self._limits)
        started = self._clock.monotonic()
        try:
            await self._read({**body, **self._extra}, reader, patience, listener)
        except TimeoutError as error:
            raise reader.failed(patience.words, self._clock.monotonic() - started) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            what = "broke off its answer" if reader.tokens_so_far else "cannot be reached"
            raise reader.failed(f"{what} ({type(error).__name__})", self._clock.monotonic() - started) from error
        except RouteUnavailable as error:
            if error.usage is None and reader.tokens_so_far:
                error.usage = reader.usage(self._clock.monotonic() - started)
            raise
        return reader.answer(self._clock.monotonic() - started)

    async def close(self) -> None:
        """See ModelRoute."""
        await self._client.aclose()

    async def _read(
        self, body: dict[str, Any], reader: AnswerReader, patience: Patience, listener: TokenListener
    ) -> None:
        """Everything the server sends, until it says that it is done. Leaving it early closes the connection."""
        request = self._client.build_request("POST", "chat/completions", json=body)
        async with patience.limit():
            response = await self._client.send(request, stream=True)
        try:
            await self._refuse_bad_status(response, patience)
            async for message in json_messages(response.aiter_bytes(), patience, self._profile.name):
                if message is DONE:
                    reader.end_of_stream()
                    return
                reader.take(message)
                patience.heard(answering=reader.tokens_so_far > 0)
                listener(reader.tokens_so_far)
        finally:
            await response.aclose()

    async def _refuse_bad_status(self, response: httpx.Response, patience: Patience) -> None:
        if response.status_code < httpx.codes.BAD_REQUEST:
            if response.status_code >= httpx.codes.MULTIPLE_CHOICES:
                raise unavailable(self._profile.name, f"sent us elsewhere ({response.status_code})")
            return
        content = b""
        async with patience.limit():
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > _MAX_ERROR_BYTES:
                    break
        raise error_for_status(self._profile.name, response.status_code, error_name_of(content))


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
