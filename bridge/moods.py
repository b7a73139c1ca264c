"""How the person feels who asks, within a budget: a message never waits longer for it, and never fails for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from bridge.errors import BridgeError, Rejected
from bridge.ports import Mood, Sentiment
from bridge.telemetry import Telemetry

REST = 30.0
"""Seconds in which nobody is asked after a failure, so that an outage delays one message in a while."""


class Moods:
    """Asks a `Sentiment`, if there is one."""

    def __init__(
        self,
        sentiment: Sentiment | None,
        telemetry: Telemetry,
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds` is the budget of one message."""
        self._sentiment, self._telemetry = sentiment, telemetry
        self._seconds, self._clock = seconds, clock
        self._rests_until = 0.0

    async def of(self, text: str, locale: str | None) -> Mood | None:
        """Tell the mood of a text; None if it cannot be told in time. Never raises."""
        if self._sentiment is None or not text.strip() or self._clock() < self._rests_until:
            return None
        try:
            async with asyncio.timeout(self._seconds):
                return await self._sentiment.judge(text, locale)
        except Rejected as error:  # this text only, such as one in a language that is not known
            self._missed(error.code, 0.0)
        except TimeoutError:
            self._missed("sentiment_timeout", REST)
        except BridgeError as error:
            self._missed(error.code, REST)
        except Exception as error:  # a bug of an adapter is no reason to hold a question
            self._missed(type(error).__name__, REST)
        return None

    def _missed(self, code: str, rest: float) -> None:
        self._telemetry.count("no_sentiment")
        self._telemetry.warning("no_sentiment", code=code, rest=rest)
        self._rests_until = self._clock() + rest
