"""A route to a managed provider through litellm.

litellm takes seconds to import and pulls in much, so it is imported on the first request, in a thread, and never by the
web process. It fetches nothing from the network by itself: its price list is the one in the package.
"""

import asyncio
import logging
import os
from decimal import Decimal
from types import ModuleType
from typing import Any

from overseen.blocking import run_blocking
from overseen.clock import Clock, SystemClock
from overseen.models.errors import RequestRejected, RouteMisconfigured, RouteUnavailable
from overseen.models.openai_wire import BlobReader, read_answer, request_body
from overseen.models.types import ModelAnswer, ModelRequest, RouteProfile

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
        timeout_seconds: float = 180.0,
        clock: Clock | None = None,
    ) -> None:
        self._profile = profile
        self._blobs = blobs
        self._api_key = api_key
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds
        self._clock = clock or SystemClock()
        self._litellm: Any = None

    @property
    def profile(self) -> RouteProfile:
        """See ModelRoute."""
        return self._profile

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """See ModelRoute."""
        litellm = await self._load()
        from openai import OpenAIError

        body = await request_body(request, self._profile, self._blobs)
        if request.logprobs and not self._tells_probabilities(litellm):
            body.pop("logprobs")
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await litellm.acompletion(
                    **body,
                    api_key=self._api_key,
                    api_base=self._base_url,
                    timeout=self._timeout_seconds,
                    num_retries=0,
                    max_retries=0,
                )
        except TimeoutError as error:
            raise self._unavailable(f"did not answer within {self._timeout_seconds:g} s") from error
        except OpenAIError as error:  # the root of litellm's own errors
            raise self._translated(error) from error
        seconds = self._clock.monotonic() - started
        return read_answer(response.model_dump(), self._profile, seconds, self._cost(litellm, response))

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

    def _cost(self, litellm: Any, response: Any) -> Decimal | None:
        """US dollars by litellm's price list; None (the settings' prices) for a model that it does not know."""
        try:
            return Decimal(str(round(litellm.completion_cost(completion_response=response), 9)))
        except (litellm.exceptions.ModelNotMappedError, ValueError) as error:
            _log.info("litellm has no price for %s (%s).", self._profile.model, type(error).__name__)
            return None

    def _unavailable(self, what: str) -> RouteUnavailable:
        return RouteUnavailable(
            f"Model route {self._profile.name} {what}.",
            not_done="The model gave no answer.",
            next_step="Look at the provider's status page, or add a second route.",
            route=self._profile.name,
        )

    def _translated(self, error: Any) -> RouteUnavailable | RouteMisconfigured | RequestRejected:
        """Our error for litellm's. Its message may quote the request and is left out."""
        status = getattr(error, "status_code", None)
        what = f"answered {status} ({type(error).__name__})"
        if status in (401, 403, 404):
            return RouteMisconfigured(
                f"Model route {self._profile.name} {what}.",
                not_done="The model gave no answer.",
                next_step="Check model and key of the route in the settings.",
                route=self._profile.name,
            )
        if isinstance(status, int) and 400 <= status < 500 and status not in (408, 409, 429):
            return RequestRejected(
                f"Model route {self._profile.name} {what}.",
                not_done="The model gave no answer.",
                next_step="The request is too long for the model, or asks for something the provider cannot do.",
                route=self._profile.name,
            )
        return self._unavailable(what)
