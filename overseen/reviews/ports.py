"""What reviews need from the rooms beside and above them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.commands import Command
from overseen.reviews.edits import Edit


class CommandQueue(Protocol):
    """Carries commands to workers, as part of the caller's transaction."""

    async def enqueue(self, command: Command, *, region: str, session: AsyncSession) -> None:
        """Queue `command` for a worker of `region`; it exists when the transaction commits, and only then."""
        ...


@dataclass(frozen=True, kw_only=True)
class EditVerdict:
    """An edit that may be stored. `calls` is what it comes to; `second_person` says why somebody else must agree."""

    calls: tuple[Mapping[str, Any], ...]
    second_person: tuple[str, ...]


class EditRules(Protocol):
    """Holds an edit against everything a proposal must pass."""

    async def check(self, playbook: str, content: Mapping[str, Any], edit: Edit) -> EditVerdict:
        """The edit in full. `content` is the case: ruling, facts and findings.

        Raises InvalidInput that names the argument which cannot be.
        """
        ...
