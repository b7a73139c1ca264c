"""Cuts texts into words for the search: languages without spaces, or with endings, into overlapping pairs of letters.

So a search for 요청 finds 환불요청도 as well, which words between spaces would not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_RUN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]+")
MAX_TERMS = 16


def normal(text: str) -> str:
    """Make texts comparable: one form for each letter, and no upper case."""
    return unicodedata.normalize("NFKC", text).casefold()


def indexed(text: str) -> str:
    """Give a text as the full-text index keeps it."""
    return _RUN.sub(lambda run: f" {' '.join(_pairs(run[0]))} {run[0][-1]} ", normal(text))


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]


def match(asked: str) -> str:
    """Write what a person asked for in the index's own language: all words, each by its beginning; "" if it is none."""
    return " AND ".join(_term(word) for word in terms(asked))


def terms(asked: str) -> list[str]:
    """Give the words of a question, normalised; runs of other scripts within a word count as words."""
    words = (part for word in normal(asked).split() for part in _split(word))
    return [word for word in words if any(c.isalnum() for c in word)][:MAX_TERMS]


def _split(word: str) -> Iterator[str]:
    at = 0
    for run in _RUN.finditer(word):
        if run.start() > at:
            yield word[at : run.start()]
        yield run[0]
        at = run.end()
    if at < len(word):
        yield word[at:]


def _term(word: str) -> str:
    pairs = _pairs(word) if _RUN.fullmatch(word) else []
    return f'"{" ".join(pairs)}"' if pairs else '"{}"*'.format(word.replace('"', " "))


def around(text: str, wanted: list[str], width: int = 80) -> tuple[str, str, str] | None:
    """Find the first of the wanted words; give what stands before it, itself, and what follows."""
    folded = text.casefold()
    if len(folded) != len(text):
        folded = text.lower() if len(text.lower()) == len(text) else text
    places = [(folded.find(word), word) for word in wanted]
    found = min(((at, word) for at, word in places if at >= 0), default=None)
    if found is None:
        return None
    at, end = found[0], found[0] + len(found[1])
    return text[max(0, at - width) : at], text[at:end], text[end : end + width]
