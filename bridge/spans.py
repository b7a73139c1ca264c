"""Spans: which step of a message's way took how long, as a trace shows it. In our words; nothing here records any.

A `Tracer` that records is made where an exporter is configured (`adapters/otel.py`); `NO_TRACER` costs next to nothing.
No span carries a text, a name, a mail, a token or an address with ids in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Literal, NamedTuple, Protocol

Kind = Literal["server", "producer", "consumer", "client", "internal"]
Fact = str | int | float | bool


class Parent(NamedTuple):
    """What a span continues: a trace id, and the id of the span above it (empty: it is the first of this trace)."""

    trace: str
    span: str
    sampled: bool = True


NEW = Parent("", "")
"""Begins a trace of its own, whatever the current span is."""


class Span(Protocol):
    """One step that is under way. `trace` and `id` are W3C ids; `id` is empty when the span is not recorded."""

    @property
    def trace(self) -> str: ...
    @property
    def id(self) -> str: ...

    def note(self, name: str, value: Fact) -> None:
        """Add a fact."""

    def failed(self, code: str) -> None:
        """Mark it as failed, for a reason that is a stable word."""

    def link(self, trace: str) -> None:
        """Point to another trace that this step belongs to as well."""

    def end(self) -> None:
        """End it, once."""


class Tracer(Protocol):
    """Starts spans."""

    def span(
        self,
        name: str,
        kind: Kind,
        facts: Mapping[str, Fact] | None = None,
        *,
        parent: Parent | None = None,
        began: int | None = None,
    ) -> Span:
        """Start a span below `parent`, else below the current one, else on its own.

        `began` dates it back (nanoseconds since the epoch).
        """


class _NoSpan:
    trace = ""
    id = ""

    def note(self, name: str, value: Fact) -> None: ...
    def failed(self, code: str) -> None: ...
    def link(self, trace: str) -> None: ...
    def end(self) -> None: ...


class _NoTracer:
    def span(
        self,
        name: str,
        kind: Kind,
        facts: Mapping[str, Fact] | None = None,
        *,
        parent: Parent | None = None,
        began: int | None = None,
    ) -> Span:
        return NO_SPAN


NO_SPAN: Span = _NoSpan()
NO_TRACER: Tracer = _NoTracer()

CURRENT: ContextVar[Span] = ContextVar("span", default=NO_SPAN)
"""The span that new ones go below."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


def read_traceparent(header: str) -> Parent | None:
    """Read a W3C `traceparent` header; None if it is not one."""
    match = _TRACEPARENT.fullmatch(header) if len(header) < 256 else None
    if match is None or header.startswith("ff"):
        return None
    trace, span, flags = match.groups()
    if not trace.strip("0") or not span.strip("0"):
        return None
    return Parent(trace, span, bool(int(flags, 16) & 1))
