"""The OpenAI chat format: what is sent. Shared by all routes that speak it; answer_reader reads what comes back."""

import base64
import re
from typing import Any, Protocol

from overseen.models.types import Message, ModelRequest, RouteProfile

_NAME = re.compile(r"[^A-Za-z0-9_-]")


class BlobReader(Protocol):
    """Where the bytes of images are."""

    async def get(self, sha256: str) -> bytes:
        """The content of a blob; NotFound when it is unknown or erased."""
        ...


async def request_body(
    request: ModelRequest, profile: RouteProfile, blobs: BlobReader, *, stream: bool
) -> dict[str, Any]:
    """The JSON body of a chat completion request, or the keyword arguments of litellm."""
    body: dict[str, Any] = {
        "model": profile.model,
        "messages": [await _message(message, blobs) for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }
    if stream:
        # Without the option most servers do not say what a streamed answer used.
        body |= {"stream": True, "stream_options": {"include_usage": True}}
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
