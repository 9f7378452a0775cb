"""Where spans are sent: built once per process from the settings, in the composition root."""

import logging

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from overseen.settings import LangfuseSettings, Settings
from overseen.tracing.tracer import ChosenIds, OpenTelemetryTracer

_EXPORT_SECONDS = 5
"""Patience with a trace server, for one batch, in a thread of its own."""

_log = logging.getLogger(__name__)


def build_tracer(settings: Settings, *, service: str = "overseen-worker") -> OpenTelemetryTracer:
    """The tracer of this process, sending to Langfuse and to an OTLP endpoint where the settings name them.

    Traces of a region stay in it: a sink whose `trace_regions` leave this worker's region out is not connected.
    With no sink the spans go nowhere and cost a few microseconds.
    """
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        id_generator=ChosenIds(),
        resource=Resource.create({"service.name": service, "overseen.region": settings.worker.region}),
        shutdown_on_exit=False,
    )
    regions = settings.tracing.regions
    if regions is not None and settings.worker.region not in regions:
        _log.info("Traces are not exported: region %s is not among the tracing regions.", settings.worker.region)
        return OpenTelemetryTracer(provider)
    if settings.tracing.otlp_endpoint:
        _add_otlp(provider, settings.tracing.otlp_endpoint)
    if settings.langfuse.enabled:
        _add_langfuse(provider, settings.langfuse)
    return OpenTelemetryTracer(provider, content=settings.tracing.content)


def _add_otlp(provider: TracerProvider, endpoint: str) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    url = f"{endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=_EXPORT_SECONDS), schedule_delay_millis=1_000)
    )


def _add_langfuse(provider: TracerProvider, langfuse: LangfuseSettings) -> None:
    """The SDK adds its span processor to our provider; its import takes seconds, so only here."""
    from langfuse import Langfuse

    Langfuse(
        public_key=langfuse.public_key,
        secret_key=langfuse.secret_key.get_secret_value() if langfuse.secret_key else None,
        host=langfuse.host,
        timeout=_EXPORT_SECONDS,
        flush_interval=1.0,
        tracer_provider=provider,
        should_export_span=lambda span: (
            span.instrumentation_scope is not None and span.instrumentation_scope.name == "overseen"
        ),
    )
