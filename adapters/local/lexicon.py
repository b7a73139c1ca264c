"""The embedded `Sentiment`: weighted words of English and Korean with their negations, readable in `lexicon/*.tsv`.

Kinds of entries, next to plain weights: `negator` turns what follows it within three words ("not happy"), `denier` the
word before it (`문제가 없어요`), `around` its neighbours on both sides (`안`); `able` says nothing by itself and is a
complaint when it is denied ("cannot open", `권한이 없어요`); `strong` adds half, `but` halves what was said before it;
`thanks` count unless something is asked for (`request`, or a question mark): that is politeness. How good it is:
docs/people-and-sentiment.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from bridge.ports import Mood

MAX_TEXT = 1000
"""Characters that are read; a mood shows at the start."""
THRESHOLD = 0.4
REACH = 3
_CLAUSE = re.compile(r"[.!?;,:\n…]+|[。、！？]")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[\U0001f300-\U0001faff❤]")
_ASKS = re.compile(r"[?？]")


class Entry(NamedTuple):
    """One row: how many words it has, what it is, and what it weighs."""

    length: int
    kind: str
    weight: float


class LexiconSentiment:
    """Implements `bridge.ports.Sentiment` within microseconds, in this process."""

    async def judge(self, text: str, _locale: str | None) -> Mood:
        """Tell the mood of a text. Never raises."""
        score = weigh(text)
        return "positive" if score > THRESHOLD else "negative" if score < -THRESHOLD else "neutral"

    async def ping(self) -> None:
        """Do nothing: there is nothing that could be away."""

    async def close(self) -> None:
        """Do nothing."""


def weigh(text: str) -> float:
    """Add up what the words weigh: below zero is displeased."""
    text = text[:MAX_TEXT].replace("’", "'")
    clauses = [_WORD.findall(clause.lower()) for clause in _CLAUSE.split(text)]
    found = [list(_entries(words)) for words in clauses]
    asks = bool(_ASKS.search(text)) or any(entry.kind == "request" for clause in found for _, entry in clause)
    score = 0.0
    for clause in found:
        if any(entry.kind == "but" for _, entry in clause):
            score /= 2
        score += _clause(clause, asks)
    return score


def _entries(words: Sequence[str]) -> Iterator[tuple[int, Entry]]:
    """Give what is known in a clause, each with its place; of several that begin there, the longest."""
    place = 0
    while place < len(words):
        entry = _at(words, place)
        if entry is not None:
            yield place, entry
        place += entry.length if entry else 1


def _at(words: Sequence[str], place: int) -> Entry | None:
    known, longest = _known()
    for length in range(min(longest.get(words[place], 1), len(words) - place), 0, -1):
        *first, last = words[place : place + length]
        for end in range(len(last), 0, -1):
            key = " ".join((*first, last[:end]))
            entry = known.get(key) if end == len(last) else None
            if entry := entry or known.get(f"{key}*"):
                return entry
    return Entry(1, "negator", 0.0) if words[place].endswith("n't") else None


def _clause(found: Sequence[tuple[int, Entry]], asks: bool) -> float:
    score = 0.0
    for number, (place, entry) in enumerate(found):
        weight = 0.0 if entry.kind == "thanks" and asks else entry.weight
        if weight or entry.kind == "able":
            score += _turned(entry, weight, found, number, place)
    return score


def _turned(entry: Entry, weight: float, found: Sequence[tuple[int, Entry]], number: int, place: int) -> float:
    """Weigh an entry with what stands around it: denied good is bad, denied bad is a little good."""
    before = [
        other.kind
        for at, other in found[:number]
        if place - at <= REACH and (other.kind != "around" or at == place - 1)
    ]
    after = [other.kind for at, other in found[number + 1 :] if at == place + entry.length]
    if "strong" in before[-1:]:
        weight *= 1.5
    if not {"negator", "around"}.intersection(before) and not {"denier", "around"}.intersection(after):
        return weight
    if entry.kind == "able":
        return -1.0
    return -weight if weight > 0 else -weight / 2


@cache
def _known() -> tuple[dict[str, Entry], dict[str, int]]:
    """Read the lists: entries by their words, and how long the longest is that begins with a word."""
    found: dict[str, Entry] = {}
    longest: dict[str, int] = {}
    folder = files("adapters.local") / "lexicon"
    for language in ("en", "ko"):
        for line in (folder / f"{language}.tsv").read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                kind, _, words = line.partition("\t")
                found[words] = entry = _entry(kind, words)
                first = words.partition(" ")[0]
                longest[first] = max(longest.get(first, 1), entry.length)
    return found, longest


def _entry(kind: str, words: str) -> Entry:
    length = words.count(" ") + 1
    if kind == "thanks":
        return Entry(length, kind, 1.0)
    plain = kind.lstrip("-").isdecimal()
    return Entry(length, "mood" if plain else kind, float(kind) if plain else 0.0)
