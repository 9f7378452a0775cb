"""Opens the doors of a call: the shape in which the tool gateway asks for them."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from overseen.tools.doors.database import DatabaseLogin, DoorLimits, open_database_door


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class CallDoors:
    """Doors whose sockets lie in `folder`: the `doors_folder` of the sandbox backend."""

    def __init__(self, folder: Path, limits: DoorLimits | None = None) -> None:
        self._folder = folder
        self._limits = limits or DoorLimits()

    def database(
        self,
        call: object,  # noqa: ARG002 - doors are alike for all calls
        grant: _Named,
        credential: DatabaseLogin,
    ) -> AbstractAsyncContextManager[Path]:
        """A unix socket to one database with the leased credential. Entering raises DoorUnavailable."""
        return open_database_door(self._folder, grant.name, credential, self._limits)
