"""How somebody feels who writes."""

from __future__ import annotations

from typing import Literal, Protocol

Mood = Literal["positive", "neutral", "negative"]


class Sentiment(Protocol):
    """Judges the mood of a text in English or Korean. Texts are not kept."""

    async def judge(self, text: str, locale: str | None) -> Mood:
        """Tell the mood; `locale` is the writer's, such as `ko-KR`, and may be wrong for this text.

        Raises Throttled, Unavailable, Forbidden (our credentials are refused) or Rejected (not this text).
        """

    async def ping(self) -> None:
        """Raise Unavailable or Forbidden if it cannot be used now."""

    async def close(self) -> None:
        """Let go of what it holds."""
