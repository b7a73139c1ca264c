"""The search finds what people type, in languages with and without spaces."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from archive.view.words import around, indexed, match


def finds(text: str, asked: str) -> bool:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE VIRTUAL TABLE words USING fts5 (text, content='')")
        db.execute("INSERT INTO words (rowid, text) VALUES (1, ?)", (indexed(text),))
        query = match(asked)
        return bool(query) and db.execute("SELECT 1 FROM words WHERE words MATCH ?", (query,)).fetchone() is not None


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("환불요청도 하고 싶어요", "환불"),
        ("환불요청도 하고 싶어요", "요청"),
        ("환불요청도 하고 싶어요", "요청도 싶"),
        ("환불요청도 하고 싶어요", "도"),
        ("The Printer is broken", "print BROKEN"),
        ("mail ada@example.com now", "ada@example.com"),
        ("iPhone을 샀어요", "iphone"),
        ("iPhone을 샀어요", "iPhone을"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ", "full"),
        ("ticket #9000", "9000"),
        ("請求書を送る", "求書"),
        ('say "quoted" words', '"quoted"'),
        ("naïve Müller", "müll"),
    ],
)
def test_found(text: str, asked: str) -> None:
    """Beginnings of words; any part of a word where there are no spaces; upper and lower case are one."""
    assert finds(text, asked)


@pytest.mark.parametrize(
    ("text", "asked"),
    [("환불요청", "환요"), ("printer", "inter"), ("one two", "one three"),
     ("anything", ""), ("anything", '" - * ( ) :'),
     ("a NOT b", "NOT c"), ("text", "text:other")],
)  # fmt: skip
def test_not_found(text: str, asked: str) -> None:
    """And no word is an operator of the index."""
    assert not finds(text, asked)


def test_where_it_is_found() -> None:
    """The first of the words, with what stands around it."""
    assert around("abc Printer def", ["def", "printer"], width=3) == ("bc ", "Printer", " de")
    assert around("abc", ["x"]) is None
