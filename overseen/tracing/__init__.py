"""OpenTelemetry spans of runs, and where they are sent."""

from overseen.tracing.port import (
    GenerationDetails,
    Observation,
    ObservationKind,
    RunTrace,
    Tracer,
    TraceReference,
    trace_of_run,
)

__all__ = [
    "GenerationDetails",
    "Observation",
    "ObservationKind",
    "RunTrace",
    "TraceReference",
    "Tracer",
    "trace_of_run",
]
