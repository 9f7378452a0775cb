"""The one way to a model: a stack of thin wrappers, put together here where the order can be read."""

from collections.abc import Sequence

from overseen.clock import Clock, SystemClock
from overseen.journal import Journal
from overseen.models.budget import BudgetedModel, BudgetSource
from overseen.models.pace import UsualPace
from overseen.models.record import ModelLedger, RecordedModel
from overseen.models.retry import RetryingModel
from overseen.models.route_choice import RouteChoice
from overseen.models.schema_check import SchemaCheckedModel
from overseen.models.traced import TracedModel
from overseen.models.turns import TurnQueue
from overseen.models.types import ModelAnswer, ModelPort, ModelRequest, ModelRoute
from overseen.models.work_time import TimedModel, WorkClocks
from overseen.store import BlobStore, Database
from overseen.tracing import Tracer


class ModelGateway:
    """A ModelPort that owns its routes."""

    def __init__(self, outermost: ModelPort, routes: Sequence[ModelRoute], turns: TurnQueue) -> None:
        self._outermost = outermost
        self._routes = tuple(routes)
        self._turns = turns

    @property
    def sees_images(self) -> bool:
        """Whether any route takes images."""
        return any(route.profile.vision for route in self._routes)

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """See ModelPort."""
        return await self._outermost.complete(request)

    async def close(self) -> None:
        """Let go of the routes' connections."""
        for route in self._routes:
            await route.close()
        await self._turns.close()


def build_model_gateway(
    routes: Sequence[ModelRoute],
    *,
    database: Database,
    journal: Journal,
    blobs: BlobStore,
    tracer: Tracer,
    budgets: BudgetSource,
    clocks: WorkClocks | None = None,
    clock: Clock | None = None,
) -> ModelGateway:
    """The model gateway of a process. `clocks` are those of the runs it advances.

    From the outside in: record (and replay), time, schema, trace, budget, retry, route. Each question put to a model,
    the first or the re-ask of the schema check, is one generation in the trace and one reservation.
    """
    clock = clock or SystemClock()
    ledger = ModelLedger(database, journal, blobs)
    clocks, pace = clocks or WorkClocks(database), UsualPace(database)
    turns = TurnQueue(database, clocks=clocks, pace=pace)
    port: ModelPort = RouteChoice(routes, clock, turns, pace)
    port = RetryingModel(port, ledger, clock)
    port = BudgetedModel(port, database, budgets, [route.profile for route in routes])
    port = TracedModel(port, tracer)
    port = SchemaCheckedModel(port, ledger)
    port = TimedModel(port, clocks)
    port = RecordedModel(port, ledger)
    return ModelGateway(port, routes, turns)
