"""Receivers of telemetry on loopback: an OTLP collector, and Azure Monitor's ingestion."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2
from stack import Stack

CONNECTION = "InstrumentationKey=00000000-0000-4000-8000-000000000001;IngestionEndpoint={url};LiveEndpoint={url}"


@dataclass(frozen=True)
class Seen:
    """A span as it arrived."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    failed: bool
    facts: dict[str, Any]
    links: list[str]


@dataclass
class Collector:
    """Keeps what arrived; `answer` decides what is answered, and when."""

    url: str = ""
    spans: list[Seen] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    envelopes: list[dict[str, Any]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    pushes: int = 0
    answer: Callable[[], Any] | None = None

    def named(self, name: str, **facts: Any) -> list[Seen]:
        """Give the spans of this name that carry these facts (dots are written as __)."""
        wanted = {key.replace("__", "."): value for key, value in facts.items()}
        return [s for s in self.spans if s.name == name and wanted.items() <= s.facts.items()]

    def points(self, name: str) -> list[dict[str, Any]]:
        """Give a metric's points as they arrived last."""
        found = next((m for m in reversed(self.metrics) if m["name"] == name), {})
        return next((part["dataPoints"] for part in found.values() if isinstance(part, dict)), [])

    async def traces(self, request: web.Request) -> web.Response:
        """Take spans by OTLP."""
        sent = ExportTraceServiceRequest.FromString(await self._read(request))
        self._tell(sent)
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                self.spans += [_seen(span) for span in scope.spans]
        return web.Response(body=b"", content_type="application/x-protobuf")

    async def counters(self, request: web.Request) -> web.Response:
        """Take metrics by OTLP."""
        sent = ExportMetricsServiceRequest.FromString(await self._read(request))
        self._tell(sent)
        for resource in MessageToDict(sent)["resourceMetrics"]:
            for scope in resource["scopeMetrics"]:
                self.metrics += scope.get("metrics", [])
        return web.Response(body=b"", content_type="application/x-protobuf")

    async def track(self, request: web.Request) -> web.Response:
        """Take telemetry as Application Insights does."""
        body = await self._read(request)
        found = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        self.told.append(json.dumps(found, ensure_ascii=False))
        self.envelopes += found
        return web.json_response({"itemsReceived": len(found), "itemsAccepted": len(found), "errors": []})

    async def _read(self, request: web.Request) -> bytes:
        self.pushes += 1
        if self.answer is not None:
            await self.answer()
        return await request.read()

    def _tell(self, sent: Any) -> None:
        self.told.append(json.dumps(MessageToDict(sent), ensure_ascii=False))


def _seen(span: trace_pb2.Span) -> Seen:
    facts = {
        fact.key: getattr(fact.value, fact.value.WhichOneof("value") or "string_value") for fact in span.attributes
    }
    return Seen(
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        facts=facts,
        links=[link.trace_id.hex() for link in span.links],
    )


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a receiver."""
    collector = Collector()
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.add_routes(
        [
            web.post("/v1/traces", collector.traces),
            web.post("/v1/metrics", collector.counters),
            web.post("/{path:v2.*/track}", collector.track),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()


def to(collector: Collector, **more: str) -> dict[str, str]:
    """Give the settings of a bridge that pushes there by OTLP, often."""
    often = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "200"}
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url} | often | more


async def hang() -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def of_trace(stack: Stack, collector: Collector, trace: str, *names: str) -> dict[str, Seen]:
    """Wait until a trace has spans of these names; give its spans by name."""

    async def there() -> dict[str, Seen] | None:
        found = {span.name: span for span in collector.spans if span.trace == trace}
        return found if set(names) <= set(found) else None

    found: dict[str, Seen] = await stack.until(there)
    return found
