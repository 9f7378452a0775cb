"""What may leave in a trace when settings allow content: everything but secrets and personal data."""

import json
import re
from typing import Any

from overseen.domain.canonical import plain

CONTENT_LIMIT = 32_768
"""Characters of one input or output that are exported at most."""

_SECRET = re.compile(
    r"\b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,}"  # Vault and OpenBao tokens
    r"|\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"  # keys of model providers and Langfuse
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"  # JSON web tokens
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"  # user:password in a URL
    r"|(?i:\b(?:password|passwd|secret|token|api[_-]?key)\b[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]{4,}"
)
_PERSONAL = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.-]+"  # mail addresses
    r"|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"  # IBAN
    r"|\b(?:\d[ -]?){13,19}\b"  # payment cards
    r"|(?<![\w.])(?!\d{4}-\d\d-\d\d\b)\+?\d[\d ()-]{8,}\d\b"  # telephone numbers
)


def without_secrets(text: str) -> str:
    """`text` with everything that looks like a credential blacked out."""
    return _SECRET.sub("[secret]", text)


def masked(text: str) -> str:
    """`text` without what looks like a credential, a mail address, an account, a card or a telephone number."""
    return _PERSONAL.sub("[personal]", without_secrets(text))


def masked_json(value: Any) -> str:
    """`value` as masked JSON text of at most CONTENT_LIMIT characters."""
    text = masked(json.dumps(plain(value), ensure_ascii=False))
    return text if len(text) <= CONTENT_LIMIT else f"{text[:CONTENT_LIMIT]}... [{len(text)} characters]"
