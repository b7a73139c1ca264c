"""Cards of other apps, as an agent reads them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cards.card_text import ADAPTIVE, MAX_LINES, MAX_TEXT, card_text

HERO = "application/vnd.microsoft.card.hero"


def adaptive(*body, **more):
    return {"type": "AdaptiveCard", "version": "1.5", "body": list(body), **more}


def block(text):
    return {"type": "TextBlock", "text": text}


def cell(text):
    return {"type": "TableCell", "items": [block(text)]}


FACTS = {"type": "FactSet", "facts": [{"title": "Priority:", "value": "High"}, {"title": "Owner", "value": "Ada"}]}
ROWS = [{"type": "TableRow", "cells": [cell("Day"), cell("Hours")]}, {"type": "TableRow", "cells": [cell("Mon"), {}]}]
COLUMNS = [{"type": "Column", "items": [block("left")]}, {"type": "Column", "items": [block("right")]}]
CHOICES = [{"title": "Red", "value": "r"}, {"title": "Blue", "value": "b"}]
OPEN = {"type": "Action.OpenUrl", "title": "Open", "url": "https://it.example/1"}

CARDS = {
    "texts in order": (adaptive(block("Build failed"), block("in main")), "Build failed\nin main"),
    "facts": (adaptive(FACTS), "Priority: High\nOwner: Ada"),
    "a table": (adaptive({"type": "Table", "rows": ROWS}), "Day | Hours\nMon | "),
    "columns": (adaptive({"type": "ColumnSet", "columns": COLUMNS}), "left\nright"),
    "containers": (adaptive({"type": "Container", "items": [block("in")], "selectAction": OPEN}), "in\nOpen: "
                   "https://it.example/1"),
    "rich text": (adaptive({"type": "RichTextBlock", "inlines": ["a ", {"type": "TextRun", "text": "b"}]}), "a b"),
    "pictures": (adaptive({"type": "ImageSet", "images": [{"type": "Image", "url": "x", "altText": "A map"}]}),
                 "[A map]"),
    "a choice": (adaptive({"type": "Input.ChoiceSet", "label": "Colour", "choices": CHOICES}), "Colour: Red, Blue"),
    "a field": (adaptive({"type": "Input.Text", "placeholder": "Comment"}), "Comment"),
    "a link": (adaptive(actions=[OPEN]), "Open: https://it.example/1"),
    "a link elsewhere": (adaptive(actions=[OPEN | {"url": "javascript:alert(1)"}]), "[Open]"),
    "a button": (adaptive(actions=[{"type": "Action.Submit", "title": "Yes"}]), "[Yes]"),
    "a card in a card": (adaptive(actions=[{"type": "Action.ShowCard", "title": "More", "card": adaptive(block("x"))}]),
                         "[More]\nx"),
    "an unknown element": (adaptive({"type": "Hologram"}), "[card element: Hologram]"),
    "what it says instead": (adaptive({"type": "Hologram", "fallback": block("flat")}), "flat"),
    "nothing instead": (adaptive({"type": "Hologram", "fallback": "drop"}, block("x")), "x"),
    "only a fallback text": (adaptive(fallbackText="New version needed"), "New version needed"),
    "nothing": (adaptive(), ""),
}  # fmt: skip


@pytest.mark.parametrize(("card", "text"), CARDS.values(), ids=CARDS)
def test_an_adaptive_card_is_readable(card, text):
    """As an object and, as Graph has it, as JSON."""
    assert card_text(ADAPTIVE, card) == text == card_text(ADAPTIVE, json.dumps(card))


def test_a_hero_card_is_readable():
    buttons = [{"type": "openUrl", "title": "Go", "value": "https://x.example"}, {"type": "imBack", "title": "Say"}]
    card = {"title": "T", "subtitle": "S", "text": "words", "images": [{"url": "u", "alt": "A"}], "buttons": buttons}
    assert card_text(HERO, card) == "T\nS\nwords\n[A]\nGo: https://x.example\n[Say]"


def test_other_attachments_are_no_cards():
    assert card_text("text/html", {"body": [block("x")]}) == ""


def test_size_and_depth_are_bounded():
    deep = block("bottom")
    for _ in range(200):
        deep = {"type": "Container", "items": [deep]}
    assert card_text(ADAPTIVE, adaptive(block("top"), deep)) == "top\n[…]"
    many = card_text(ADAPTIVE, adaptive(*[block("x")] * 10_000))
    assert many.count("\n") == MAX_LINES and many.endswith("[…]")
    assert len(card_text(ADAPTIVE, adaptive(block("x" * 100_000)))) <= MAX_TEXT + 4


JUNK = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | st.sampled_from(["TextBlock", "Table", "FactSet"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "body", "items", "rows", "cells", "text", "facts", "fallback", "actions", "url"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(JUNK)
def test_any_content_is_read_without_an_error(content):
    for kind in (ADAPTIVE, HERO):
        assert isinstance(card_text(kind, content), str)
