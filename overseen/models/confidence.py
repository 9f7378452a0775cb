"""How sure a model was of one value of its answer: the smallest probability among the tokens that wrote it.

One unlikely character makes a whole number wrong, so the minimum is taken, not the mean. The figure is raw: it ranks
values well, and becomes a promise only through a certified threshold.
"""

import math
from bisect import bisect_right
from itertools import accumulate

from overseen.models.json_spans import JsonPath, NotJson, ValueSpan, value_spans
from overseen.models.types import ModelAnswer


def value_confidence(answer: ModelAnswer, where: str | int | JsonPath) -> float | None:
    """0..1 for the value at `where`, a key of the answer's top object or a path ("items", 0, "name").

    None when the route told no probabilities, the value is not there, or the tokens do not spell the text. An empty
    string is judged by the token that closed it.
    """
    path = where if isinstance(where, tuple) else (where,)
    try:
        span = value_spans(answer.text).get(path)
    except NotJson:
        return None
    return None if span is None else span_confidence(answer, span)


def value_confidences(answer: ModelAnswer) -> dict[str, float]:
    """The confidence of every member of the answer's top object that has one; see value_confidence."""
    try:
        spans = value_spans(answer.text)
    except NotJson:
        return {}
    found = {path[0]: span_confidence(answer, span) for path, span in spans.items() if len(path) == 1}
    return {str(key): confidence for key, confidence in found.items() if confidence is not None}


def span_confidence(answer: ModelAnswer, span: ValueSpan) -> float | None:
    """0..1 for `answer.text[span.start:span.end]`; None when it cannot be told."""
    if not answer.tokens:
        return None
    # Tokens may hold what the text lacks: a code fence, or white space that the server stripped.
    offset = "".join(token.token for token in answer.tokens).find(answer.text)
    if offset < 0:
        return None
    ends = list(accumulate(len(token.token) for token in answer.tokens))
    start = offset + span.start
    end = max(offset + span.end, start + 1)
    touched = answer.tokens[bisect_right(ends, start) : bisect_right(ends, end - 1) + 1]
    return math.exp(min(token.logprob for token in touched)) if touched else None
