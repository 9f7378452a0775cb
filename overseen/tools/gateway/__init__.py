"""The one way to call a tool: a stack of thin wrappers, put together in `build_gateway`."""

from overseen.tools.gateway.build import GatewayParts, build_gateway
from overseen.tools.gateway.ports import (
    CallBudget,
    CallSpan,
    CallTracer,
    Doors,
    Lease,
    LeaseBroker,
    PlanLock,
    RunRules,
    StopSwitch,
)

__all__ = [
    "CallBudget",
    "CallSpan",
    "CallTracer",
    "Doors",
    "GatewayParts",
    "Lease",
    "LeaseBroker",
    "PlanLock",
    "RunRules",
    "StopSwitch",
    "build_gateway",
]
