"""The order in which a tool call passes the rules of the house, in one place."""

from dataclasses import dataclass

from overseen.journal import Journal
from overseen.store import BlobStore, Database
from overseen.tools.gateway.approval import ApprovedCalls
from overseen.tools.gateway.budget import BudgetedCalls
from overseen.tools.gateway.call_ledger import CallLedger
from overseen.tools.gateway.execute import SandboxedExecution
from overseen.tools.gateway.lease import LeasedCalls
from overseen.tools.gateway.policy import PolicedCalls
from overseen.tools.gateway.ports import CallTracer, Doors, LeaseBroker, PlanLock, RunRules, StopSwitch
from overseen.tools.gateway.record import RecordedCalls
from overseen.tools.gateway.tracing import TracedCalls
from overseen.tools.registry import ToolRegistry
from overseen.tools.sandbox.port import SandboxBackend
from overseen.tools.types import ToolPort


@dataclass(frozen=True, kw_only=True)
class GatewayParts:
    """What the gateway is made of. Without a tracer calls are not traced; nothing else may be missing."""

    database: Database
    journal: Journal
    blobs: BlobStore
    registry: ToolRegistry
    rules: RunRules
    plan_lock: PlanLock
    stop_switch: StopSwitch
    broker: LeaseBroker
    backend: SandboxBackend
    doors: Doors
    tracer: CallTracer | None = None


def build_gateway(parts: GatewayParts) -> ToolPort:
    """The only way to call a tool. Read upwards for the order in which a call passes: record first, sandbox last."""
    database, registry, rules = parts.database, parts.registry, parts.rules
    execution = SandboxedExecution(backend=parts.backend, blobs=parts.blobs, doors=parts.doors)
    port: ToolPort = LeasedCalls(execution, broker=parts.broker, registry=registry)
    port = ApprovedCalls(port, database=database, registry=registry)
    port = PolicedCalls(port, registry=registry, rules=rules, plan_lock=parts.plan_lock, stop_switch=parts.stop_switch)
    port = BudgetedCalls(port, database=database, rules=rules, registry=registry)
    if parts.tracer is not None:
        port = TracedCalls(port, tracer=parts.tracer)
    ledger = CallLedger(database=database, journal=parts.journal, blobs=parts.blobs)
    return RecordedCalls(port, ledger=ledger, registry=registry)
