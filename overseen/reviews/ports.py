"""What reviews need from the rooms beside and above them."""

from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.commands import Command


class CommandQueue(Protocol):
    """Carries commands to workers, as part of the caller's transaction."""

    async def enqueue(self, command: Command, *, region: str, session: AsyncSession) -> None:
        """Queue `command` for a worker of `region`; it exists when the transaction commits, and only then."""
        ...
