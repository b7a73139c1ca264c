"""The card of a panel keeps the published schema, its links are safe, and an answered one offers nothing."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft6Validator
from jsonschema.exceptions import best_match

from bridge.ids import Scope
from bridge.panels import Button, Panel, Section
from bridge.ratings import MAX_COMMENT, rating_panel
from bridge.welcomes import welcome_panel
from cards.panel_card import COMMENT, MAX_ACTIONS, render
from cards.texts import say

SCHEMA = Path(__file__).parents[2] / "fixtures" / "adaptive_card" / "adaptive-card-1.5.json"
ID = "0" * 31 + "c"
YES, NO = Button("Yes", reply="Yes, please"), Button("No", reply="No")
GUIDE = Button("Guide", url="https://help.example/1")
MANY = tuple(Button(f"b{n}", reply=f"b{n}") for n in range(MAX_ACTIONS + 1))


@cache
def validator():
    return Draft6Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def panel(*sections):
    return Panel("words", "[Yes]", sections)


def buttons(*them, **more):
    return panel(Section(buttons=them, **more))


def card_of(one, **more):
    card = render(one, ID, **({"locale": None} | more))
    error = best_match(validator().iter_errors(card.content))
    assert error is None, error
    return card.content


def found(element, kind):
    """Give all elements of a type."""
    if isinstance(element, list):
        return [one for item in element for one in found(item, kind)]
    if not isinstance(element, dict):
        return []
    inner = [one for value in element.values() for one in found(value, kind)]
    return [element, *inner] if element.get("type") == kind else inner


PANELS = {
    "buttons": buttons(YES, NO),
    "links": buttons(GUIDE),
    "many buttons": buttons(*MANY),
    "a drop-down": buttons(YES, NO, dropdown=True),
    "a carousel": panel(Section(("Laptop", "About it"), (YES, GUIDE)), Section(("Phone",), (NO,))),
    "a rating": rating_panel(say, "ko"),
    **{f"a welcome, {scope}": welcome_panel(say, "ko", {"scope": scope}) for scope in get_args(Scope)},
}


@pytest.mark.parametrize("one", PANELS.values(), ids=PANELS)
@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_every_card_keeps_the_schema_and_names_its_id(one, locale):
    assert ID in json.dumps(card_of(one, locale=locale, author="Grace", late="Written at 9"))
    for number in range(len(one.choices)):
        answered = card_of(one, locale=locale, chosen=number)
        assert not any(found(answered, kind) for kind in ("Action.Execute", "Input.ChoiceSet", "Input.Text"))
        outcome = say("rating_thanks", locale) if one.rates else one.choices[number].label
        assert outcome in answered["body"][-1]["inlines"][0]["text"]


def test_the_schema_refuses_what_is_wrong():
    """So that the test above can fail."""
    card = card_of(PANELS["buttons"])
    card["body"].append({"type": "TextBlok", "text": "x"})
    assert not validator().is_valid(card)


def test_a_card_carries_ids_and_numbers_only():
    """What a button says is not in it, so nobody can change it on the way."""
    actions = found(card_of(PANELS["buttons"]), "Action.Execute")
    assert [a["data"] for a in actions] == [{"card": ID, "choice": "0"}, {"card": ID, "choice": "1"}]
    assert "please" not in json.dumps(actions)


def test_numbers_count_over_all_sections():
    actions = found(card_of(PANELS["a carousel"]), "Action.Execute")
    assert [(a["title"], a["data"]["choice"]) for a in actions] == [("Yes", "0"), ("No", "1")]


@pytest.mark.parametrize("one", [PANELS["many buttons"], PANELS["a drop-down"]])
def test_a_drop_down_sends_the_number_of_what_is_picked(one):
    card = card_of(one)
    (pick,), (send,) = found(card, "Input.ChoiceSet"), found(card, "Action.Execute")
    assert [c["value"] for c in pick["choices"]] == [str(n) for n in range(len(one.choices))]
    assert send["data"] == {"card": ID, "from": pick["id"]}


def test_a_rating_is_one_to_five_stars_and_a_comment():
    card = card_of(PANELS["a rating"], locale="ko-KR")
    assert [a["title"] for a in found(card, "Action.Execute")] == ["★" * number for number in range(1, 6)]
    (field,) = found(card, "Input.Text")
    assert (field["id"], field["maxLength"], field["placeholder"]) == (COMMENT, MAX_COMMENT, "의견(선택 사항)")


def test_an_answered_rating_does_not_show_its_stars():
    """Everybody in the thread sees the card."""
    assert "★" not in json.dumps(card_of(PANELS["a rating"], chosen=0), ensure_ascii=False)


LINKS = {
    "javascript:alert(1)": None,
    "http://user@evil.example": None,
    "https://help.example/1": "Guide",
    "mailto:a@b.example": "Guide",
}


@pytest.mark.parametrize(("url", "title"), LINKS.items())
def test_links_go_to_allowed_schemes_only(url, title):
    card = card_of(buttons(Button("Guide", url=url), YES))
    assert [a["title"] for a in found(card, "Action.OpenUrl")] == ([title] if title else [])
    assert "Guide" in json.dumps(card["body"])


def test_a_label_cannot_name_another_address():
    card = card_of(buttons(Button("bank.example", url="https://evil.example/")))
    assert found(card, "Action.OpenUrl")[0]["title"] == "bank.example (https://evil.example/)"


def test_words_are_not_read_as_markdown():
    """No text of an agent stands in a TextBlock, which would make links of it."""
    card = card_of(panel(Section(("[x](javascript:alert(1))",), (YES,))))
    assert not found(card, "TextBlock") and found(card, "TextRun")[0]["text"] == "[x](javascript:alert(1))"


def test_a_card_that_teams_would_not_take_is_none():
    lines = tuple("가" * 2_000 for _ in range(20))
    assert render(panel(Section(lines, (YES,))), ID, locale=None) is None
