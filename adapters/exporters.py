"""Who gets our spans and counters beyond `/metrics`: by the settings, nobody unless one is named."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from yarl import URL

from bridge.errors import Misconfigured
from bridge.settings import Settings
from bridge.telemetry import Telemetry

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from adapters.otel import Sink

LONGEST_FLUSH, SHORTEST_FLUSH = 5.0, 0.5
INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
INSIGHTS, OTLP = "APPLICATIONINSIGHTS_CONNECTION_STRING", "OTEL_EXPORTER_OTLP_ENDPOINT"


class Grace:
    """How long the process may still take once it stops."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0

    def begin(self) -> None:
        """Take note that the process stops now."""
        self._until = time.monotonic() + self._seconds

    def rest(self) -> float:
        """Seconds for what is under way."""
        return max(self._until - time.monotonic(), 0.0) if self._until else self._seconds

    def left(self) -> float:
        """Seconds for the last push: what is left, but never nothing, and never long."""
        return min(max(self._until - time.monotonic(), SHORTEST_FLUSH), LONGEST_FLUSH)


@asynccontextmanager
async def exporting(settings: Settings, telemetry: Telemetry, grace: Grace) -> AsyncIterator[None]:
    """Record spans and push, if an exporter is configured; at the end push what is left.

    Misconfigured if it cannot be used. The SDK is loaded only here.
    """
    sinks = _sinks(settings)
    if not sinks:
        yield
        return
    from adapters.otel import Exports  # noqa: PLC0415 - 10 MB for those who use it

    exports = Exports(telemetry.registry, sinks, interval=push_seconds())
    telemetry.tracer = exports.tracer
    try:
        yield
    finally:
        await exports.stop(grace.left())


def _sinks(settings: Settings) -> list[Callable[[TracerProvider], Sink]]:
    sinks: list[Callable[[TracerProvider], Sink]] = []
    if settings.insights:
        connection = settings.insights.get_secret_value()
        insights_address(connection)
        sinks.append(lambda provider: _azure(connection, provider))
    if settings.otlp_endpoint:
        base = otlp_address(settings.otlp_endpoint)
        sinks.append(lambda _provider: _otlp(base))
    return sinks


def _azure(connection: str, provider: TracerProvider) -> Sink:
    from adapters.azure.monitor import open_monitor  # noqa: PLC0415 - 40 MB for those who use it
    from adapters.otel import Sink  # noqa: PLC0415

    return Sink(*open_monitor(connection, provider), delta=True)


def _otlp(base: str) -> Sink:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    from adapters.otel import Sink  # noqa: PLC0415

    return Sink(OTLPSpanExporter(endpoint=f"{base}/v1/traces"), OTLPMetricExporter(endpoint=f"{base}/v1/metrics"))


def insights_address(connection: str) -> str:
    """Read where a connection string of Application Insights pushes to; Misconfigured if it cannot be used."""
    parts = dict(part.strip().partition("=")[::2] for part in connection.split(";"))
    named = {name.lower(): value for name, value in parts.items()}
    try:
        UUID(named.get("instrumentationkey", ""))
    except ValueError:
        raise Misconfigured(f"{INSIGHTS}: its InstrumentationKey is not a GUID") from None
    return _checked(INSIGHTS, named.get("ingestionendpoint", "https://dc.services.visualstudio.com"))


def otlp_address(given: str) -> str:
    """Read the base address of a collector, without a slash at the end; Misconfigured if it may not be used."""
    return _checked(OTLP, given)


def _checked(setting: str, url: str) -> str:
    """Like every endpoint: https, or plain http on this very machine (a collector beside us)."""
    try:
        parsed = URL(url)
    except ValueError:
        raise Misconfigured(f"{setting}: not an address") from None
    here = parsed.host in ("127.0.0.1", "localhost", "::1")
    if not parsed.host or not (parsed.scheme == "https" or (parsed.scheme == "http" and here)):
        raise Misconfigured(f"{setting}: https, or plain http to a loopback address")
    return url.rstrip("/")


def push_seconds() -> float:
    """Read the standard variable (milliseconds, 60000) as seconds; Misconfigured if it is no number."""
    try:
        return max(float(os.environ.get(INTERVAL, "60000")) / 1000, 0.1)
    except ValueError:
        raise Misconfigured(f"{INTERVAL}: a number of milliseconds") from None
