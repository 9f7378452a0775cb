"""A small OTLP collector that decodes what it is sent, for tests of tracing."""

import asyncio
import gzip
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue


@dataclass(frozen=True, kw_only=True)
class CollectedSpan:
    """One span as it arrived. Ids are hexadecimal, `parent_id` empty for a root; `status`: 0 unset, 1 ok, 2 error."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, Any]
    status: int


class OtlpCollector(AbstractAsyncContextManager["OtlpCollector"]):
    """`async with OtlpCollector() as collector`: listens on a free port of this machine.

    Takes OTLP over HTTP at `url` + /v1/traces, and where Langfuse has it, so that `url` also serves as its host.
    `raw` keeps every body as it came (decompressed), `headers` what came with it.
    """

    def __init__(self) -> None:
        self.spans: list[CollectedSpan] = []
        self.raw: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        self.url = ""
        self._arrived = asyncio.Condition()
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_post("/v1/traces", self._take)
        application.router.add_post("/api/public/otel/v1/traces", self._take)
        self._runner = web.AppRunner(application)

    async def __aenter__(self) -> "OtlpCollector":
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def until(self, count: int, *, seconds: float = 10.0) -> list[CollectedSpan]:
        """Wait for `count` spans; TimeoutError when they do not come."""
        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: len(self.spans) >= count)
        return list(self.spans)

    def children_of(self, span: CollectedSpan) -> list[CollectedSpan]:
        """The spans that name `span` as their parent, as they arrived."""
        return [child for child in self.spans if child.parent_id == span.span_id]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if body[:2] == b"\x1f\x8b":  # aiohttp inflates by itself only when the header says so
            body = gzip.decompress(body)
        message = ExportTraceServiceRequest.FromString(body)
        async with self._arrived:
            self.raw.append(body)
            self.headers.append(dict(request.headers))
            self.spans.extend(_spans(message))
            self._arrived.notify_all()
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )


def _spans(message: ExportTraceServiceRequest) -> list[CollectedSpan]:
    return [
        CollectedSpan(
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            attributes={item.key: _value(item.value) for item in span.attributes},
            status=span.status.code,
        )
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return None if kind is None else getattr(value, kind)
