"""Headers that come from outside, words that become labels, and spans where nothing records them."""

from __future__ import annotations

import pytest

from bridge.meters import MAX_WORDS, Meters
from bridge.spans import CURRENT, NO_SPAN, Parent, read_traceparent
from bridge.telemetry import Telemetry

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "parent"),
    [
        (f"00-{TRACE}-{SPAN}-01", Parent(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-00", Parent(TRACE, SPAN, False)),
        (f"cc-{TRACE}-{SPAN}-03-what-the-future-will-be-like", Parent(TRACE, SPAN, True)),
        ("", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-01\n", None),
        (f"00-{TRACE}-{SPAN}-01-{'x' * 5000}", None),
    ],
)
def test_traceparent(header, parent):
    """As W3C Trace Context says; anything else is no parent."""
    assert read_traceparent(header) == parent


def test_words_of_an_upstream_cannot_fill_the_memory():
    """Beyond a bound, new codes are counted together; those already known keep their own series."""
    telemetry = Telemetry("CRITICAL")
    for number in range(MAX_WORDS + 50):
        telemetry.retried("to-teams", f"connector_{number}")
    telemetry.retried("to-teams", "connector_0")

    def count(code):
        return telemetry.registry.get_sample_value("bridge_retries_total", {"direction": "to-teams", "code": code})

    assert (count("other"), count("connector_0"), count(f"connector_{MAX_WORDS}")) == (50, 2, None)


@pytest.mark.parametrize(
    ("status", "labels"), [(201, ("201", "2xx")), (None, ("none", "none")), (999, ("other", "none"))]
)
def test_calls_are_counted_by_status(status, labels):
    """The exact status for the count, its class for the time; there may be no answer, or nonsense."""
    meters = Meters()
    meters.called("graph", status, 0.2)
    exact, rough = ({"component": "graph", "status": label} for label in labels)
    assert meters.registry.get_sample_value("bridge_upstream_calls_total", exact) == 1
    assert meters.registry.get_sample_value("bridge_upstream_seconds_count", rough) == 1


def test_without_an_exporter_there_are_no_spans():
    """A door, a step and a call are timed all the same, and leave nothing behind."""
    telemetry = Telemetry("CRITICAL")
    with telemetry.door("to-teams", "/x", f"00-{TRACE}-{SPAN}-01") as door, telemetry.let_in() as span:
        assert (span.trace, span.id, CURRENT.get()) == ("", "", NO_SPAN)
        with telemetry.call("graph", "GET") as call:
            call.status = 200
        door.status = 200
    hop = {"direction": "to-teams", "hop": "door"}
    assert telemetry.registry.get_sample_value("bridge_hop_seconds_count", hop) == 1
    assert CURRENT.get() is NO_SPAN
