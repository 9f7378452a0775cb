"""What the security team does: pull kill switches, confirm and lift them, explain findings."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from overseen.api.access import Viewer
from overseen.api.reading.security import SecurityReader
from overseen.errors import Conflict, InvalidInput
from overseen.journal import SYSTEM, Journal
from overseen.journal.events import FindingExplained
from overseen.secrets.stops import Scope
from overseen.settings import ResourceSettings, VaultSettings
from overseen.store import BlobStore, Database

if TYPE_CHECKING:
    from overseen.secrets.kill import KillSwitch

_PATIENCE_SECONDS = 5.0
"""How long a page waits for the proof; after that it says that the sweeper goes on, and shows what is left."""

_LONGEST_REASON = 1000


@dataclass(frozen=True, kw_only=True)
class VaultAccess:
    """What the desk may know of Vault: the login of the kill switch, which ends everything and makes nothing."""

    vault: VaultSettings
    resources: Mapping[str, ResourceSettings]


class SecurityDesk:
    """Acts for a signed-in person; every method raises Forbidden when their roles do not allow it.

    Logs in to Vault for each act and out after it, so that this process holds no token of Vault in between.
    """

    def __init__(
        self, *, database: Database, journal: Journal, blobs: BlobStore, reader: SecurityReader, access: VaultAccess
    ) -> None:
        self._database = database
        self._journal = journal
        self._blobs = blobs
        self._reader = reader
        self._access = access

    async def pull(self, viewer: Viewer, scope: Scope, target: str, *, reason: str) -> str:
        """Stop a call, run, agent or tool, or ask to stop everything; returns the kill switch's id.

        The stop holds from the first moment on; `SecurityReader.stop` says whether all is proven gone. Raises NotFound
        for what there is not, with the nearest names, and InvalidInput without a reason.
        """
        viewer.require_stops()
        reason = _checked(reason, "Nothing was stopped.")
        reach = await self._reader.reach(scope, target)
        async with self._switch() as switch:
            if scope is Scope.EVERYTHING:
                return await switch.ask_for_everything(reason=reason, by=_actor(viewer))
            return (await switch.pull(scope, reach.target, reason=reason, by=_actor(viewer))).stop_id

    async def confirm(self, viewer: Viewer, stop_id: str) -> None:
        """Be the second person who stops everything. Raises Refused for the one who asked, Conflict when settled."""
        viewer.require_stops()
        async with self._switch() as switch:
            await switch.confirm(stop_id, by=_actor(viewer))

    async def lift(self, viewer: Viewer, stop_id: str, *, reason: str) -> None:
        """Let what was stopped go on, or withdraw a request. Raises Conflict when it is not in force."""
        viewer.require_stops()
        reason = _checked(reason, "Nothing was lifted.")
        async with self._switch() as switch:
            await switch.lift(stop_id, by=_actor(viewer), reason=reason)

    async def explain(self, viewer: Viewer, sequence: int, *, reason: str) -> None:
        """Say what a finding was, so that it no longer counts as unreconciled. Raises Conflict when someone did."""
        viewer.require_stops()
        reason = _checked(reason, "The finding stays open.")
        finding = await self._reader.finding(sequence)
        if not finding.is_open:
            raise Conflict("Someone explained this finding already.", not_done="Nothing was changed.")
        async with self._database.transaction() as session:
            blob = await self._blobs.put(reason.encode(), "text/plain", session=session)
            event = FindingExplained(sequence=sequence, name=finding.name, reason_blob=blob)
            once = f"explained:{sequence}"
            await self._journal.append(event, stream=SYSTEM, actor=_actor(viewer), session=session, once=once)

    def _switch(self) -> "AbstractAsyncContextManager[KillSwitch]":
        # Brings in the client of Vault, which the web process needs for nothing else.
        from overseen.secrets.kill import open_kill_switch

        return open_kill_switch(
            database=self._database,
            journal=self._journal,
            blobs=self._blobs,
            vault=self._access.vault,
            resources=self._access.resources,
            patience_seconds=_PATIENCE_SECONDS,
        )


def _actor(viewer: Viewer) -> str:
    return f"account:{viewer.account_id}"


def _checked(reason: str, not_done: str) -> str:
    reason = reason.strip()
    if not reason:
        raise InvalidInput("A reason is needed.", not_done=not_done, next_step="Say why; it is kept with the journal.")
    if len(reason) > _LONGEST_REASON:
        raise InvalidInput(f"The reason is longer than {_LONGEST_REASON} characters.", not_done=not_done)
    return reason
