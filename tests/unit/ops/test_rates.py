"""Rates of the last five minutes, in memory that does not grow."""

from __future__ import annotations

import random

import pytest

from adapters.ops.rates import SLICE, SLICES, Rates


@pytest.fixture
def clock():
    now = [1000.0]

    def read():
        return now[0]

    read.advance = lambda seconds: now.__setitem__(0, now[0] + seconds)
    return read


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_percentiles_are_right_within_their_class(clock, share):
    rates, seen = Rates(clock), []
    for _ in range(5000):
        seen.append(random.Random(len(seen)).lognormvariate(-2, 1.5))
        rates.record("to-teams", "delivered", seen[-1])
    exact = sorted(seen)[int(share * len(seen))] * 1000
    shown = rates.shown()["to-teams"]["p50_ms" if share == 0.5 else "p95_ms"]
    assert shown == pytest.approx(exact, rel=0.08)


def test_what_is_older_than_five_minutes_is_forgotten(clock):
    rates = Rates(clock)
    rates.record("to-teams", "delivered", 0.1)
    clock.advance(61)
    rates.record("to-teams", "ignored", 0.1)
    shown = rates.shown()["to-teams"]
    assert (shown["per_minute"], shown["outcomes"]["delivered"], sum(shown["series"])) == (0, 1, 1)
    clock.advance(SLICE * SLICES - 61)
    shown = rates.shown()["to-teams"]
    assert shown["outcomes"] == {"delivered": 0, "ignored": 1, "dead_letter": 0}
    assert (shown["p50_ms"], shown["p95_ms"], len(shown["series"])) == (None, None, SLICES)


def test_a_slice_is_used_again_after_a_round(clock):
    rates = Rates(clock)
    for _ in range(3):
        rates.record("to-teams", "delivered", 0.1)
        clock.advance(SLICE * SLICES)
    rates.record("to-teams", "delivered", 0.1)
    assert rates.shown()["to-teams"]["outcomes"]["delivered"] == 1


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 1e6])
def test_the_shortest_and_the_longest_are_counted(clock, seconds):
    rates = Rates(clock)
    rates.record("to-freshchat", "delivered", seconds)
    assert rates.shown()["to-freshchat"]["p50_ms"] is not None


def test_the_directions_are_apart(clock):
    rates = Rates(clock)
    rates.record("to-freshchat", "delivered", 0.1)
    assert rates.shown()["to-teams"]["per_minute"] == 0
