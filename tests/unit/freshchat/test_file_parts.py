"""Which files a message names: where in its text, under which name, and where they are."""

from __future__ import annotations

import pytest

from adapters.freshchat.file_parts import MAX_FILES, MAX_URL, files_of, last_part
from adapters.freshchat.panels import panel_of
from adapters.freshchat.parts import text_of

URL = "https://files.example.com/d/f_x/u_1/screen%20shot.png?X-Amz-Signature=1"


def text(words):
    return {"text": {"content": words}}


def message(*parts, **more):
    return {"message_parts": list(parts), **more}


def named(found, words):
    """Give the words that each file stands for."""
    return [words[slice(*file.span)] for file in found]


def test_each_file_has_its_place_among_the_words():
    parts = message(
        text("\n one"), {"image": {"url": URL}}, {"file": {"name": "a.pdf", "url": URL}}, text("two"), {"video": {}}
    )
    found = files_of(parts)
    assert named(found, text_of(parts)) == ["[image]", "[file: a.pdf]", "[video]"]
    assert [file.number for file in found] == [0, 1, 2]


NAMES = [
    ({"file": {"name": " a.pdf ", "url": URL}}, "a.pdf"),
    ({"file": {"url": URL}}, ""),
    ({"image": {"url": URL}}, ""),
    ({"video": {}}, "video"),
]


@pytest.mark.parametrize(("part", "name"), NAMES)
def test_the_name_is_the_parts_own(part, name):
    """Without one, reading the file tells its name; what cannot be read is named by its kind."""
    assert [file.name for file in files_of(message(part))] == [name]


LAST_PARTS = [(URL, "screen shot.png"), ("https://files.example.com/", ""), ("https://[files", ""), ("", "")]


@pytest.mark.parametrize(("url", "name"), LAST_PARTS)
def test_an_address_names_a_file(url, name):
    assert last_part(url) == name


ADDRESSES = [
    ({"url": URL}, URL),
    ({"download_url": URL}, URL),
    ({"url": None, "download_url": URL}, URL),
    ({"url": 5}, ""),
    ({"url": f"https://x.example/{'a' * MAX_URL}"}, ""),
    ({"fileHash": "h4sh"}, ""),
]


@pytest.mark.parametrize(("value", "url"), ADDRESSES)
def test_an_address_may_be_missing(value, url):
    """Odd ones count as missing: the words of the message must go in any case."""
    assert [file.url for file in files_of(message({"file": value}))] == [url]


def test_pictures_of_a_carousel_are_not_sent():
    card = {"template_content": {"type": "carousel_card_default", "sections": [{"parts": [{"image": {"url": URL}}]}]}}
    carousel = {"template_content": {"type": "carousel", "sections": [{"parts": [card]}]}}
    assert files_of(message(carousel, {"image": {"url": URL}}))[0].span == (8, 15)
    assert len(files_of(message(carousel, {"callback": {"label": "Go", "payload": "g"}}))) == 0


def test_beside_buttons_files_are_where_the_words_of_the_panel_name_them():
    parts = message(
        text("Which one?"),
        {"callback": {"label": "Go", "payload": "g"}},
        {"image": {"url": URL}},
        reply_parts=[{"collection": {"sub_parts": [{"quick_reply_button": {"label": "Yes"}}]}}],
    )
    found, panel = files_of(parts), panel_of(parts)
    assert named(found, panel.words) == ["[image]"]


def test_so_many_files_and_no_more():
    parts = message(*[{"image": {"url": URL}}] * (MAX_FILES + 5))
    assert len(files_of(parts)) == MAX_FILES
    assert text_of(parts).count("[image]") == MAX_FILES + 5
