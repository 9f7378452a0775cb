"""Watches the routes to models: who waits, what comes, and whether a route has been slow for long."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, text

from overseen.engine.services import Turn
from overseen.models.turns import HOLDER_DIED
from overseen.store import Database
from overseen.store.tables import ModelTurn, now

_SLOWER = 2.0
_SLOWER_SECONDS = 10.0
_LONG_WAIT_SECONDS = 120.0
_CALM_SECONDS = 60.0
"""A route is slow until it was not seen to be for so long: between two slow answers there is a moment of none."""
_ALARM_SECONDS = 300.0


class ModelRoutesService:
    """Its row: `routes` by name (answering, waiting, tokens_per_second, longest_wait_seconds, slow_seconds) and
    `alarms`, sentences about routes that have been slow for five minutes. It also clears away what dead workers left.
    """

    name = "models"
    interval_seconds = 10.0

    def __init__(self, database: Database, *, alarm_seconds: float = _ALARM_SECONDS) -> None:
        self._database = database
        self._alarm_seconds = alarm_seconds
        self._slow: dict[str, tuple[float, float]] = {}
        """Route: since when, and when it was last seen to be."""

    async def turn(self) -> Turn:
        """See Service."""
        async with self._database.transaction() as session:
            await session.execute(delete(ModelTurn).where(text(HOLDER_DIED)))
            turns = (await session.scalars(select(ModelTurn))).all()
        by_route: dict[str, list[ModelTurn]] = {}
        for found in turns:
            by_route.setdefault(found.route, []).append(found)
        routes = {route: self._looked_at(route, found) for route, found in by_route.items()}
        alarms = [_alarm(route, seen) for route, seen in routes.items() if seen["slow_seconds"] >= self._alarm_seconds]
        return Turn(ok=not alarms, detail={"routes": routes, "alarms": alarms})

    def _looked_at(self, route: str, turns: Sequence[ModelTurn]) -> Mapping[str, Any]:
        answering = [turn for turn in turns if turn.started_at is not None]
        waits = [_since(turn.asked_at) for turn in turns if turn.started_at is None]
        rates = [
            turn.tokens / max(1.0, _since(turn.first_token_at)) for turn in answering if turn.first_token_at is not None
        ]
        longest = max(waits, default=0.0)
        slow = any(map(_is_slow, answering)) or longest > _LONG_WAIT_SECONDS
        return {
            "answering": len(answering),
            "waiting": len(waits),
            "tokens_per_second": round(min(rates), 2) if rates else None,
            "longest_wait_seconds": round(longest),
            "slow_seconds": round(self._slow_seconds(route, slow=slow)),
        }

    def _slow_seconds(self, route: str, *, slow: bool) -> float:
        moment = time.monotonic()
        since, seen = self._slow.get(route, (moment, moment))
        if slow:
            self._slow[route] = (since, moment)
        elif moment - seen > _CALM_SECONDS:
            self._slow.pop(route, None)
        return moment - since if route in self._slow else 0.0


def _since(moment: datetime) -> float:
    return max(0.0, (now() - moment).total_seconds())


def _is_slow(turn: ModelTurn) -> bool:
    if turn.started_at is None or turn.usual_seconds is None:
        return False
    return _since(turn.started_at) > max(_SLOWER * turn.usual_seconds, turn.usual_seconds + _SLOWER_SECONDS)


def _alarm(route: str, seen: Mapping[str, Any]) -> str:
    rate = seen["tokens_per_second"]
    pace = "no token yet" if rate is None else f"{rate:g} tokens a second"
    minutes = round(seen["slow_seconds"] / 60)
    return f"Model route {route} is slow: {pace} for {minutes} min, {seen['waiting']} calls waiting."
