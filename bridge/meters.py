"""The counters of one process, kept with prometheus_client: 2 µs a count, where OpenTelemetry's take 10.

Exporters that push read the same registry now and then. Labels are few and bounded: directions, tenants, keys, stable
words; never a person, a thread or a conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Metric = TypeVar("Metric", Counter, Gauge, Histogram)

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

MAX_WORDS = 200
"""An upstream's own error words become codes; beyond so many different ones, the rest is counted as `other`."""


class Family(Generic[Metric]):
    """A metric with labels. Each child is looked up in the library once: that takes longer than to count."""

    def __init__(self, metric: Metric) -> None:
        self.labels: Callable[..., Metric] = cache(metric.labels)


class Meters:
    """All counters, gauges and histograms."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._words: set[str] = set()
        self.accepted = self._counter("bridge_accepted_total", "Requests at a door", "direction", "outcome")
        self.refused = self._counter("bridge_refused_total", "Requests refused at a door", "direction", "status")
        self.delivered = self._counter("bridge_deliveries_total", "Deliveries ended", "direction", "outcome")
        self.ignored = self._counter("bridge_ignored_total", "Deliveries that had nothing to carry", "direction", "why")
        self.retries = self._counter("bridge_retries_total", "Deliveries given back", "direction", "code")
        self.letters = self._counter("bridge_dead_letters_total", "Deliveries given up", "direction", "code")
        self.keys = self._counter("bridge_webhook_key_total", "Webhooks verified, by key", "tenant", "key")
        self.path_tokens = self._counter("bridge_webhook_token_total", "Webhooks by path token", "tenant", "index")
        self.holds = self._counter("bridge_holds_total", "Times that deliveries were held", "direction", "tenant")
        self.reconciled = self._counter("bridge_reconciled_total", "Missed messages that were found", "tenant")
        self.events = self._counter("bridge_events_total", "Other things that happened", "what")
        self.calls = self._counter("bridge_upstream_calls_total", "Calls of upstreams", "component", "status")
        self.tokens = self._counter("bridge_token_fetches_total", "Access tokens asked for", "account", "outcome")
        self.held = self._gauge("bridge_held", "1 while an upstream refuses our credentials", "direction", "tenant")
        self.waiting = self._gauge("bridge_queue_waiting", "Messages waiting", "direction")
        self.dead = self._gauge("bridge_queue_dead", "Dead letters", "direction")
        self.recent = self._gauge("bridge_dead_letters_recent", "Dead letters of the last 15 minutes", "direction")
        self.age = self._gauge("bridge_queue_oldest_seconds", "Age of the oldest message", "direction")
        self.token_at = self._gauge("bridge_token_fetched_timestamp_seconds", "When the token was given", "account")
        self.latency = self._histogram("bridge_latency_seconds", "From accepted to delivered", _BUCKETS, "direction")
        self.hops = self._histogram("bridge_hop_seconds", "Time in one hop", _SHORT, "direction", "hop")
        self.upstream = self._histogram("bridge_upstream_seconds", "Time of a call", _SHORT, "component", "status")

    def _counter(self, name: str, help_text: str, *labels: str) -> Family[Counter]:
        return Family(Counter(name, help_text, labels, registry=self.registry))

    def _gauge(self, name: str, help_text: str, *labels: str) -> Family[Gauge]:
        return Family(Gauge(name, help_text, labels, registry=self.registry))

    def _histogram(self, name: str, help_text: str, buckets: tuple[float, ...], *labels: str) -> Family[Histogram]:
        return Family(Histogram(name, help_text, labels, buckets=buckets, registry=self.registry))

    def word(self, text: str) -> str:
        """Give a word that may be a label: itself, or `other` when there are too many already."""
        if text not in self._words:
            if len(self._words) >= MAX_WORDS:
                return "other"
            self._words.add(text)
        return text

    def called(self, component: str, status: int | None, seconds: float) -> None:
        """Count a call of an upstream; `status` is None when there was no answer."""
        known = status is not None and 100 <= status < 600
        self.calls.labels(component, str(status) if known else "none" if status is None else "other").inc()
        self.upstream.labels(component, f"{status // 100}xx" if known and status else "none").observe(seconds)
