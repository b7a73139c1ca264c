"""What the bridge tells about itself: one JSON line per thing that happened, and counters.

A record is an action word and fields, never prose: keys, codes, ids, milliseconds. No text, name, mail or token may
be a field (a test plants such values and looks for them).
"""

from __future__ import annotations

import io
import logging
import sys
import time
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Telemetry:
    """Logs and counters of one process. `level` is a name of the standard library's levels."""

    def __init__(self, level: str = "INFO", stream: TextIO | None = None) -> None:
        self.registry = CollectorRegistry()
        self._logger = structlog.wrap_logger(
            structlog.PrintLogger(cast(TextIO, _Lenient(stream or sys.stdout))),
            wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
                structlog.processors.add_log_level,
                structlog.processors.EventRenamer("action"),
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        ).bind()  # once here: the proxy would do it anew for every record
        self._accepted = self._counter("bridge_accepted_total", "Requests at a door", "direction", "outcome")
        self._refused = self._counter("bridge_refused_total", "Requests refused at a door", "direction", "status")
        self._delivered = self._counter("bridge_deliveries_total", "Deliveries ended", "direction", "outcome")
        self._retries = self._counter("bridge_retries_total", "Deliveries given back", "direction", "code")
        self._keys = self._counter("bridge_webhook_key_total", "Webhooks verified, by key", "tenant", "key")
        self._events = self._counter("bridge_events_total", "Other things that happened", "what")
        self._held = Gauge(
            "bridge_held",
            "1 while an upstream refuses our credentials",
            ["direction", "tenant"],
            registry=self.registry,
        )
        self._waiting = Gauge("bridge_queue_waiting", "Messages waiting", ["direction"], registry=self.registry)
        self._dead = Gauge("bridge_queue_dead", "Dead letters", ["direction"], registry=self.registry)
        self._age = Gauge(
            "bridge_queue_oldest_seconds", "Age of the oldest message", ["direction"], registry=self.registry
        )
        self._latency = Histogram(
            "bridge_latency_seconds",
            "From accepted to delivered",
            ["direction"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def adopt_library_logs(self) -> None:
        """Write what libraries log (warnings and worse) as records of ours; for the process that serves."""
        logging.getLogger().addHandler(_LibraryLogs(self))

    def debug(self, action: str, **fields: Any) -> None:
        """Record something that is only of interest when one looks closely."""
        self._logger.debug(action, **fields)

    def info(self, action: str, **fields: Any) -> None:
        """Record the normal course of things."""
        self._logger.info(action, **fields)

    def warning(self, action: str, **fields: Any) -> None:
        """Record what an operator should know, although nobody has to act at once."""
        self._logger.warning(action, **fields)

    def error(self, action: str, **fields: Any) -> None:
        """Record what somebody has to act on."""
        self._logger.error(action, **fields)

    def accepted(self, direction: str, outcome: str, **fields: Any) -> None:
        """Count a request that a door answered 200: `stored`, `duplicate`, or `ignored_…`."""
        self._accepted.labels(direction, outcome).inc()
        self._logger.debug("accepted", direction=direction, outcome=outcome, **fields)

    def refused(self, direction: str, status: int, code: str) -> None:
        """Count a request that a door refused."""
        self._refused.labels(direction, str(status)).inc()
        self._logger.warning("refused", direction=direction, status=status, code=code)

    def ended(self, direction: str, outcome: str, received_at: float, **fields: Any) -> None:
        """Count a delivery that ended: `delivered`, `ignored` or `dead_letter`."""
        seconds = max(0.0, time.time() - received_at)
        self._delivered.labels(direction, outcome).inc()
        if outcome == "delivered":
            self._latency.labels(direction).observe(seconds)
        report = self._logger.error if outcome == "dead_letter" else self._logger.info
        report(outcome, direction=direction, ms=round(seconds * 1000, 1), **fields)

    def retried(self, direction: str, code: str, **fields: Any) -> None:
        """Count a delivery that was given back to be tried again."""
        self._retries.labels(direction, code).inc()
        self._logger.warning("retry", direction=direction, code=code, **fields)

    def key_used(self, tenant: str, key: str) -> None:
        """Count which webhook key verified a body."""
        self._keys.labels(tenant, key).inc()

    def count(self, what: str) -> None:
        """Count something that has no counter of its own."""
        self._events.labels(what).inc()

    def held(self, direction: str, tenant: str, held: bool) -> None:
        """Show whether deliveries of a tenant are held."""
        self._held.labels(direction, tenant).set(held)

    def depth(self, direction: str, waiting: int, dead: int, oldest_age: float) -> None:
        """Show how full the queue is."""
        self._waiting.labels(direction).set(waiting)
        self._dead.labels(direction).set(dead)
        self._age.labels(direction).set(oldest_age)

    def exposition(self) -> bytes:
        """Give all counters as Prometheus text."""
        return generate_latest(self.registry)


class _Lenient(io.TextIOBase):
    """A log that cannot be written (disk full, pipe closed) must not stop what it tells about."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        with suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _LibraryLogs(logging.Handler):
    """Keeps where and what kind, and drops the prose: libraries quote what they were sent, tokens included."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__(logging.WARNING)
        self._telemetry = telemetry

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        fields: dict[str, Any] = {"logger": record.name, "where": f"{record.filename}:{record.lineno}"}
        if error is not None:
            fields["error"] = type(error).__name__
        if reason := getattr(record, "reason", None):
            fields["reason"] = reason  # only our own modules give one
        action = record.msg if isinstance(record.msg, str) and record.msg.isidentifier() else "library"
        callers_fault = 400 <= getattr(error, "code", 500) < 500 if error is not None else False
        grave = record.levelno >= logging.ERROR and not callers_fault
        (self._telemetry.error if grave else self._telemetry.warning)(action, **fields)
