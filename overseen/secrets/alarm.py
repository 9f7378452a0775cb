"""What follows at once when a credential that acts was given out without leave: it is ended and its tool is stopped."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from overseen.errors import OverseenError
from overseen.secrets.anomalies import Anomaly, AnomalyName
from overseen.secrets.credentials import CredentialSource
from overseen.secrets.kill import KillSwitch
from overseen.secrets.stops import EVERYTHING, Scope, Stops
from overseen.store.database import Database
from overseen.store.tables import now

_log = logging.getLogger(__name__)

_BY = "service:reconciler"
_YOUNG = timedelta(minutes=5)
"""What is found in older records was answered, or missed; an audit file that is read anew pulls no switch again."""


class UnauthorizedEffects:
    """Ends the credential and pulls the kill switch of the tool that the ledger names for it.

    Where the ledger knows nothing of it, somebody has a login of ours: then it asks to stop everything, which a person
    confirms. `source` uses the kill switch's login.
    """

    def __init__(self, *, database: Database, switch: KillSwitch, source: CredentialSource) -> None:
        self._stops = Stops(database)
        self._switch = switch
        self._source = source

    async def answer(self, anomalies: Sequence[Anomaly]) -> None:
        """For each UNAUTHORIZED_EFFECT among them. Never raises for Vault: what could not be ended is logged."""
        for anomaly in anomalies:
            if anomaly.name is AnomalyName.UNAUTHORIZED_EFFECT and now() - anomaly.at < _YOUNG:
                await self._end(anomaly)
                await self._stop(anomaly)

    async def _end(self, anomaly: Anomaly) -> None:
        vault_lease = anomaly.detail.get("vault_lease")
        try:
            await self._source.revoke(anomaly.accessor, [vault_lease] if vault_lease else [])
        except OverseenError as error:
            _log.warning("an unauthorized credential could not be ended: %s", error)

    async def _stop(self, anomaly: Anomaly) -> None:
        reason = f"A credential that acts was given out without a used authorization ({anomaly.key})."
        in_force = {(stop.scope, stop.target) for stop in await self._stops.in_force()}
        tool = anomaly.detail.get("tool")
        if tool and (Scope.TOOL, tool) not in in_force:
            await self._switch.pull(Scope.TOOL, tool, reason=reason, by=_BY)
        elif not tool and not any(scope == EVERYTHING for scope, _ in in_force):
            await self._switch.ask_for_everything(reason=reason, by=_BY)
