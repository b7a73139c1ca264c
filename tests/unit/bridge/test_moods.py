"""Judging a mood never delays a message beyond its budget, and never fails it."""

from __future__ import annotations

import asyncio

import pytest

from adapters.local.lexicon import LexiconSentiment
from bridge.errors import Forbidden, Rejected, Throttled, Unavailable
from bridge.moods import REST, Moods


class Faulty:
    """Raises, or never answers; keeps how often it was asked."""

    def __init__(self, error=None):
        self.error, self.asked = error, 0

    async def judge(self, _text, _locale):
        self.asked += 1
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()


def counted(telemetry):
    lines = telemetry.exposition().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if 'what="no_sentiment"' in line and "_total" in line)


async def test_a_mood_is_told(telemetry):
    moods = Moods(LexiconSentiment(), telemetry, seconds=5)
    assert await moods.of("This is terrible", "en-US") == "negative"
    assert await moods.of("최고예요, 감사합니다", "en-US") == "positive"
    assert await moods.of(" \n", None) is None
    assert counted(telemetry) == 0


async def test_off_is_nothing(telemetry):
    assert await Moods(None, telemetry, seconds=5).of("This is terrible", None) is None
    assert counted(telemetry) == 0


OUTAGES = [
    None,
    Unavailable("x", code="language_503", component="language"),
    Throttled("x", code="language_429", component="language", after=1),
    Forbidden("x", code="language_401", component="language"),
    KeyError("a bug"),
]


@pytest.mark.parametrize("error", OUTAGES, ids=str)
async def test_an_outage_is_counted_and_not_asked_again_for_a_while(error, telemetry, clock):
    """No answer at all counts as one; a mood that comes too late is of no use."""
    sentiment = Faulty(error)
    moods = Moods(sentiment, telemetry, seconds=0.01, clock=clock)
    assert [await moods.of("text", None) for _ in range(3)] == [None] * 3
    assert (sentiment.asked, counted(telemetry)) == (1, 1)
    clock.advance(REST)
    await moods.of("text", None)
    assert sentiment.asked == 2


async def test_a_refused_text_does_not_stand_for_the_next(telemetry, clock):
    """Such as one in a language that the service does not know."""
    sentiment = Faulty(Rejected("x", code="language_no_mood", component="language"))
    moods = Moods(sentiment, telemetry, seconds=5, clock=clock)
    assert [await moods.of("tere", None) for _ in range(2)] == [None, None]
    assert (sentiment.asked, counted(telemetry)) == (2, 2)
