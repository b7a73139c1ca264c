"""The hops of a message's way: each is timed, and is a span where spans are recorded.

Use them with `with`; `Telemetry` makes them.
"""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self

from bridge.meters import Meters
from bridge.ports import Delivery, Direction
from bridge.spans import CURRENT, NEW, NO_SPAN, Parent, Span, Tracer, read_traceparent

DOOR: ContextVar[Door | None] = ContextVar("door", default=None)
"""The request that is being answered."""


class Door:
    """From a request's arrival to its answer; set `status` before the end.

    Only a request that was let in becomes a span, and only then its `traceparent` counts: strangers choose no ids here
    and fill no queue of an exporter.
    """

    def __init__(self, meters: Meters, tracer: Tracer, direction: Direction, route: str, traceparent: str) -> None:
        """`route` is the template of the path, never the path."""
        self.status = 0
        self._meters, self._tracer, self._direction = meters, tracer, direction
        self._route, self._traceparent = route, traceparent
        self._span = NO_SPAN

    def __enter__(self) -> Self:
        self._began, self._began_at = time.perf_counter(), time.time_ns()
        self._token = DOOR.set(self)
        return self

    def let_in(self) -> Span:
        """Start the span, as the caller is known by now."""
        if self._span is NO_SPAN:
            facts = {"http.request.method": "POST", "http.route": self._route, "bridge.direction": self._direction}
            parent = read_traceparent(self._traceparent) if self._traceparent else None
            self._span = self._tracer.span(
                f"POST {self._route}", "server", facts, parent=parent or NEW, began=self._began_at
            )
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        DOOR.reset(self._token)
        self._meters.hops.labels(self._direction, "door").observe(time.perf_counter() - self._began)
        self._span.note("http.response.status_code", self.status)
        if kind is not None or self.status >= 500:
            self._span.failed(kind.__name__ if kind else str(self.status))
        self._span.end()


class Step:
    """Something short within a hop, such as a commit: a span and nothing else."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        self._token: Token[Span] = CURRENT.set(self._span)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        CURRENT.reset(self._token)
        if kind is not None:
            self._span.failed(kind.__name__)
        self._span.end()


class LetIn(Step):
    """What is done for a request that was let in; its span is the door's, which ends it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        CURRENT.reset(self._token)


class Work:
    """One try of a delivery, below the span that accepted it: through the queue, which carries the ids."""

    def __init__(self, meters: Meters, tracer: Tracer, delivery: Delivery) -> None:
        self._meters, self._tracer, self._delivery = meters, tracer, delivery

    def __enter__(self) -> Self:
        envelope, attempts = self._delivery.envelope, self._delivery.attempts
        if attempts == 0:
            waited = max(0.0, time.time() - envelope.received_at)
            self._meters.hops.labels(envelope.direction, "queue").observe(waited)
        self._step = Step(
            self._tracer.span(
                f"deliver {envelope.direction}",
                "consumer",
                {
                    "messaging.system": "bridge",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": envelope.direction,
                    "bridge.tenant": envelope.tenant,
                    "bridge.kind": envelope.kind,
                    "bridge.attempt": attempts + 1,
                },
                parent=Parent(envelope.trace, envelope.span),
            )
        )
        self._step.__enter__()
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._began
        self._meters.hops.labels(self._delivery.envelope.direction, "delivery").observe(seconds)
        self._step.__exit__(kind, error, trace)


class Call:
    """One call of an upstream; set `status` once there is an answer."""

    __slots__ = ("_began", "_component", "_meters", "_method", "_span", "_tracer", "status")

    def __init__(self, meters: Meters, tracer: Tracer, component: str, method: str) -> None:
        self._meters, self._tracer, self._component, self._method = meters, tracer, component, method
        self.status: int | None = None

    def __enter__(self) -> Self:
        facts = {"http.request.method": self._method, "peer.service": self._component}
        self._span = self._tracer.span(f"{self._method} {self._component}", "client", facts)
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._meters.called(self._component, self.status, time.perf_counter() - self._began)
        if self.status is not None:
            self._span.note("http.response.status_code", self.status)
        if kind is not None or self.status is None or self.status >= 400:
            self._span.failed(kind.__name__ if kind else str(self.status))
        self._span.end()
