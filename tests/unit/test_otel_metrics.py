"""The registry read as OpenTelemetry metrics: since the start, or since the last reading that arrived."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.resources import Resource

from adapters.otel_metrics import Reading
from bridge.ports import Depth
from bridge.telemetry import Telemetry


@pytest.fixture
def telemetry():
    return Telemetry("CRITICAL")


def taken(reading):
    """Read, and give the points by name."""
    data = reading.take()
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    return {metric.name: list(metric.data.data_points) for metric in metrics}


def test_cumulative_counters_go_on_growing(telemetry):
    """What is told twice is the same."""
    reading = Reading(telemetry.registry, Resource({}), delta=False)
    telemetry.count("x")
    for _ in range(2):
        [point] = taken(reading)["bridge_events_total"]
        assert (point.value, dict(point.attributes)) == (1, {"what": "x"})
        reading.arrived()


def test_deltas_count_everything_once_even_if_a_push_fails(telemetry):
    """What did not arrive is told again with the next; what arrived is not; nothing new is left out."""
    reading = Reading(telemetry.registry, Resource({}), delta=True)
    telemetry.count("x")
    assert taken(reading)["bridge_events_total"][0].value == 1  # this one does not arrive
    telemetry.count("x")
    [point] = taken(reading)["bridge_events_total"]
    assert point.value == 2
    reading.arrived()
    assert "bridge_events_total" not in taken(reading)
    reading.arrived()
    telemetry.count("x")
    [later] = taken(reading)["bridge_events_total"]
    assert (later.value, later.start_time_unix_nano > point.start_time_unix_nano) == (1, True)


def test_gauges_are_what_they_are(telemetry):
    """Also as deltas."""
    reading = Reading(telemetry.registry, Resource({}), delta=True)
    telemetry.depth("to-teams", Depth(waiting=3, dead=2, oldest_age=1.5, dead_recently=1))
    for _ in range(2):
        found = taken(reading)
        assert [found[f"bridge_queue_{name}"][0].value for name in ("waiting", "dead", "oldest_seconds")] == [3, 2, 1.5]
        reading.arrived()


@pytest.mark.parametrize("delta", [False, True])
def test_histograms_keep_their_shape(telemetry, delta):
    """One bucket more than bounds; their heights add up to the count; extremes are bounds of filled buckets."""
    reading = Reading(telemetry.registry, Resource({}), delta=delta)
    hop = telemetry._meters.hops.labels("to-teams", "door")
    for seconds in (0.002, 0.03, 0.04, 99.0):
        hop.observe(seconds)
    [point] = taken(reading)["bridge_hop_seconds"]
    assert (point.count, sum(point.bucket_counts)) == (4, 4)
    assert point.sum == pytest.approx(99.072)
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    bounds = list(point.explicit_bounds)
    assert point.bucket_counts[bounds.index(0.0025)] == 1
    assert point.bucket_counts[bounds.index(0.05)] == 2
    assert point.bucket_counts[-1] == 1
    assert (point.min, point.max) == (0.001, 30.0)
    reading.arrived()
    hop.observe(0.002)
    [point] = taken(reading)["bridge_hop_seconds"]
    assert point.count == (1 if delta else 5)
