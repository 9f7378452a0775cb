"""Routes from the settings."""

import logging
import os
from collections.abc import Mapping
from decimal import Decimal

from overseen.errors import Misconfigured
from overseen.models.openai_wire import BlobReader
from overseen.models.patience import IdleLimits
from overseen.models.types import ModelRoute, RouteProfile
from overseen.settings import RouteSettings, Settings

_log = logging.getLogger(__name__)

_KEY_NAMES: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "azure": ("AZURE_API_KEY",),
    "cohere": ("COHERE_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"),
    "xai": ("XAI_API_KEY",),
}
"""Where litellm looks for a provider's key. Others (cloud identities) are left to litellm."""


def build_routes(
    settings: Settings, blobs: BlobReader, environment: Mapping[str, str] | None = None
) -> tuple[ModelRoute, ...]:
    """The routes of the settings, in their order. A managed route whose provider's key is missing is left out.

    Raises Misconfigured for an unknown kind, a self-hosted route without base_url, or a managed route that does not say
    from which regions data may go to it.
    """
    environment = os.environ if environment is None else environment
    return tuple(
        route for route_settings in settings.routes if (route := _build(route_settings, blobs, environment)) is not None
    )


def profile_of(route: RouteSettings) -> RouteProfile:
    """What the settings say about a route."""
    return RouteProfile(
        name=route.name,
        model=route.model,
        regions=frozenset(route.regions),
        vision=route.vision,
        concurrency=route.concurrency,
        context_tokens=route.context_tokens,
        input_usd_per_million=Decimal(str(route.input_usd_per_million)),
        output_usd_per_million=Decimal(str(route.output_usd_per_million)),
    )


def _build(route: RouteSettings, blobs: BlobReader, environment: Mapping[str, str]) -> ModelRoute | None:
    key = route.api_key.get_secret_value() if route.api_key else None
    if route.kind == "openai":
        if route.base_url is None:
            raise _wrong(route, "has no base_url")
        from overseen.models.openai_route import OpenAIRoute

        return OpenAIRoute(
            profile_of(route),
            route.base_url,
            blobs=blobs,
            api_key=key,
            limits=_limits(route),
            stream=route.stream,
            extra=route.extra,
        )
    if route.kind != "litellm":
        raise _wrong(route, f"is of the unknown kind {route.kind} (known: openai, litellm)")
    if "regions" not in route.model_fields_set:
        raise _wrong(route, "is managed and does not name the regions whose data may go to it")
    names = _KEY_NAMES.get(provider_of(route.model), ())
    if key is None and names and not any(environment.get(name) for name in names):
        _log.info("Model route %s is left out: %s is not set.", route.name, " or ".join(names))
        return None
    from overseen.models.litellm_route import LitellmRoute

    return LitellmRoute(
        profile_of(route),
        blobs=blobs,
        api_key=key,
        base_url=route.base_url,
        limits=_limits(route),
        stream=route.stream,
    )


def _limits(route: RouteSettings) -> IdleLimits:
    return IdleLimits(first_token_seconds=route.first_token_seconds, idle_seconds=route.idle_seconds)


def provider_of(model: str) -> str:
    """The provider in litellm's name of a model: before the slash, else guessed from the name's beginning."""
    if "/" in model:
        return model.split("/", 1)[0]
    return "anthropic" if model.startswith("claude") else "openai"


def _wrong(route: RouteSettings, problem: str) -> Misconfigured:
    return Misconfigured(
        f"Model route {route.name} {problem}.",
        not_done="No route was opened.",
        next_step="Mend `routes` in settings.yaml.",
    )
