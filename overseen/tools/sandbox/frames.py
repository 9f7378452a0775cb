"""The wire between host and sandbox: one JSON header with a length in front, then the bytes of its files.

Standard library only, and little of it: this file is loaded on both sides, and every import delays every cold call.
"""

from __future__ import annotations

import json
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

PREFIX = struct.Struct("<Q")
"""Length of the JSON header in bytes, little endian."""


class FrameError(ValueError):
    """What arrived is no frame, or a larger one than allowed."""


def encode_frame(header: Mapping[str, Any], files: Mapping[str, bytes]) -> list[bytes]:
    """The pieces to write, in order. `header` must be JSON; raises ValueError or TypeError when it is not."""
    document = {**header, "files": [[name, len(content)] for name, content in files.items()]}
    text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
    return [PREFIX.pack(len(text)), text, *files.values()]


def _refuse_constant(name: str) -> NoReturn:
    raise FrameError(f"{name} is no JSON")


def decode_header(text: bytes) -> tuple[dict[str, Any], list[tuple[str, int]]]:
    """The header, and names and sizes of the files that follow. Raises FrameError on anything else."""
    try:
        document: Any = json.loads(text, parse_constant=_refuse_constant)
        # Lone surrogates parse as JSON but can be neither stored nor sent on.
        json.dumps(document, ensure_ascii=False).encode()
        listed: Any = document.pop("files")
        files = [(name, size) for name, size in listed]
    except FrameError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FrameError(f"the header is malformed ({type(error).__name__})") from None
    for name, size in files:
        if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise FrameError("a file is malformed")
    if len({name for name, _ in files}) != len(files):
        raise FrameError("a file is there twice")
    return document, files
