"""Cards in what a person sends, as text for the agent: Adaptive Cards, hero and thumbnail cards of other apps.

Never raises: an element that is not known is named, and what it says instead (`fallback`) is read. Depth and size are
bounded, since a card is whatever its sender made it. Elements: Adaptive Cards 1.6, "Schema Explorer".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from bridge.text import parse_json
from cards import links
from cards.texts import say

MAX_DEPTH, MAX_LINES, MAX_TEXT = 16, 300, 8_000
"""Elements within elements, lines, and characters that are read of one card."""

ADAPTIVE = "application/vnd.microsoft.card.adaptive"
SIMPLE = frozenset(f"application/vnd.microsoft.card.{name}" for name in ("hero", "thumbnail"))

Element = Mapping[str, Any]
_Lines = Iterator[str]


def card_text(content_type: str, content: Any) -> str:
    """Write a card as text; empty if the attachment is no card that we read, or says nothing."""
    if content_type not in SIMPLE and content_type != ADAPTIVE:
        return ""
    card = _parsed(content)
    lines = _simple(card) if content_type in SIMPLE else _adaptive(card, 0)
    text = "\n".join(islice((line for line in lines if line), MAX_LINES + 1))
    cut = text.count("\n") >= MAX_LINES or len(text) > MAX_TEXT
    text = "\n".join(text[:MAX_TEXT].split("\n")[:MAX_LINES])
    if cut:
        return f"{text}\n[…]"
    return text or _text(card, "fallbackText") or _text(card, "speak")


def _parsed(content: Any) -> Element:
    """Read a card's content, which is an object, or JSON as a text."""
    if isinstance(content, str):
        try:
            content = parse_json(content.encode())
        except (ValueError, RecursionError):
            content = None
    return content if isinstance(content, dict) else {}


def _adaptive(card: Element, depth: int) -> _Lines:
    yield from _within(card, depth, "body", "actions")
    yield from _tapped(card, depth)


def _simple(card: Element) -> _Lines:
    yield from (_text(card, name) for name in ("title", "subtitle", "text"))
    yield from (_picture(image) for image in _items(card, "images"))
    for button in [*_items(card, "buttons"), *_items(card, "tap")]:
        address = links.allowed(_text(button, "value")) if _text(button, "type") == "openUrl" else None
        yield _link(_text(button, "title"), address)


def _within(element: Element, depth: int, *names: str) -> _Lines:
    """Read lists of elements, or single ones, within an element."""
    for name in names:
        for item in _items(element, name):
            yield from _element(item, depth + 1)


def _element(element: Element, depth: int) -> _Lines:
    if depth > MAX_DEPTH:
        yield "[…]"
        return
    kind = _text(element, "type")
    read = _ELEMENTS.get(kind)
    if read is not None:
        yield from read(element, depth)
        yield from _tapped(element, depth)
    elif isinstance(element.get("fallback"), dict):
        yield from _element(element["fallback"], depth + 1)
    elif element.get("fallback") != "drop":
        yield say("card_element", None, name=_short(kind) or "?")


def _tapped(element: Element, depth: int) -> _Lines:
    """Read where a tap on an element leads."""
    yield from _within(element, depth, "selectAction")


def _text_block(element: Element, _depth: int) -> _Lines:
    yield _text(element, "text")


def _rich_text(element: Element, _depth: int) -> _Lines:
    inlines = element.get("inlines")
    runs = inlines if isinstance(inlines, list) else []
    yield "".join(run if isinstance(run, str) else _text(run, "text") for run in runs).strip()


def _facts(element: Element, _depth: int) -> _Lines:
    for fact in _items(element, "facts"):
        yield ": ".join(filter(None, (_text(fact, "title").rstrip(": "), _text(fact, "value"))))


def _table(element: Element, depth: int) -> _Lines:
    for row in _items(element, "rows"):
        cells = (" ".join(filter(None, _within(cell, depth + 2, "items"))) for cell in _items(row, "cells"))
        yield " | ".join(cells)


def _image(element: Element, _depth: int) -> _Lines:
    yield _picture(element)


def _picture(element: Element) -> str:
    name = _short(_text(element, "altText") or _text(element, "alt"))
    return f"[{name}]" if name else ""


def _containing(*names: str) -> Callable[[Element, int], _Lines]:
    return lambda element, depth: _within(element, depth, *names)


def _input(element: Element, _depth: int) -> _Lines:
    label = next(filter(None, (_text(element, name) for name in ("label", "title", "placeholder"))), "")
    choices = ", ".join(filter(None, (_text(choice, "title") for choice in _items(element, "choices"))))
    yield ": ".join(filter(None, (label, choices)))


def _action(element: Element, depth: int) -> _Lines:
    yield _link(_text(element, "title"), links.allowed(_text(element, "url")))
    yield from _within(element, depth, "card")


def _link(title: str, address: str | None) -> str:
    """Write a link with its address, any other button with its label."""
    title = _short(title)
    if address:
        return f"{title}: {address}" if title and title != address else address
    return f"[{title}]" if title else ""


def _items(element: Element, name: str) -> list[Element]:
    """Read the objects of a list, or a single one."""
    value = element.get(name)
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _text(element: Any, name: str) -> str:
    value = element.get(name) if isinstance(element, dict) else None
    return value.strip() if isinstance(value, str) else ""


def _short(text: str) -> str:
    return " ".join(text.split())[:200]


_INPUTS = ("Text", "Number", "Date", "Time", "Toggle", "ChoiceSet")
_ACTIONS = ("OpenUrl", "Submit", "Execute", "ShowCard", "ToggleVisibility")
_ELEMENTS: Mapping[str, Callable[[Element, int], _Lines]] = {
    "AdaptiveCard": _adaptive,
    "TextBlock": _text_block,
    "RichTextBlock": _rich_text,
    "FactSet": _facts,
    "Table": _table,
    "Image": _image,
    "Media": _image,
    "ImageSet": _containing("images"),
    "Container": _containing("items"),
    "ColumnSet": _containing("columns"),
    "Column": _containing("items"),
    "ActionSet": _containing("actions"),
    **{f"Input.{name}": _input for name in _INPUTS},
    **{f"Action.{name}": _action for name in _ACTIONS},
}
