"""Cutting long texts: nothing lost, nothing too big, nothing torn, and never slow."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.text import FRESHCHAT, TEAMS, Capability, parse_json, read_stored, split

SMALL = Capability(max_size=40, size=lambda text: len(text.encode()))
FAMILY = "👨‍👩‍👧‍👦"
WHOLE = {
    "family": FAMILY,
    "astronaut with skin tone": "👩🏽‍🚀",
    "heart with variation selector": "❤️",
    "keycap": "1️⃣",
    "flag": "🇰🇷",
    "thumb with skin tone": "👍🏿",
    "letter with accent": "e\u0301",
    "decomposed Korean": "\u1112\u1161\u11ab",
    "flag of Wales": "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f",
}


def _fits(pieces, to):
    return all(to.size(piece) <= to.max_size for piece in pieces)


@given(st.text(max_size=400))
def test_pieces_make_the_text_again_and_each_one_fits(text):
    """Joining gives exactly the text, and no piece is larger than the platform takes."""
    pieces = split(text, SMALL)
    assert "".join(pieces) == text
    assert _fits(pieces, SMALL)


@given(st.text(alphabet="a<&\"'\n \u200d\ufe0f👩한", max_size=400))
def test_pieces_fit_however_the_platform_counts(text):
    """Escaping makes text longer: pieces are measured as they are sent."""
    to = Capability(max_size=60, size=lambda t: TEAMS.size(t))
    pieces = split(text, to)
    assert "".join(pieces) == text
    assert _fits(pieces, to)


LONG = {
    "Korean": "가나다라 마바사아자 차카타파하. " * 1000,
    "Korean without spaces": "가" * 9_400,
    "emoji": "👍🏽🎉😀" * 2_400,
    "families": FAMILY * 1_200,
    "right to left": "\u202eمرحبا بالعالم שלום\u202c " * 900,
    "markup": "<b>&amp;</b>\n" * 2_500,
    "one word": "x" * 30_000,
    "lines": "line\r\n" * 6_000,
}


@pytest.mark.parametrize("to", [FRESHCHAT, TEAMS], ids=["freshchat", "teams"])
@pytest.mark.parametrize("name", LONG)
def test_28_kilobytes_of_any_script_are_cut_into_a_few_pieces(name, to):
    """A long message loses nothing and needs hardly more pieces than its size asks for."""
    text = LONG[name]
    pieces = split(text, to)
    assert "".join(pieces) == text
    assert _fits(pieces, to)
    assert len(pieces) <= 2 * to.size(text) // to.max_size + 2


@pytest.mark.parametrize("name", WHOLE)
def test_what_looks_like_one_character_is_not_torn(name):
    """A row of one emoji or syllable is cut between two of them, wherever the limit falls."""
    whole = WHOLE[name]
    for limit in range(40, 80):
        pieces = split(whole * 40, Capability(max_size=limit, size=lambda text: len(text.encode())))
        assert "".join(pieces) == whole * 40
        assert all(piece == whole * (len(piece) // len(whole)) for piece in pieces), (limit, pieces)


@pytest.mark.parametrize("glue", ["\u200d", "\ufe0f", "\u0301", "🏽", "🇰", "\u1161"])
def test_text_that_is_all_glue_is_cut_all_the_same(glue):
    """What cannot be cut well is cut anyway, into full pieces: not one message per character."""
    text = glue * 30_000
    pieces = split(text, FRESHCHAT)
    assert "".join(pieces) == text
    assert _fits(pieces, FRESHCHAT)
    assert len(pieces) <= FRESHCHAT.size(text) // FRESHCHAT.max_size + 2


def test_the_cut_is_after_a_line_else_after_a_space():
    """Readers see whole lines, or at least whole words."""
    assert split("a" * 30 + "\n" + "b c " * 5, SMALL) == ["a" * 30 + "\n", "b c " * 5]
    assert split("a" * 30 + " " + "b" * 20, SMALL) == ["a" * 30 + " ", "b" * 20]


def test_an_empty_text_is_one_empty_piece():
    """There is always a piece to send."""
    assert split("", SMALL) == [""]


def _measured(length):
    """Count how many characters are measured to cut a text of `length`."""
    seen = 0

    def size(text):
        nonlocal seen
        seen += len(text)
        return len(text.encode())

    split("한" * length, Capability(max_size=16_000, size=size))
    return seen


def test_the_work_grows_with_the_text_and_not_with_its_square():
    """A megabyte is cut with twice the work of half a megabyte, so a large paste cannot hold up other threads."""
    half, whole = _measured(500_000), _measured(1_000_000)
    assert whole < 2.5 * half


HALVES = [
    ('"\\ud83d"', "\ufffd"),
    ('{"\\uDE00": 1}', {"\ufffd": 1}),
    ('[["\\ud800\\ud800"]]', [["\ufffd\ufffd"]]),
    ('"\\ud800\\ud83d\\ude00\\udfff"', "\ufffd😀\ufffd"),
    ('"\\\\ud800"', "\\ud800"),
    ('"\\\\\\ud800"', "\\\ufffd"),
    ('"\\ud7ff\\ue000"', "\ud7ff\ue000"),
    ('"\\ud83d\\n\\ude00"', "\ufffd\n\ufffd"),
]


@pytest.mark.parametrize(("text", "value"), HALVES)
def test_half_surrogate_pairs_are_replaced_and_nothing_else(text, value):
    """JSON can spell what UTF-8 cannot hold: it is replaced, in names and values; pairs and other escapes stay."""
    assert parse_json(text.encode()) == value


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_whatever_has_no_half_pair_is_read_as_it_is(value):
    """Parsing changes no value, however it is escaped."""
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "body", [b'"\xed\xa0\x80"', b'"\xff"', '"a"'.encode("utf-16"), '"a"'.encode("utf-32-le"), b"", b"{", b'"\\ud8"']
)
def test_what_is_not_utf_8_is_not_json(body):
    """Encoded half pairs and other encodings are refused; they would fail much later, when stored."""
    with pytest.raises(ValueError):
        parse_json(body)


def test_a_stored_body_with_a_byte_order_mark_is_read():
    """Some senders put the mark there."""
    assert read_stored(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_a_half_pair_that_is_deeply_nested_is_replaced_too():
    """Depth that the parser takes is depth that the cleaning takes."""
    body = b'{"a":' * 700 + b'"\\ud800"' + b"}" * 700
    value = read_stored(body)
    for _ in range(700):
        value = value["a"]
    assert value == "\ufffd"
