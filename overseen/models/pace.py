"""How long a route usually takes for a kind of question."""

from collections import deque
from statistics import median

from sqlalchemy import select

from overseen.store import Database
from overseen.store.tables import ModelCallRecord

_KEPT = 20
_FEWEST = 3


class UsualPace:
    """Medians over the last calls of a route for the same purpose: from the records at first, then as they come."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seconds: dict[tuple[str, str], deque[float]] = {}

    async def usual_seconds(self, route: str, purpose: str) -> float | None:
        """Seconds from the turn to the whole answer; None while there are too few to tell."""
        known = self._seconds.get((route, purpose))
        if known is None:
            known = self._seconds[route, purpose] = deque(await self._recorded(route, purpose), maxlen=_KEPT)
        return median(known) if len(known) >= _FEWEST else None

    def learn(self, route: str, purpose: str, seconds: float) -> None:
        """A call took so long. What nobody has asked for yet is read from the records when somebody does."""
        known = self._seconds.get((route, purpose))
        if known is not None:
            known.append(seconds)

    async def _recorded(self, route: str, purpose: str) -> list[float]:
        query = (
            select(ModelCallRecord.seconds)
            .where(ModelCallRecord.route == route, ModelCallRecord.purpose == purpose)
            .order_by(ModelCallRecord.created_at.desc())
            .limit(_KEPT)
        )
        async with self._database.read() as session:
            return [float(seconds) for seconds in reversed((await session.scalars(query)).all())]
