"""A route to a managed provider through litellm.

litellm takes seconds to import and pulls in much, so it is imported on the first request, in a thread, and never by the
web process. It fetches nothing from the network by itself: its price list is the one in the package.
"""

import http
import logging
import os
from decimal import Decimal
from types import ModuleType
from typing import Any

from overseen.blocking import run_blocking
from overseen.clock import Clock, SystemClock
from overseen.errors import OverseenError
from overseen.models.answer_reader import AnswerReader
from overseen.models.errors import RouteUnavailable
from overseen.models.openai_wire import BlobReader, request_body
from overseen.models.patience import IdleLimits, Patience
from overseen.models.route_errors import RouteError, error_for_status, unavailable
from overseen.models.types import ModelAnswer, ModelRequest, RouteProfile, TokenListener, Usage, nobody_listens

_log = logging.getLogger(__name__)


def _import_litellm() -> ModuleType:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    # Never drop what a provider cannot do: an answer without its schema or region would pass for one with it.
    litellm.drop_params = False
    return litellm


class LitellmRoute:
    """One model of a managed provider, named as litellm names it (anthropic/claude-..., azure/..., openai/...)."""

    def __init__(
        self,
        profile: RouteProfile,
        *,
        blobs: BlobReader,
        api_key: str | None = None,
        base_url: str | None = None,
        limits: IdleLimits | None = None,
        stream: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self._profile = profile
        self._blobs = blobs
        self._api_key = api_key
        self._base_url = base_url
        self._limits = limits or IdleLimits()
        self._stream = stream
        self._clock = clock or SystemClock()
        self._litellm: Any = None

    @property
    def profile(self) -> RouteProfile:
        """See ModelRoute."""
        return self._profile

    async def complete(self, request: ModelRequest, listener: TokenListener = nobody_listens) -> ModelAnswer:
        """See ModelRoute."""
        litellm = await self._load()
        from openai import OpenAIError

        body = await request_body(request, self._profile, self._blobs, stream=self._stream)
        if request.logprobs and not self._tells_probabilities(litellm):
            body.pop("logprobs")
        reader = AnswerReader(self._profile, request)
        patience = Patience(self._limits)
        started = self._clock.monotonic()
        try:
            await self._read(body, reader, patience, listener)
        except TimeoutError as error:
            raise reader.failed(patience.words, self._clock.monotonic() - started) from error
        except OpenAIError as error:  # the root of litellm's own errors
            raise self._translated(error) from error
        except OverseenError as error:
            if isinstance(error, RouteUnavailable) and error.usage is None and reader.tokens_so_far:
                error.usage = reader.usage(self._clock.monotonic() - started)
            raise
        except Exception as error:  # whatever the library trips over in an answer that it did not expect
            _log.warning("litellm cannot read an answer of %s (%s)", self._profile.name, type(error).__name__)
            what = f"sent something that litellm cannot read ({type(error).__name__})"
            raise reader.failed(what, self._clock.monotonic() - started) from error
        seconds = self._clock.monotonic() - started
        return reader.answer(seconds, self._cost(litellm, reader.usage(seconds)))

    async def _read(
        self, body: dict[str, Any], reader: AnswerReader, patience: Patience, listener: TokenListener
    ) -> None:
        """Everything the provider sends. Leaving it early closes the connection."""
        longest = self._limits.first_token_seconds + self._limits.idle_seconds
        async with patience.limit():
            response = await self._litellm.acompletion(
                **body,
                api_key=self._api_key,
                api_base=self._base_url,
                # Ours is shorter and tells which silence it was; litellm's own default would cut long answers.
                timeout=longest,
                num_retries=0,
                max_retries=0,
            )
        if not self._stream:
            reader.take(response.model_dump())
            reader.end_of_stream()
            return
        try:
            while True:
                async with patience.limit():
                    chunk = await anext(response, None)
                if chunk is None:
                    reader.end_of_stream()
                    return
                reader.take(chunk.model_dump())
                patience.heard(answering=reader.tokens_so_far > 0)
                listener(reader.tokens_so_far)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """See ModelRoute."""
        if self._litellm is not None:
            await self._litellm.close_litellm_async_clients()

    async def _load(self) -> Any:
        if self._litellm is None:
            self._litellm = await run_blocking(_import_litellm)
        return self._litellm

    def _tells_probabilities(self, litellm: Any) -> bool:
        return "logprobs" in (litellm.get_supported_openai_params(model=self._profile.model) or ())

    def _cost(self, litellm: Any, usage: Usage) -> Decimal | None:
        """US dollars by litellm's price list; None (the settings' prices) for a model that it does not know."""
        try:
            given, written = litellm.cost_per_token(
                model=self._profile.model,
                prompt_tokens=usage.input_tokens,
                completion_tokens=usage.output_tokens,
                cache_read_input_tokens=usage.cached_tokens,
            )
            return Decimal(str(round(given + written, 9)))
        except Exception as error:  # noqa: BLE001 - it raises whatever its price list makes of an unknown model
            _log.info("litellm has no price for %s (%s).", self._profile.model, type(error).__name__)
            return None

    def _translated(self, error: Any) -> RouteError:
        """Our error for litellm's. Its message may quote the request and is left out."""
        status = getattr(error, "status_code", None)
        name = type(error).__name__
        if isinstance(status, int) and status >= http.HTTPStatus.BAD_REQUEST:
            return error_for_status(self._profile.name, status, name)
        return unavailable(self._profile.name, f"failed ({name})")
