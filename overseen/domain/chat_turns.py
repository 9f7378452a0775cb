"""Whether a line of the chat asks or answers, where the person did not say which.

Only a guess for a message without files that was sent with Enter while the task waits for an answer; the page says what
it was taken for, and lets them say otherwise.
"""

import re

_ASKS = re.compile(
    r"[?？¿]"
    r"|^\W*(?:what|which|when|where|why|who|how|can|could|may|do|does|did|is|are|will|would|should"
    r"|was|welche\w*|wann|wo|warum|wieso|wer|wie|kann|können|muss|quand|quel\w*|pourquoi|combien|comment|est-ce"
    r"|qué|cuál\w*|cuándo|cuánto|por qué|cómo|puedo|che|quale|quando|perché|quanto|come|posso"
    r"|wat|welke|wanneer|waarom|hoe|kan|moet)\b",
    re.IGNORECASE,
)


def looks_like_question(text: str) -> bool:
    """Whether `text` reads as a question, in the languages the record's answers know."""
    return bool(_ASKS.search(text.strip()))
