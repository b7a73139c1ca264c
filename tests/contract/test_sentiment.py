"""Runs the sentiment suite over the embedded lexicon, and measures how good it is on sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.local.lexicon import LexiconSentiment, weigh
from tests.contract.sentiment_suite import SentimentSuite

SENTENCES = Path(__file__).parents[1] / "fixtures" / "sentiment"


class TestLexicon(SentimentSuite):
    """The embedded lexicon keeps the contract."""

    @pytest.fixture
    def sentiment(self) -> LexiconSentiment:
        return LexiconSentiment()


def rows(name: str) -> list[tuple[str, str]]:
    lines = (SENTENCES / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [(mood, text) for mood, _, text in (line.partition("\t") for line in lines)]


HELD_OUT = {"en_held_out": 0.91, "ko_held_out": 0.96}
"""What docs/people-and-sentiment.md states. Change the lists by the tuning sentences only, then measure here again."""


@pytest.mark.parametrize("name", HELD_OUT)
async def test_the_stated_accuracy_holds(name: str) -> None:
    sentiment, sentences = LexiconSentiment(), rows(name)
    right = [await sentiment.judge(text, None) == mood for mood, text in sentences]
    assert sum(right) / len(right) >= HELD_OUT[name]


@pytest.mark.parametrize("name", ["en_tuning", "en_held_out", "ko_tuning", "ko_held_out"])
def test_the_sentences_are_balanced_and_each_is_used_once(name: str) -> None:
    moods = [mood for mood, _ in rows(name)]
    assert {mood: moods.count(mood) for mood in moods} == {"negative": 20, "neutral": 20, "positive": 20}
    language, _, part = name.partition("_")
    other = rows(f"{language}_{'held_out' if part == 'tuning' else 'tuning'}")
    assert not {text for _, text in rows(name)} & {text for _, text in other}


PAIRS = [
    ("I am not happy with that", "I am happy with that"),
    ("very bad", "bad"),
    ("The screen is broken", "The screen is not broken"),
    ("It is nice and fast, but wrong", "It is wrong, but nice and fast"),
    ("도움이 되지 않았어요", "도움이 됐어요"),
    ("문제가 있어요", "문제가 없어요"),
    ("작동이 안 됩니다", "작동이 잘 됩니다"),
    ("너무 불편해요", "불편해요"),
]


@pytest.mark.parametrize(("worse", "better"), PAIRS)
def test_negation_emphasis_and_turns_count(worse: str, better: str) -> None:
    assert weigh(worse) < weigh(better)


@pytest.mark.parametrize("text", ["Could you add Bo? Thanks!", "모니터 신청 부탁드립니다. 감사합니다."])
async def test_thanks_in_a_request_is_only_polite(text: str) -> None:
    assert await LexiconSentiment().judge(text, None) == "neutral"
