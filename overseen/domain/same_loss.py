"""What makes two tasks the same loss: declared by a playbook, compared by what each task is known by."""

from dataclasses import dataclass
from typing import Any, ClassVar

_STRICT: dict[str, Any] = {"extra": "forbid"}

MAX_DAYS_APART = 14


@dataclass(frozen=True, kw_only=True)
class LossKey:
    """Facts that together name one loss: tasks that have the same value in all of them are about the same one.

    `title` ends the sentence "Another task has ...". `within_days` widens the one fact of type date among `facts`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    title: str
    facts: tuple[str, ...]
    within_days: int = 0


@dataclass(frozen=True, kw_only=True)
class SameLoss:
    """The keys of a playbook. `files`: a document that came in before with another task counts too."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    keys: tuple[LossKey, ...]
    files: bool = True


@dataclass(frozen=True, kw_only=True)
class LossMark:
    """One thing that a task is known by. `own` is content and is stored as a keyed digest only.

    `looked_for` are the marks of others that mean the same loss: `own`, and those that are near enough to it.
    """

    title: str
    own: str
    looked_for: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OtherLoss:
    """A run of another task that seems to be about the same loss; `state` is where that run is now.

    `titles` say what is the same. `came_before`: it was known by that before the run that it is told of.
    """

    run_id: str
    task_id: str
    state: str
    titles: tuple[str, ...]
    came_before: bool = True
