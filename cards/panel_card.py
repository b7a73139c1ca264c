"""What an agent or a bot offers to choose from, as an Adaptive Card (1.5), before and after somebody chose.

Words stand in RichTextBlocks, which read no Markdown: they can hold no link. Buttons carry the card's id and a number;
what they say stays here. Teams shows six buttons in a row at most, so more choices become a drop-down.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bridge.panels import Button, Panel, Section
from bridge.ports import Card
from bridge.ratings import MAX_COMMENT
from cards import links
from cards.texts import say

VERB = "choose"
COMMENT = "comment"
"""Id of the field of a panel that rates."""
MAX_ACTIONS = 6
MAX_SIZE = 60_000
"""Bytes in UTF-16, as Teams counts; it advises to stay below 80 KB, with what it adds itself."""
MAX_LINE = 2_000

Element = dict[str, Any]


def render(
    panel: Panel,
    card_id: str,
    *,
    locale: str | None,
    author: str | None = None,
    late: str | None = None,
    chosen: int | None = None,
) -> Card | None:
    """Render a panel; None if Teams would not take it.

    `author` and `late` stand on top if nothing is said beside it; `chosen` is the number of the button pressed.
    """
    body = [*_head(author, late), *_sections(panel, card_id, locale, open_to_choice=chosen is None)]
    if chosen is not None:
        body.append(_text(_outcome(panel, chosen, locale), weight="Bolder"))
    body[0]["id"] = card_id  # also where nothing can be pressed, and so nothing else names it
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "fallbackText": panel.lines[:MAX_LINE],
        "body": body,
    }
    return Card(card_id, card) if len(json.dumps(card, ensure_ascii=False).encode("utf-16-le")) <= MAX_SIZE else None


def _outcome(panel: Panel, chosen: int, locale: str | None) -> str:
    """Say what was chosen; of a rating only that there is one: everybody in the thread sees it."""
    if panel.rates:
        return say("rating_thanks", locale)
    return "✓ " + say("chosen", locale, label=panel.choices[chosen].label)


def _head(author: str | None, late: str | None) -> Iterator[Element]:
    if author:
        yield _text(author, weight="Bolder")
    if late:
        yield _text(late, italic=True)


def _sections(panel: Panel, card_id: str, locale: str | None, *, open_to_choice: bool) -> Iterator[Element]:
    number = 0
    for section in panel.sections:
        choices = [button for button in section.buttons if button.reply is not None]
        items = [*_lines(section), *_links(section.buttons)]
        if open_to_choice:
            items += [*_comment(panel, locale), *_choices(section, choices, number, card_id, locale)]
        number += len(choices)
        if items:
            yield {"type": "Container", "separator": bool(section.lines), "items": items}


def _lines(section: Section) -> Iterator[Element]:
    for at, line in enumerate(section.lines):
        yield _text(line[:MAX_LINE], weight="Default" if at else "Bolder")


def _links(buttons: Sequence[Button]) -> Iterator[Element]:
    """Show links as buttons; where a label is another address, it is shown with the true one."""
    actions = []
    for button in buttons:
        address = links.allowed(button.url) if button.url is not None else None
        if address is not None:
            honest = links.is_honest(button.label, address)
            title = button.label if honest else f"{button.label} ({address})"
            actions.append({"type": "Action.OpenUrl", "title": title, "url": address})
        elif button.url is not None:
            yield _text(button.label)
    for start in range(0, len(actions), MAX_ACTIONS):
        yield {"type": "ActionSet", "actions": actions[start : start + MAX_ACTIONS]}


def _comment(panel: Panel, locale: str | None) -> Iterator[Element]:
    if panel.rates:
        label = say("rating_comment", locale)
        yield {"type": "Input.Text", "id": COMMENT, "isMultiline": True, "maxLength": MAX_COMMENT, "placeholder": label}


def _choices(
    section: Section, choices: Sequence[Button], first: int, card_id: str, locale: str | None
) -> Iterator[Element]:
    if section.dropdown or len(choices) > MAX_ACTIONS:
        pick = f"pick{first}"
        yield {
            "type": "Input.ChoiceSet",
            "id": pick,
            "style": "compact",
            "placeholder": say("card_pick", locale),
            "isRequired": True,
            "errorMessage": say("card_pick", locale),
            "choices": [{"title": one.label, "value": str(number)} for number, one in enumerate(choices, first)],
        }
        yield {"type": "ActionSet", "actions": [_press(say("card_send", locale), card_id, {"from": pick})]}
    elif choices:
        actions = [_press(one.label, card_id, {"choice": str(n)}) for n, one in enumerate(choices, first)]
        yield {"type": "ActionSet", "actions": actions}


def _press(title: str, card_id: str, data: dict[str, str]) -> Element:
    return {"type": "Action.Execute", "title": title, "verb": VERB, "data": {"card": card_id} | data}


def _text(text: str, **style: Any) -> Element:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text} | style]}
