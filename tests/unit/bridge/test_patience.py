"""How long to wait, when to give up, and how a refused tenant is held."""

from __future__ import annotations

import pytest

from bridge.errors import Throttled, Unavailable
from bridge.patience import Holds, Patience
from bridge.ports import Delivery, Envelope

AWAY = Unavailable("away", code="away", component="test")


def _delivery(first_failed_at):
    envelope = Envelope(
        direction="to-teams",
        tenant="t1",
        message_id="m",
        session="s",
        kind="create",
        trace="0",
        body=b"",
        received_at=0.0,
    )
    return Delivery(envelope=envelope, attempts=1, first_failed_at=first_failed_at, lease="x")


@pytest.mark.parametrize(("attempts", "most"), [(0, 1.0), (1, 2.0), (5, 32.0), (6, 60.0), (16, 60.0), (10_000, 60.0)])
def test_waits_double_up_to_the_longest(attempts, most):
    """With jitter between half and whole, so that failing threads do not come back together."""
    waits = [Patience().wait(AWAY, attempts) for _ in range(200)]
    assert most / 2 <= min(waits) < max(waits) <= most


def test_the_upstream_is_never_asked_sooner_than_it_said():
    """`Retry-After` is a lower bound, however small our own backoff is."""
    asked = Throttled("slow down", code="429", component="test", after=30.0)
    waits = [Patience().wait(asked, 0) for _ in range(200)]
    assert min(waits) >= 30.0
    assert max(waits) < 31.0


def test_without_a_word_from_the_upstream_our_own_backoff_counts():
    """A 429 without a time is like being unavailable."""
    assert 0.5 <= Patience().wait(Throttled("slow", code="429", component="test"), 0) <= 1.0


@pytest.mark.parametrize(
    ("first", "now", "over"), [(None, 1e12, False), (100.0, 699.9, False), (100.0, 700.0, True), (100.0, 50.0, False)]
)
def test_a_message_holds_its_thread_for_the_window_and_no_longer(first, now, over):
    """Counted from its first failure; without one, or with a clock gone back, it is not over."""
    assert Patience(window=600.0).exhausted(_delivery(first), now) is over


def test_a_hold_lets_one_probe_through_at_a_time(clock):
    """Everybody else waits until the probe's time is over."""
    holds = Holds(15.0, clock)
    assert holds.remaining("t1") == 0.0
    assert holds.begin("t1")
    assert holds.remaining("t1") == 15.0
    clock.advance(15)
    assert holds.remaining("t1") == 0.0
    assert [holds.remaining("t1") for _ in range(3)] == [15.0] * 3
    assert holds.remaining("t2") == 0.0


def test_a_hold_begins_once_and_ends_once(clock):
    """So that it is told once; a failed probe prolongs it."""
    holds = Holds(15.0, clock)
    assert holds.begin("t1")
    clock.advance(10)
    assert not holds.begin("t1")
    assert holds.remaining("t1") == 15.0
    assert holds.tenants() == ["t1"]
    assert holds.end("t1")
    assert not holds.end("t1")
    assert holds.remaining("t1") == 0.0
    assert holds.tenants() == []


def test_a_probe_that_asked_nobody_is_passed_on(clock):
    """The hold stays, and the next delivery asks; without a hold nothing is held by it."""
    holds = Holds(15.0, clock)
    holds.begin("t1")
    clock.advance(15)
    assert holds.remaining("t1") == 0.0
    holds.pass_on("t1")
    assert [holds.remaining("t1") for _ in range(2)] == [0.0, 15.0]
    holds.pass_on("t2")
    assert holds.tenants() == ["t1"]
