"""What a Freshchat message or a Freshdesk body says, as plain text.

The parts of a message nest without a bound that is documented; names of sections vary, so they are not looked at. A
part of an unknown kind is named and not left out.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import nh3

MAX_DEPTH = 20

Kind = Literal["text", "file", "button", "unknown"]
_FILES = {"image", "video", "file", "audio"}
_BUTTONS = {"url_button", "quick_reply_button", "callback", "reference"}
_CONTENT = {"text", "email", "help_text"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a message: words, the name of a file (may be empty), the label of a button, or an unknown kind."""

    kind: Kind
    text: str


def pieces(message: Mapping[str, Any]) -> Iterator[Piece]:
    """Read the parts of a message in order; accounts of 2018 call them `msg_parts`."""
    for name in ("message_parts", "msg_parts", "reply_parts"):
        yield from _walk(message.get(name), 0)


def _walk(parts: object, depth: int) -> Iterator[Piece]:
    if not isinstance(parts, list) or depth > MAX_DEPTH:
        return
    for part in parts:
        if isinstance(part, dict):
            old = part.get("part_type")
            yield from _part(str(old), part.get("properties"), depth) if old else _parts(part, depth)


def _parts(part: Mapping[str, Any], depth: int) -> Iterator[Piece]:
    for kind, value in part.items():
        yield from _part(kind, value, depth)


def _part(kind: str, value: object, depth: int) -> Iterator[Piece]:
    body = value if isinstance(value, dict) else {}
    if kind in _CONTENT:
        words = str(body.get("content") or body.get("text") or "")
        yield Piece("text", html_text(words) if kind == "email" else words)
    elif kind in _FILES:
        yield Piece("file", str(body.get("name") or kind))
    elif kind in _BUTTONS:
        yield Piece("button", str(body.get("label") or body.get("reference_id") or ""))
    elif kind == "collection":
        yield from _walk(body.get("sub_parts"), depth + 1)
    elif kind == "template_content":
        sections = body.get("sections")
        for section in sections if isinstance(sections, list) else ():
            yield from _walk(section.get("parts") if isinstance(section, dict) else None, depth + 1)
    else:
        yield Piece("unknown", kind)


def message_text(message: Mapping[str, Any]) -> str:
    """Give the words of a message, with the names of its files in brackets."""
    shown = {"text": "{}", "file": "[{}]", "button": "({})", "unknown": "[{}]"}
    return "\n".join(shown[piece.kind].format(piece.text) for piece in pieces(message))


def body_text(row: Mapping[str, Any], name: str) -> str:
    """Give the words of a ticket's `description` or a reply's `body`; Freshdesk's own `…_text`, if there is one."""
    plain = row.get(f"{name}_text")
    return plain if isinstance(plain, str) and plain else html_text(str(row.get(name) or ""))


def html_text(markup: str) -> str:
    """Give the words of HTML; nothing of scripts and styles."""
    spaced = markup.replace("<", " <")
    return html.unescape(nh3.clean(spaced, tags=set(), link_rel=None)).replace("\u00a0", " ").strip()
