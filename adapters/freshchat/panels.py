"""The buttons, drop-downs and carousels of a Freshchat message as a `Panel`; what else it says stays text.

Parts: `adapters/freshchat/parts.py`. Pictures of a carousel are left out of the card: Freshchat's links to them expire,
and a foreign host must not learn who reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters.freshchat import parts
from bridge.panels import Button, Panel, Section

MAX_BUTTONS, MAX_SECTIONS = 100, 20
MAX_LABEL, MAX_REPLY, MAX_URL = 80, 1_000, 2_000
"""Characters; Freshchat's own buttons take far less. What has more stays text."""

_BUTTONS = frozenset({"url_button", "quick_reply_button", "callback"})
_OBJECTS = _BUTTONS | {"collection", "template_content"}
_PICTURES = frozenset({"image", "video", "file"})


def panel_of(message: dict[str, Any]) -> Panel | None:
    """Read what a message offers; None if nothing, or what no card should hold: its text has it all. Never raises."""
    walk = _Walk()
    try:
        walk.read(parts.parts_of(message), 0)
    except parts.NotUnderstood:
        return None
    sections = (*walk.sections, *([Section(buttons=_ordered(walk.buttons))] if walk.buttons else []))
    offered = sum(len(section.buttons) for section in sections)
    if not 0 < offered <= MAX_BUTTONS or len(sections) > MAX_SECTIONS or walk.odd:
        return None
    return Panel("\n".join(walk.words).strip(), "\n".join(walk.lines).strip(), sections)


def words_of(message: dict[str, Any]) -> list[str]:
    """Give the lines of a panel's `words`. Raises NotUnderstood."""
    walk = _Walk()
    walk.read(parts.parts_of(message), 0)
    return walk.words


class _Walk:
    """Goes through parts and tells words from what can be pressed."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.lines: list[str] = []
        self.sections: list[Section] = []
        self.buttons: list[tuple[int, Button]] = []
        self.odd = False

    def read(self, found: list[Any], depth: int) -> None:
        """Read parts, at most `parts.MAX_DEPTH` deep."""
        if depth > parts.MAX_DEPTH:
            self.odd = True
            return
        for part in found:
            for kind, value in parts.known(part):
                self._part(kind, value, depth)

    def _part(self, kind: str, value: Any, depth: int) -> None:
        if kind in _OBJECTS and not isinstance(value, dict):
            raise parts.NotUnderstood(f"part {kind} is not an object")
        if kind in _BUTTONS:
            self._button(kind, value, depth)
        elif kind == "collection":
            self.read(parts.list_of(value.get("sub_parts") or [], "sub_parts"), depth + 1)
        elif kind == "template_content" and _type(value) != "carousel":
            self._template(value, depth)
        elif kind == "template_content":
            self._carousel(value, depth)
        else:
            self.words += parts.lines_of(kind, value, depth)

    def _button(self, kind: str, value: Any, depth: int) -> None:
        self.lines += parts.lines_of(kind, value, depth)
        button = _button(kind, value)
        if button is None:
            self.odd = True
        else:
            order = value.get("display_order")
            self.buttons.append((order if isinstance(order, int) else 0, button))

    def _template(self, value: Any, depth: int) -> None:
        """Read a drop-down, or any other template: what it holds, as if it stood alone."""
        inner = _Walk()
        for section in parts.sections_of(value):
            inner.read(section, depth + 1)
        self.words += map(parts.without_file, inner.words)
        self.lines += inner.lines
        self.odd |= inner.odd
        self.sections += inner.sections
        if _type(value) == "quick_reply_dropdown":
            self.sections.append(Section(buttons=_ordered(inner.buttons), dropdown=True))
        else:
            self.buttons += inner.buttons

    def _carousel(self, value: Any, depth: int) -> None:
        """Read each section of a carousel as a card of its own."""
        self.lines += parts.lines_of("template_content", value, depth)
        for section in parts.sections_of(value):
            inner = _Walk()
            inner.read(_without_pictures(section), depth + 1)
            self.odd |= inner.odd or bool(inner.sections)
            self.sections.append(Section(tuple(inner.words), _ordered(inner.buttons)))


def _without_pictures(section: list[Any]) -> list[Any]:
    """Drop pictures, also from the card template within a section."""
    return list(_kept(section, 0))


def _kept(found: list[Any], depth: int) -> Iterator[Any]:
    for part in found:
        card = part.get("template_content") if isinstance(part, dict) else None
        if isinstance(card, dict) and depth < parts.MAX_DEPTH:
            for section in parts.sections_of(card):
                yield from _kept(section, depth + 1)
        elif not isinstance(part, dict) or not _PICTURES & part.keys():
            yield part


def _button(kind: str, value: Any) -> Button | None:
    """Read a button; None if it cannot be shown. It says its own text, else its label; payloads are for machines."""
    said = parts.str_of(value, "custom_reply_text").strip() if kind == "quick_reply_button" else ""
    label = " ".join(parts.str_of(value, "label").split()) or " ".join(said.split())
    url = parts.str_of(value, "url").strip() if kind == "url_button" else None
    if not label or len(label) > MAX_LABEL or len(said) > MAX_REPLY or (url is not None and len(url) > MAX_URL):
        return None
    return Button(label, url=url) if url is not None else Button(label, reply=said or label)


def _ordered(buttons: list[tuple[int, Button]]) -> tuple[Button, ...]:
    return tuple(button for _, button in sorted(buttons, key=lambda one: one[0]))


def _type(value: Any) -> str:
    return parts.str_of(value, "type")
