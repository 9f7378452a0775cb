"""The OpenAI chat format: what is sent, and how an answer is read. Shared by all routes that speak it."""

import base64
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from overseen.models.errors import AnswerCut, RequestRejected
from overseen.models.types import Message, ModelAnswer, ModelRequest, RouteProfile, TokenProbability, Usage

_CUT_REASONS = {
    "length": "reached its limit of tokens",
    "content_filter": "was withheld by the provider's content filter",
}


_NAME = re.compile(r"[^A-Za-z0-9_-]")


class BlobReader(Protocol):
    """Where the bytes of images are."""

    async def get(self, sha256: str) -> bytes:
        """The content of a blob; NotFound when it is unknown or erased."""
        ...


async def request_body(request: ModelRequest, profile: RouteProfile, blobs: BlobReader) -> dict[str, Any]:
    """The JSON body of a chat completion request, or the keyword arguments of litellm."""
    body: dict[str, Any] = {
        "model": profile.model,
        "messages": [await _message(message, blobs) for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }
    if request.logprobs:
        body["logprobs"] = True
    if request.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            # Without `strict`: providers that honour it refuse schemas with lengths. The gateway checks every answer.
            "json_schema": {"name": _NAME.sub("_", request.purpose), "schema": dict(request.schema)},
        }
    return body


async def _message(message: Message, blobs: BlobReader) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role.value, "content": message.text}
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.text}]
    for image in message.images:
        encoded = base64.b64encode(await blobs.get(image.blob)).decode()
        parts.append({"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{encoded}"}})
    return {"role": message.role.value, "content": parts}


def read_answer(
    body: Mapping[str, Any], profile: RouteProfile, seconds: float, cost_usd: Decimal | None = None
) -> ModelAnswer:
    """The answer in a chat completion. `cost_usd` None means the prices of the profile.

    Raises AnswerCut when it was cut off or withheld, RequestRejected when the body holds no answer.
    """
    usage = _usage(body, profile, seconds, cost_usd)
    choices = body.get("choices") or []
    message = choices[0].get("message") if choices else None
    if not message:
        raise RequestRejected(
            f"Route {profile.name} sent no answer.", not_done="The step has no answer.", usage=usage, route=profile.name
        )
    finish_reason = choices[0].get("finish_reason") or "stop"
    problem = _CUT_REASONS.get(finish_reason) or ("was refused by the model" if message.get("refusal") else None)
    if problem:
        raise AnswerCut(
            f"The answer of route {profile.name} {problem}.",
            not_done="Nothing of it was used.",
            next_step="A person has to do this step, or the prompt's max_tokens must grow.",
            usage=usage,
            route=profile.name,
        )
    return ModelAnswer(
        text=message.get("content") or "",
        route=profile.name,
        model=_model_name(body.get("model"), profile),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        cost_usd=usage.cost_usd,
        seconds=usage.seconds,
        tokens=read_tokens((choices[0].get("logprobs") or {}).get("content") or ()),
        finish_reason=finish_reason,
    )


def _model_name(reported: object, profile: RouteProfile) -> str:
    """What answered, as exactly as the server says it; a path of its machine is nobody's business."""
    return reported if isinstance(reported, str) and reported and not reported.startswith("/") else profile.model


def _usage(body: Mapping[str, Any], profile: RouteProfile, seconds: float, cost_usd: Decimal | None) -> Usage:
    counts = body.get("usage") or {}
    input_tokens, output_tokens = int(counts.get("prompt_tokens") or 0), int(counts.get("completion_tokens") or 0)
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=int((counts.get("prompt_tokens_details") or {}).get("cached_tokens") or 0),
        cost_usd=profile.price(input_tokens, output_tokens) if cost_usd is None else cost_usd,
        seconds=seconds,
    )


def read_tokens(items: Iterable[Mapping[str, Any]]) -> tuple[TokenProbability, ...]:
    """Tokens with whole characters: tokens that share a character become one, as unlikely as the worst of them."""
    tokens: list[TokenProbability] = []
    pending, worst = b"", 0.0
    for item in items:
        raw = item.get("bytes")
        pending += bytes(raw) if raw is not None else str(item["token"]).encode()
        worst = min(worst, float(item["logprob"]))
        try:
            text = pending.decode()
        except UnicodeDecodeError:
            continue
        tokens.append(TokenProbability(token=text, logprob=worst))
        pending, worst = b"", 0.0
    if pending:
        tokens.append(TokenProbability(token=pending.decode(errors="replace"), logprob=worst))
    return tuple(tokens)
