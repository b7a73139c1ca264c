"""OpenTelemetry: records spans, and pushes spans and counters to whoever is configured.

Importing this loads the SDK (0.1 s, 10 MB), so only a process with an exporter does. The SDK's global provider stays
unset on purpose: msgraph-sdk would put addresses with people's ids into its own spans.

Exporters work in threads of their own, behind bounded queues: one that hangs costs spans, never messages.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace.propagation import set_span_in_context
from prometheus_client import CollectorRegistry

from adapters.otel_metrics import Reading
from bridge.spans import CURRENT, Fact, Kind, Parent, Span

NAME = "teams-freshchat-bridge"

_KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "client": SpanKind.CLIENT,
    "internal": SpanKind.INTERNAL,
}
_ROOT = Context()


class _Ids(RandomIdGenerator):
    """Gives the trace id that the next trace must have, if there is one, else a random one."""

    wanted = 0

    def generate_trace_id(self) -> int:
        wanted, self.wanted = self.wanted, 0
        return wanted or super().generate_trace_id()


class _Recorded:
    """Implements `bridge.spans.Span`."""

    __slots__ = ("_span", "id", "trace")

    def __init__(self, span: OtelSpan) -> None:
        self._span = span
        ids = span.get_span_context()
        self.trace = f"{ids.trace_id:032x}" if ids.is_valid else ""
        self.id = f"{ids.span_id:016x}" if ids.is_valid and ids.trace_flags.sampled else ""

    @property
    def context(self) -> Context:
        """What a span below this one starts from."""
        return set_span_in_context(self._span, _ROOT)

    def note(self, name: str, value: Fact) -> None:
        self._span.set_attribute(name, value)

    def failed(self, code: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR))
        self._span.set_attribute("error.type", code)

    def link(self, trace: str) -> None:
        """Link to a trace of which only the id is known: such links have attributes, or they would be dropped."""
        with suppress(ValueError):
            self._span.add_link(SpanContext(int(trace, 16), 0, is_remote=True), {"bridge.link": "question"})
            self._span.set_attribute("bridge.question", trace)

    def end(self) -> None:
        self._span.end()


class OtelTracer:
    """Implements `bridge.spans.Tracer`. Sampling is by the standard variables `OTEL_TRACES_SAMPLER…`."""

    def __init__(self, provider: TracerProvider, ids: _Ids) -> None:
        self._tracer, self._ids = provider.get_tracer("bridge"), ids

    def span(
        self,
        name: str,
        kind: Kind,
        facts: Mapping[str, Fact] | None = None,
        *,
        parent: Parent | None = None,
        began: int | None = None,
    ) -> Span:
        """Start a span; what an exception says is never recorded, it could quote somebody."""
        return _Recorded(
            self._tracer.start_span(
                name,
                self._context(parent),
                _KINDS[kind],
                dict(facts or {}),
                start_time=began,
                record_exception=False,
                set_status_on_exception=False,
            )
        )

    def _context(self, parent: Parent | None) -> Context:
        if parent is None:
            current = CURRENT.get()
            return current.context if isinstance(current, _Recorded) else _ROOT
        if not parent.span:
            self._ids.wanted = int(parent.trace or "0", 16)
            return _ROOT
        flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
        ids = SpanContext(int(parent.trace, 16), int(parent.span, 16), is_remote=True, trace_flags=flags)
        return set_span_in_context(NonRecordingSpan(ids), _ROOT)


def _resource() -> Resource:
    """Say who we are: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, else our own name."""
    found = Resource.create()
    if str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        return found.merge(Resource({SERVICE_NAME: NAME}))
    return found


@dataclass(frozen=True, slots=True)
class Sink:
    """Where to push. `delta`: counters as what came since the last push (Azure adds them up), else since the start."""

    spans: SpanExporter
    metrics: MetricExporter
    delta: bool = False


class Exports:
    """The tracer, and the threads that push."""

    def __init__(
        self, registry: CollectorRegistry, sinks: list[Callable[[TracerProvider], Sink]], *, interval: float
    ) -> None:
        """`interval` is the number of seconds between two pushes of counters."""
        ids = _Ids()
        provider = TracerProvider(
            id_generator=ids, resource=_resource(), shutdown_on_exit=False, meter_provider=NoOpMeterProvider()
        )
        self.tracer = OtelTracer(provider, ids)
        self._ends: list[Callable[[], None]] = []
        for open_sink in sinks:
            sink = open_sink(provider)
            batches = BatchSpanProcessor(sink.spans)
            provider.add_span_processor(batches)
            pusher = Pusher(sink.metrics, Reading(registry, provider.resource, delta=sink.delta), interval)
            self._ends += [batches.shutdown, pusher.stop]

    async def stop(self, seconds: float) -> None:
        """Push what is left, for at most so many seconds; what hangs is left behind (its threads are daemons)."""
        threads = [threading.Thread(target=end, daemon=True) for end in self._ends]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + seconds
        while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:  # noqa: ASYNC110 - threads
            await asyncio.sleep(0.02)


class Pusher:
    """Pushes counters from a thread of its own, again and again; a failed push is made up for by the next one."""

    def __init__(self, exporter: MetricExporter, reading: Reading, interval: float) -> None:
        self._exporter, self._reading, self._interval = exporter, reading, interval
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="push counters", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.wait(self._interval):
            self._push()
        self._push()
        self._exporter.shutdown()

    def _push(self) -> None:
        with suppress(Exception):  # exporters log their own failures
            if self._exporter.export(self._reading.take()) is MetricExportResult.SUCCESS:
                self._reading.arrived()

    def stop(self) -> None:
        """Push once more, and end."""
        self._ending.set()
        self._thread.join()
