"""What the bridge tells about itself: one JSON line per thing that happened, counters, and spans.

A record is an action word and fields, never prose: keys, codes, ids, milliseconds. No text, name, mail or token may
be a field (a test plants such values and looks for them).
"""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog
from prometheus_client import generate_latest

from bridge.hops import DOOR, Call, Door, LetIn, Step, Work
from bridge.meters import Meters
from bridge.ports import Delivery, Depth, Direction
from bridge.spans import CURRENT, NO_TRACER, Kind, Tracer


class Telemetry:
    """Logs, counters and spans of one process. `level` is a name of the standard library's levels.

    `tracer` is replaced where an exporter is configured, `watch` where somebody follows the deliveries that end
    (direction, outcome, seconds).
    """

    def __init__(self, level: str = "INFO", stream: TextIO | None = None) -> None:
        self.tracer: Tracer = NO_TRACER
        self.watch: Callable[[str, str, float], None] = _nobody
        self._meters = Meters()
        self.registry = self._meters.registry
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

    # --- hops, to be used with `with`

    def door(self, direction: Direction, route: str, traceparent: str) -> Door:
        """Time the answer to a request; `route` is the template of its path, `traceparent` its header."""
        return Door(self._meters, self.tracer, direction, route, traceparent)

    def let_in(self) -> Step:
        """Begin what is done for a caller who is known; gives the span whose ids the envelope carries."""
        door = DOOR.get()
        return Step(self.tracer.span("let in", "internal")) if door is None else LetIn(door.let_in())

    def step(self, name: str, kind: Kind) -> Step:
        """Make a span of something short."""
        return Step(self.tracer.span(name, kind))

    def work(self, delivery: Delivery) -> Work:
        """Time one try of a delivery."""
        return Work(self._meters, self.tracer, delivery)

    def call(self, component: str, method: str) -> Call:
        """Time one call of an upstream."""
        return Call(self._meters, self.tracer, component, method)

    # --- things to count

    def accepted(self, direction: str, outcome: str, **fields: Any) -> None:
        """Count a request that a door answered 200: `stored`, `duplicate`, or `ignored_…`."""
        self._meters.accepted.labels(direction, outcome).inc()
        self._logger.debug("accepted", direction=direction, outcome=outcome, **fields)

    def refused(self, direction: str, status: int, code: str) -> None:
        """Count a request that a door refused."""
        self._meters.refused.labels(direction, str(status)).inc()
        self._logger.warning("refused", direction=direction, status=status, code=code)

    def ended(self, direction: str, outcome: str, received_at: float, **fields: Any) -> None:
        """Count a delivery that ended: `delivered`, `ignored` or `dead_letter`.

        Of its fields, `reason` and `code` are counted too, and `question` is the trace that an answer belongs to.
        """
        seconds = max(0.0, time.time() - received_at)
        self._meters.delivered.labels(direction, outcome).inc()
        if outcome == "delivered":
            self._meters.latency.labels(direction).observe(seconds)
        elif outcome == "ignored":
            self._meters.ignored.labels(direction, self._meters.word(str(fields.get("reason", "")))).inc()
        else:
            self._meters.letters.labels(direction, self._meters.word(str(fields.get("code", "")))).inc()
        span = CURRENT.get()
        span.note("bridge.outcome", outcome)
        if question := fields.get("question"):
            span.link(question)
        self.watch(direction, outcome, seconds)
        report = self._logger.error if outcome == "dead_letter" else self._logger.info
        report(outcome, direction=direction, ms=round(seconds * 1000, 1), **fields)

    def retried(self, direction: str, code: str, **fields: Any) -> None:
        """Count a delivery that was given back to be tried again."""
        self._meters.retries.labels(direction, self._meters.word(code)).inc()
        self._logger.warning("retry", direction=direction, code=code, **fields)

    def failed(self, code: str, component: str) -> None:
        """Mark the current hop as failed."""
        span = CURRENT.get()
        span.failed(code)
        span.note("bridge.component", component)

    def paced(self, direction: str, code: str, **fields: Any) -> None:
        """Count a delivery that was given back because it is not its turn yet."""
        self._meters.retries.labels(direction, self._meters.word(code)).inc()
        self._logger.debug("paced", direction=direction, code=code, **fields)

    def key_used(self, tenant: str, key: str) -> None:
        """Count which webhook key verified a body."""
        self._meters.keys.labels(tenant, key).inc()

    def path_token_used(self, tenant: str, index: int) -> None:
        """Count which of the live path tokens a webhook came with, by its place in the settings (0 is the first)."""
        self._meters.path_tokens.labels(tenant, str(index)).inc()

    def token(self, account: str, given: bool) -> None:
        """Count an access token that was asked for, for the `bot` or for `graph`."""
        self._meters.tokens.labels(account, "ok" if given else "failed").inc()
        if given:
            self._meters.token_at.labels(account).set_to_current_time()

    def reconciled(self, tenant: str, key: str) -> None:
        """Count a message that a webhook should have brought, and reading back did."""
        self._meters.reconciled.labels(tenant).inc()
        self._logger.info("healed", tenant=tenant, key=key)

    def count(self, what: str) -> None:
        """Count something that has no counter of its own."""
        self._meters.events.labels(what).inc()

    def held(self, direction: str, tenant: str, held: bool) -> None:
        """Show whether deliveries of a tenant are held."""
        self._meters.held.labels(direction, tenant).set(held)
        if held:
            self._meters.holds.labels(direction, tenant).inc()

    def depth(self, direction: str, depth: Depth) -> None:
        """Show how full the queue is."""
        self._meters.waiting.labels(direction).set(depth.waiting)
        self._meters.dead.labels(direction).set(depth.dead)
        self._meters.recent.labels(direction).set(depth.dead_recently)
        self._meters.age.labels(direction).set(depth.oldest_age)

    def exposition(self) -> bytes:
        """Give all counters as Prometheus text."""
        return generate_latest(self.registry)


def _nobody(_direction: str, _outcome: str, _seconds: float) -> None:
    """Nobody watches."""


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
        grave = record.levelno >= logging.ERROR and not _is_callers_fault(error)
        (self._telemetry.error if grave else self._telemetry.warning)(action, **fields)


def _is_callers_fault(error: BaseException | None) -> bool:
    """Tell whether a caller made the server stumble: a request that is none, or a body that breaks off."""
    return type(error).__name__ == "RequestPayloadError" or 400 <= getattr(error, "code", 500) < 500
