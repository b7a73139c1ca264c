"""Reads the Prometheus registry as OpenTelemetry metrics, under the same names as on `/metrics`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import pairwise

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

Series = tuple[str, tuple[tuple[str, str], ...]]
_SCOPE = InstrumentationScope("bridge")


class Reading:
    """Takes the counters again and again, for one exporter."""

    def __init__(self, registry: CollectorRegistry, resource: Resource, *, delta: bool) -> None:
        """`delta`: give what came since the last reading that arrived, else since the start."""
        self._registry, self._resource, self._delta = registry, resource, delta
        self._since = self._taken_at = time.time_ns()
        self._before: dict[Series, float] = {}
        self._taken: dict[Series, float] = {}

    def take(self) -> MetricsData:
        """Read all counters as they are now."""
        self._taken_at, self._taken = time.time_ns(), {}
        metrics = [metric for family in self._registry.collect() for metric in self._metrics(family)]
        scope = ScopeMetrics(scope=_SCOPE, metrics=metrics, schema_url="")
        return MetricsData(resource_metrics=[ResourceMetrics(self._resource, [scope], schema_url="")])

    def arrived(self) -> None:
        """Take note that what was taken last has arrived."""
        if self._delta:
            self._before, self._since = self._taken, self._taken_at

    def _metrics(self, family: Family) -> Iterator[Metric]:
        """Give the family's metric, unless there is nothing to tell."""
        points: list[NumberDataPoint] = []
        histograms: list[HistogramDataPoint] = []
        name, kind = family.name, family.type
        if kind == "histogram":
            histograms = list(self._histograms(family.samples))
        elif kind == "counter":
            name = f"{family.name}_total"
            counted = ((s, self._grown(s)) for s in family.samples if s.name == name)
            points = [self._point(s, value) for s, value in counted if value or not self._delta]
        else:
            points = [self._point(s, s.value) for s in family.samples]
        way = AggregationTemporality.DELTA if self._delta else AggregationTemporality.CUMULATIVE
        if histograms:
            yield Metric(name, family.documentation, "s", Histogram(histograms, way))
        elif points:
            data = Sum(points, way, is_monotonic=True) if kind == "counter" else Gauge(points)
            yield Metric(name, family.documentation, "", data)

    def _grown(self, sample: Sample) -> float:
        series = (sample.name, tuple(sorted(sample.labels.items())))
        self._taken[series] = sample.value
        return sample.value - self._before.get(series, 0.0)

    def _point(self, sample: Sample, value: float) -> NumberDataPoint:
        return NumberDataPoint(dict(sample.labels), self._since, self._taken_at, value)

    def _histograms(self, samples: Iterable[Sample]) -> Iterator[HistogramDataPoint]:
        rows: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
        for sample in samples:
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            part = sample.labels.get("le") or sample.name.rsplit("_", 1)[1]
            if part != "created":
                rows.setdefault(tuple(labels.items()), {})[part] = self._grown(sample)
        for key, row in rows.items():
            if row["count"] or not self._delta:
                yield self._histogram(dict(key), row)

    def _histogram(self, labels: dict[str, str], row: dict[str, float]) -> HistogramDataPoint:
        """Prometheus' buckets hold all that is less, OpenTelemetry's only what is between. Extremes are bounds."""
        count, total = int(row.pop("count")), row.pop("sum")
        bounds = [float(bound) for bound in row]
        heights = [0.0, *row.values()]
        buckets = [int(high - low) for low, high in pairwise(heights)]
        filled = [number for number, height in enumerate(buckets) if height]
        lowest = bounds[filled[0] - 1] if filled and filled[0] else 0.0
        highest = bounds[min(filled[-1], len(bounds) - 2)] if filled else 0.0
        return HistogramDataPoint(
            attributes=labels,
            start_time_unix_nano=self._since,
            time_unix_nano=self._taken_at,
            count=count,
            sum=total,
            bucket_counts=buckets,
            explicit_bounds=bounds[:-1],
            min=lowest,
            max=highest,
        )
