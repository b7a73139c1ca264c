"""The published limits, as the sandbox keeps them."""

import pytest

from sandbox.teams import limits


@pytest.fixture
def clock():
    return [0.0]


def allowed(kept, clock, times, *asked):
    """Ask at these times; which were allowed."""
    good = []
    for clock[0] in times:
        if kept.refuse(*asked) is None:
            good.append(clock[0])
    return good


def test_every_window_counts(clock):
    kept = limits.Limits(lambda: clock[0])
    good = allowed(kept, clock, [n / 10 for n in range(36_100)], *limits.send("c"))
    for count, seconds in limits.SEND:
        assert max(sum(1 for at in good if start <= at < start + seconds) for start in good[::7]) == count


def test_retry_after_is_when_it_is_allowed(clock):
    kept = limits.Limits(lambda: clock[0])
    for _ in range(100):
        wait = kept.refuse(*limits.send("c"))
        if wait is not None:
            clock[0] += wait
            assert kept.refuse(*limits.send("c")) is None


def test_a_team_allows_four_requests_per_second_and_a_channel_one(clock):
    kept = limits.Limits(lambda: clock[0])
    answers = [kept.refuse(*limits.graph(f"channel{n}", "team", reading=False)) for n in range(6)]
    assert answers == [None] * 4 + [1, 1]
    clock[0] = 1.0
    assert kept.refuse(*limits.graph("channel0", "team", reading=True)) is None
    assert kept.refuse(*limits.graph("channel0", "team", reading=False)) == 1
    assert kept.refuse(*limits.graph("a chat", None, reading=False)) is None


def test_a_refused_call_does_not_count(clock):
    kept = limits.Limits(lambda: clock[0])
    good = allowed(kept, clock, [n / 10 for n in range(100)], *limits.graph("c", None, reading=False))
    assert len(good) == 10


def test_keys_are_bounded(clock):
    kept = limits.Limits(lambda: clock[0])
    for n in range(limits.KEYS_KEPT + 100):
        kept.refuse((f"k{n}", limits.PLACE))
    assert len(kept._calls) == limits.KEYS_KEPT
