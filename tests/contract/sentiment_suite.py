"""What every `Sentiment` promises. A new adapter joins by giving a `sentiment` fixture."""

from __future__ import annotations

import asyncio

import pytest

from bridge.ports import Sentiment

PLAIN = {
    "Thank you so much, it works perfectly now!": "positive",
    "This is terrible, nothing works and nobody answers.": "negative",
    "Which number do I call from outside the building?": "neutral",
    "정말 감사합니다. 이제 잘 됩니다!": "positive",
    "최악이에요. 아무것도 안 되고 아무도 답이 없어요.": "negative",
    "새 출입증은 어디에서 받나요?": "neutral",
}
"""What nobody would judge otherwise."""


class SentimentSuite:
    """Three moods, in two languages, of any text."""

    @pytest.mark.parametrize("text", PLAIN)
    async def test_a_plain_mood_is_told(self, sentiment: Sentiment, text: str) -> None:
        assert await sentiment.judge(text, None) == PLAIN[text]

    async def test_the_text_counts_more_than_the_locale(self, sentiment: Sentiment) -> None:
        """People write Korean in an English client, and the other way round."""
        for text, mood in PLAIN.items():
            assert [await sentiment.judge(text, locale) for locale in ("ko-KR", "en-US", "de")] == [mood] * 3

    @pytest.mark.parametrize(
        "text", ["x", "🙂", "가" * 6000, "word " * 6000, "\ud800", "<b>&amp;</b>\x00", "a'" * 3000]
    )
    async def test_any_text_has_a_mood(self, sentiment: Sentiment, text: str) -> None:
        assert await sentiment.judge(text, None) in ("positive", "neutral", "negative")

    async def test_many_at_once(self, sentiment: Sentiment) -> None:
        texts = [*PLAIN] * 10
        assert await asyncio.gather(*(sentiment.judge(text, None) for text in texts)) == [PLAIN[t] for t in texts]

    async def test_it_can_be_asked_whether_it_works(self, sentiment: Sentiment) -> None:
        await sentiment.ping()
