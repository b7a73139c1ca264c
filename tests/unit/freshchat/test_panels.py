"""What a Freshchat message offers to press, out of its recorded shape."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.freshchat.panels import MAX_BUTTONS, panel_of
from adapters.freshchat.translate import to_event
from bridge.panels import Button, Panel, Section

FIXTURES = Path(__file__).parents[2] / "fixtures" / "freshchat"


def load(name):
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def quick(label, **more):
    return {"quick_reply_button": {"label": label} | more}


def of(*parts, replies=()):
    return panel_of({"message_parts": list(parts), "reply_parts": list(replies)})


def test_buttons_stand_apart_from_the_words():
    panel = to_event(load("bot_buttons"), "t1").panel
    assert panel.words == "Solved?\nor\n[FAQ]"
    guide = Button("Guide", url="https://help.example.com/1")
    pressed = tuple(Button(label, reply=label) for label in ("Call me", "Yes", "No"))
    assert panel.sections == (Section(buttons=(guide, *pressed)),)
    assert panel.lines == "[Guide] https://help.example.com/1\n[Call me]\n[Yes]\n[No]"
    assert tuple(panel.choices) == pressed


def test_each_card_of_a_carousel_is_a_section_of_its_own():
    panel = to_event(load("bot_carousel"), "t1").panel
    go = (Button("Go", reply="Go"),)
    assert panel.sections == (Section(("Laptop", "About Laptop"), go), Section(("Phone", "About Phone"), go))
    assert panel.words == "Pick one" and "files.example.com" not in panel.to_json()


def test_a_drop_down_says_the_replies_own_text_in_the_given_order():
    options = [quick("Two", display_order=2), quick("One", custom_reply_text="The first", display_order=1)]
    section = {"name": "options", "parts": options}
    panel = of(replies=[{"template_content": {"type": "quick_reply_dropdown", "sections": [section]}}])
    assert panel.sections == (
        Section(buttons=(Button("One", reply="The first"), Button("Two", reply="Two")), dropdown=True),
    )


@pytest.mark.parametrize("name", ["agent_text", "agent_files", "bot_form", "old_agent_text"])
def test_what_offers_nothing_is_no_panel(name):
    assert to_event(load(name), "t1").panel is None


@pytest.mark.parametrize(
    "parts",
    [
        [quick("x" * 81)],
        [quick("")],
        [quick("a")] * (MAX_BUTTONS + 1),
        [{"url_button": {"label": "far", "url": "https://x.example/" + "x" * 2_000}}],
    ],
)
def test_what_no_card_should_hold_stays_text(parts):
    assert of(*parts) is None


def test_a_panel_survives_being_written():
    panel = to_event(load("bot_carousel"), "t1").panel
    assert Panel.from_json(panel.to_json()) == panel


KINDS = ["quick_reply_button", "url_button", "callback", "collection", "template_content", "text", "image", "odd"]
NAMES = ["label", "url", "type", "sections", "parts", "sub_parts", "content", "display_order", *KINDS]
JUNK = st.recursive(
    st.none() | st.integers() | st.sampled_from(["carousel", "quick_reply_dropdown", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=25,
)


@given(st.lists(st.dictionaries(st.sampled_from(KINDS), JUNK, min_size=1, max_size=2), max_size=3))
def test_any_parts_give_a_panel_or_none(parts):
    panel = of(*parts)
    assert panel is None or panel.sections
