"""The same loss told twice: what a task is known by, and what is said when another task was known by it before."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from overseen.domain.canonical import canonical_json, digest
from overseen.domain.facts import Fact, FactValue
from overseen.domain.findings import Finding, Verdict
from overseen.domain.outcomes import Ruling
from overseen.domain.same_loss import LossKey, LossMark, OtherLoss, SameLoss
from overseen.supervisor.context import money

CHECK = "same_loss"
SUBJECT = "task:same_loss"

_SAME_FILE = "the same document"
_SAME_TEXT = "a document with the same words"
_LEAST_LETTERS = 120
"""A shorter text is a form of words that many people write."""


def loss_marks(
    same_loss: SameLoss, types: Mapping[str, str], facts: Mapping[str, Fact], files: Iterable[str], texts: Iterable[str]
) -> list[LossMark]:
    """What a task is known by. A key of which a fact is unknown is not made.

    `types` are the playbook's fact types by name, `files` SHA-256 digests of what was handed in, `texts` what was read
    from it.
    """
    marks = [mark for key in same_loss.keys if (mark := _key_mark(key, types, facts)) is not None]
    if same_loss.files:
        marks += [_one(_SAME_FILE, {"file": sha256}) for sha256 in sorted(set(files))]
        words = {"".join(_letters(text)) for text in texts}
        marks += [_one(_SAME_TEXT, {"text": digest(text)}) for text in sorted(words) if len(text) >= _LEAST_LETTERS]
    return marks


def judge_same_loss(marks: Sequence[LossMark], earlier: Sequence[OtherLoss], ruling: Ruling) -> Finding:
    """The finding of the check. It blocks, so that no table can let a second one go by itself.

    Without a single mark there was nothing to compare, which matters where money would be paid.
    """
    if earlier:
        named = "; ".join(f"{loss.run_id} ({_state(loss)}): {' and '.join(loss.titles)}" for loss in earlier)
        return Finding(
            check=CHECK,
            verdict=Verdict.BLOCK,
            subject=SUBJECT,
            message=f"Another task seems to be about the same loss. {named}.",
            evidence={
                "runs": [
                    {"run_id": loss.run_id, "task_id": loss.task_id, "same": list(loss.titles)} for loss in earlier
                ]
            },
        )
    if not marks and ruling.amount is not None:
        return Finding(
            check=CHECK,
            verdict=Verdict.ABSTAIN,
            subject=SUBJECT,
            message="Nothing is known by which this could be compared with other tasks.",
        )
    return Finding(
        check=CHECK, verdict=Verdict.PASS, subject=SUBJECT, message="No earlier task is about the same loss."
    )


def _state(loss: OtherLoss) -> str:
    return loss.state.replace("_", " ")


def _key_mark(key: LossKey, types: Mapping[str, str], facts: Mapping[str, Fact]) -> LossMark | None:
    values: dict[str, str] = {}
    for name in key.facts:
        fact = facts.get(name)
        value = None if fact is None else comparable(types.get(name, "text"), fact.value)
        if value is None:
            return None
        values[name] = value
    looked_for = [_text(values)]
    for name in key.facts:
        if key.within_days and types.get(name) == "date":
            looked_for += [_text({**values, name: day}) for day in _days_around(values[name], key.within_days)]
    return LossMark(title=key.title, own=looked_for[0], looked_for=tuple(looked_for))


def comparable(kind: str, value: FactValue) -> str | None:
    """The value in the one form in which equal ones are equal, by the type of its fact; None where there is none.

    Text is its letters and digits alone, without case, accents and spaces; a sum has two decimals.
    """
    if value is None:
        return None
    if kind == "money":
        amount = money(value)
        return None if amount is None else f"{amount:.2f}"
    if kind == "date":
        try:
            return date.fromisoformat(str(value)).isoformat()
        except ValueError:
            return None
    if kind == "text":
        return _letters(str(value)) or None
    return str(value).casefold()


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def _days_around(day: str, within: int) -> list[str]:
    middle = date.fromisoformat(day)
    return [
        (middle + timedelta(days=apart)).isoformat()
        for apart in range(-within, within + 1)
        if apart and date.min.toordinal() <= middle.toordinal() + apart <= date.max.toordinal()
    ]


def _one(title: str, values: Mapping[str, str]) -> LossMark:
    return LossMark(title=title, own=_text(values), looked_for=(_text(values),))


def _text(values: Mapping[str, str]) -> str:
    return canonical_json(dict(values)).decode()
