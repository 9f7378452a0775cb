"""Puts an answer together from what an OpenAI-compatible server sends: one whole body, or chunks as they come.

Servers differ in small things. What can be understood without guessing is read; anything else is a route that failed
(RouteUnavailable), whatever the server sends: nothing but the errors of overseen.models.errors leaves this module.
"""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from overseen.models.errors import AnswerCut, RouteUnavailable
from overseen.models.route_errors import error_in_body, unavailable
from overseen.models.types import ModelAnswer, ModelRequest, RouteProfile, TokenProbability, Usage

_CUT_REASONS = {
    "length": "reached its limit of tokens",
    "max_tokens": "reached its limit of tokens",
    "model_length": "reached its limit of tokens",
    "content_filter": "was withheld by the provider's content filter",
}
_BROKEN_REASONS = frozenset({"error", "abort", "insufficient_system_resource"})
_BYTES_PER_TOKEN = 4
_MAX_TOKENS = 100_000_000
"""More than any model can use: a count above it is taken for nonsense."""
_REASON = re.compile(r"[^A-Za-z0-9_-]")
_MAX_MODEL_NAME = 120
_TEXT_PARTS = frozenset({None, "text", "output_text"})


class AnswerReader:
    """Reads one answer. Feed it with `take`, call `end_of_stream` when the server says that it is done."""

    def __init__(self, profile: RouteProfile, request: ModelRequest) -> None:
        self._profile = profile
        self._request = request
        self._pieces: list[str] = []
        self._refusal = ""
        self._probabilities: list[Mapping[str, Any]] = []
        self._chunks_with_text = 0
        self._counts: Mapping[str, Any] = {}
        self._model: object = None
        self._finish_reason: str | None = None
        self._called_a_tool = False
        self._ended = False

    @property
    def tokens_so_far(self) -> int:
        """How many tokens came: exact where the server tells their probabilities, else the number of chunks."""
        return max(len(self._probabilities), self._chunks_with_text)

    def take(self, chunk: object) -> None:
        """One chunk of a stream, or the whole body. Raises RouteUnavailable and the like for what is no answer."""
        if not isinstance(chunk, Mapping):
            raise unavailable(self._profile.name, "sent something that is no answer")
        error: object = chunk.get("error") or (chunk if chunk.get("object") == "error" else None)
        if error:
            raise error_in_body(self._profile.name, error)
        if isinstance(counts := chunk.get("usage"), Mapping):
            self._counts = counts
        self._model = chunk.get("model") or self._model
        choice = _first_choice(chunk.get("choices"))
        if choice is None:
            return
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self._finish_reason = reason
        self._take_message(choice)
        logprobs = choice.get("logprobs")
        listed = logprobs.get("content") if isinstance(logprobs, Mapping) else None
        if isinstance(listed, Sequence) and not isinstance(listed, str | bytes):
            # What is no token stays in: it spoils the probabilities as a whole rather than vanishing from them.
            self._probabilities += [item if isinstance(item, Mapping) else {} for item in listed]

    def end_of_stream(self) -> None:
        """The server said that nothing more comes."""
        self._ended = True

    def usage(self, seconds: float, cost_usd: Decimal | None = None) -> Usage:
        """What was used so far; estimated where the server does not tell, because nothing is free."""
        details = self._counts.get("prompt_tokens_details")
        given = _count(self._counts.get("prompt_tokens"))
        written = _count(self._counts.get("completion_tokens"))
        input_tokens = self._estimated_input() if given is None else given
        output_tokens = self._estimated_output() if written is None else written
        cached = _count(details.get("cached_tokens")) if isinstance(details, Mapping) else None
        return Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=cached or 0,
            cost_usd=self._profile.price(input_tokens, output_tokens) if cost_usd is None else cost_usd,
            seconds=seconds,
        )

    def answer(self, seconds: float, cost_usd: Decimal | None = None) -> ModelAnswer:
        """The whole answer. `cost_usd` None means the prices of the profile.

        Raises AnswerCut when it was cut off, withheld or refused, RouteUnavailable when there is none.
        """
        usage = self.usage(seconds, cost_usd)
        text = _whole_characters("".join(self._pieces))
        if problem := self._why_cut(usage):
            raise AnswerCut(
                f"The answer of route {self._profile.name} {problem}.",
                not_done="Nothing of it was used.",
                next_step="A person has to do this step, or the prompt's max_tokens must grow.",
                usage=usage,
                route=self._profile.name,
            )
        if problem := self._why_none(text):
            raise self.failed(problem, seconds)
        return ModelAnswer(
            text=text,
            route=self._profile.name,
            model=_model_name(self._model, self._profile),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            cost_usd=usage.cost_usd,
            seconds=usage.seconds,
            tokens=read_tokens(self._probabilities),
            finish_reason=_REASON.sub("", self._finish_reason or "")[:40] or "stop",
        )

    def failed(self, what: str, seconds: float) -> RouteUnavailable:
        """The error for an answer that did not come whole, with what was used on it."""
        error = unavailable(self._profile.name, what)
        if self.tokens_so_far or self._counts:
            error.usage = self.usage(seconds)
        return error

    def _take_message(self, choice: Mapping[str, Any]) -> None:
        delta, message = choice.get("delta"), choice.get("message")
        part = delta if isinstance(delta, Mapping) else message if isinstance(message, Mapping) else None
        if part is None:
            text = choice.get("text")
            part = {"content": text} if isinstance(text, str) else {}
        self._called_a_tool |= bool(part.get("tool_calls") or part.get("function_call"))
        if isinstance(refusal := part.get("refusal"), str):
            self._refusal += refusal
        content = _text_of(part.get("content"))
        if content is None:
            raise unavailable(self._profile.name, "sent content that is no text")
        if part is message:
            self._pieces.clear()  # a whole message stands for everything that came in pieces before
        if content:
            self._pieces.append(content)
            self._chunks_with_text += 1

    def _why_cut(self, usage: Usage) -> str | None:
        if problem := _CUT_REASONS.get(self._finish_reason or ""):
            return problem
        if self._refusal.strip():
            return "was refused by the model"
        # A server that gives no reason may have stopped at the limit; told tokens only, an estimate proves nothing.
        told = _count(self._counts.get("completion_tokens"))
        if self._finish_reason is None and told is not None and usage.output_tokens >= self._request.max_tokens:
            return _CUT_REASONS["length"]
        return None

    def _why_none(self, text: str) -> str | None:
        if self._finish_reason in _BROKEN_REASONS:
            return "broke off its answer"
        if self._finish_reason is None and not self._ended:
            return "ended in the middle of its answer"
        if text:
            return None
        return "called a tool that nobody offered" if self._called_a_tool else "sent no answer"

    def _estimated_input(self) -> int:
        size = sum(len(message.text.encode(errors="replace")) for message in self._request.messages)
        return size // _BYTES_PER_TOKEN + 1

    def _estimated_output(self) -> int:
        size = len("".join(self._pieces).encode(errors="replace"))
        return max(self.tokens_so_far, -(-size // _BYTES_PER_TOKEN))


def read_tokens(items: Sequence[Mapping[str, Any]]) -> tuple[TokenProbability, ...]:
    """Tokens with whole characters: tokens that share a character become one, as unlikely as the worst of them.

    Empty when any of them cannot be read: an answer that is half measured would look surer than it is.
    """
    tokens: list[TokenProbability] = []
    pending, worst = b"", 0.0
    for item in items:
        raw, logprob = _bytes_of(item), _logprob(item.get("logprob"))
        if raw is None or logprob is None:
            return ()
        pending += raw
        worst = min(worst, logprob)
        try:
            text = pending.decode()
        except UnicodeDecodeError:
            continue
        tokens.append(TokenProbability(token=text, logprob=worst))
        pending, worst = b"", 0.0
    if pending:
        tokens.append(TokenProbability(token=pending.decode(errors="replace"), logprob=worst))
    return tuple(tokens)


def _first_choice(choices: object) -> Mapping[str, Any] | None:
    """The choice numbered 0, or the first where they have no numbers."""
    if not isinstance(choices, Sequence) or isinstance(choices, str | bytes):
        return None
    found = [choice for choice in choices if isinstance(choice, Mapping)]
    return next((choice for choice in found if choice.get("index") in (0, None)), None)


def _text_of(content: object) -> str | None:
    """Text of a message: plain, in parts, or absent (empty). None for anything that is no text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        kind = content.get("type")
        if not (kind is None or isinstance(kind, str)) or kind not in _TEXT_PARTS:
            return ""
        text = content.get("text")
        text = text.get("value") if isinstance(text, Mapping) else text
        return text if isinstance(text, str) else None
    if isinstance(content, Sequence) and not isinstance(content, bytes):
        texts = [_text_of(part) for part in content]
        return None if None in texts else "".join(text for text in texts if text)
    return None


def _count(value: object) -> int | None:
    """A number of tokens, also when it came as text; None for anything else."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) <= len(str(_MAX_TOKENS)) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Comparing comes before anything that makes a float of it: NaN fits no bounds, and a huge integer no float.
    return int(value) if 0 <= value <= _MAX_TOKENS else None


def _bytes_of(item: Mapping[str, Any]) -> bytes | None:
    raw, token = item.get("bytes"), item.get("token")
    if isinstance(raw, Sequence) and not isinstance(raw, str | bytes):
        try:
            return bytes(raw)
        except (TypeError, ValueError, OverflowError):
            return None
    return token.encode(errors="replace") if isinstance(token, str) else None


def _logprob(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else min(0.0, number)


def _whole_characters(text: str) -> str:
    """Halves of characters put together where a server sent them apart; a half alone becomes the unknown character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _model_name(reported: object, profile: RouteProfile) -> str:
    """What answered, as exactly as the server says it; a path of its machine is nobody's business."""
    if not isinstance(reported, str) or not reported.isprintable() or reported.startswith("/"):
        return profile.model
    return reported[:_MAX_MODEL_NAME] or profile.model
