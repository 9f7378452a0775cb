"""Identifiers people can copy, sort by age and tell apart: `run_0d3k9v7t2m4qy8b1`."""

import hashlib
import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def _base32(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, remainder = divmod(number, 32)
        digits.append(_ALPHABET[remainder])
    return "".join(reversed(digits))


def new_id(prefix: str) -> str:
    """`prefix_` and 18 characters: 9 of milliseconds since 1970 (sorts by age), 9 random (45 bits)."""
    return f"{prefix}_{_base32(time.time_ns() // 1_000_000, 9)}{_base32(secrets.randbits(45), 9)}"


def derived_id(prefix: str, *parts: object) -> str:
    """An id that is the same whenever the same parts are given: the key of work that may be tried twice."""
    material = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return f"{prefix}_{_base32(int.from_bytes(material[:12]), 18)}"
