"""What is said to a model: messages, the images they carry, and the prompt version they came from."""

from dataclasses import dataclass
from enum import StrEnum


class MessageRole(StrEnum):
    """Who speaks. Untrusted text is always `user`: it never becomes instructions."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """A photo or page handed to a model that can see. `blob` is the SHA-256 of its bytes in the blob store."""

    blob: str
    media_type: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a request. Images need a route with `vision`."""

    role: MessageRole
    text: str
    images: tuple[ImageInput, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PromptReference:
    """The prompt a request was built from. `version` is the first 12 hexadecimal digits of its file's digest."""

    name: str
    version: str
