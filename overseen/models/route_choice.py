"""The innermost wrapper: which route takes a request, and when it is the request's turn there."""

from collections.abc import Sequence

from overseen.clock import Clock
from overseen.errors import Unavailable
from overseen.models.errors import NoRoute
from overseen.models.pace import UsualPace
from overseen.models.turns import TurnQueue
from overseen.models.types import ModelAnswer, ModelRequest, ModelRoute

_REST_SECONDS = 15.0
"""How long a route that failed is asked last."""


class RouteChoice:
    """Takes the first route, in the order of the settings, that may see the request: same region, vision if needed.

    A route that was unavailable rests behind the others for a while, so that the next try goes elsewhere.
    """

    def __init__(self, routes: Sequence[ModelRoute], clock: Clock, turns: TurnQueue, pace: UsualPace) -> None:
        self._routes = tuple(routes)
        self._clock = clock
        self._turns = turns
        self._pace = pace
        self._rests_until: dict[str, float] = {}

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """See ModelPort."""
        while True:
            route = self._choose(request)
            async with self._turns.turn(request, route.profile) as turn:
                if self._choose(request) is not route:
                    continue  # it went down while this request waited for it
                try:
                    answer = await route.complete(request, turn.heard)
                except Unavailable:
                    self._rests_until[route.profile.name] = self._clock.monotonic() + _REST_SECONDS
                    raise
            self._rests_until.pop(route.profile.name, None)
            self._pace.learn(route.profile.name, request.purpose, answer.seconds)
            return answer

    def _choose(self, request: ModelRequest) -> ModelRoute:
        fitting = [
            route
            for route in self._routes
            if request.region in route.profile.regions and (route.profile.vision or not request.needs_vision)
        ]
        if not fitting:
            raise NoRoute(
                f"No model route {'with vision ' if request.needs_vision else ''}runs in region {request.region}.",
                not_done="No model was asked, and nothing left the region.",
                next_step="A person has to do this step, or an operator adds a route for the region.",
            )
        now = self._clock.monotonic()
        return min(fitting, key=lambda route: self._rests_until.get(route.profile.name, 0.0) > now)
