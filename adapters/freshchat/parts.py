"""The text of a Freshchat message: its parts, walked and written out.

A message has `message_parts` (content) and `reply_parts` (answer buttons); 2018 accounts have `msg_parts`. Each part
is an object with one key. Section names of templates vary, so they are walked without looking at them. A kind that we
do not know is named in the text, never an error.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

MAX_DEPTH = 8
MAX_PARTS = 200


class NotUnderstood(Exception):
    """A field that we know does not have its documented form; the text names the field only."""


class Unknown(str):
    """A line that stands for what cannot be shown."""


class FileLine(str):
    """A line that stands for a file; `part` is what the message tells of it, `kind` is `image`, `video` or `file`."""

    kind: str
    part: dict[str, Any]


def text_of(message: dict[str, Any]) -> str:
    """Write out all parts, one line or more each."""
    return "\n".join(all_lines(message)).strip()


def all_lines(message: dict[str, Any]) -> list[str]:
    """Write out all parts as lines; some are `Unknown` or `FileLine`. Raises NotUnderstood."""
    return list(islice(_lines(parts_of(message), 0), MAX_PARTS))


def is_words(message: dict[str, Any]) -> bool:
    """Tell whether there is nothing but words in a message, as in most: then nothing else is looked for."""
    return all(isinstance(part, dict) and list(part) == ["text"] for part in parts_of(message))


def shows_all(message: dict[str, Any]) -> bool:
    """Tell whether the text says everything. Raises NotUnderstood."""
    return not any(isinstance(line, Unknown) for line in all_lines(message))


def parts_of(message: dict[str, Any]) -> list[Any]:
    """Give the parts of a message, those to answer with last. Raises NotUnderstood."""
    parts = message.get("message_parts")
    if parts is None:
        parts = [_from_old(part) for part in list_of(message.get("msg_parts"), "message_parts")]
    return [*list_of(parts, "message_parts"), *list_of(message.get("reply_parts") or [], "reply_parts")]


def _from_old(part: Any) -> dict[str, Any]:
    """Turn `{"part_type": "text", "properties": {"text": …}}` into today's form."""
    if not isinstance(part, dict) or not isinstance(part.get("part_type"), str):
        raise NotUnderstood("msg_parts is not a list of parts")
    properties = part.get("properties")
    if part["part_type"] == "text" and isinstance(properties, dict):
        properties = {"content": properties.get("text")}
    return {part["part_type"]: properties}


def _lines(parts: list[Any], depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        yield Unknown("[unsupported content: nesting]")
        return
    for part in parts:
        for kind, value in known(part):
            yield from lines_of(kind, value, depth)


def known(part: Any) -> list[tuple[str, Any]]:
    """Give the kinds of a part that we know, with their values, else its first one. Raises NotUnderstood."""
    if not isinstance(part, dict):
        raise NotUnderstood("a part is not an object")
    kinds = [kind for kind in part if kind in _KINDS] or list(part)[:1]
    return [(kind, part[kind]) for kind in kinds]


def lines_of(kind: str, value: Any, depth: int) -> Iterator[str]:
    """Write out one part."""
    return (line for line in _part(kind, value, depth) if line)


def _part(kind: str, value: Any, depth: int) -> Iterator[str]:
    write = _KINDS.get(kind)
    if write is None:
        yield Unknown(f"[unsupported content: {_short(kind)}]")
    elif isinstance(value, dict):
        yield from write(value, depth)
    else:
        raise NotUnderstood(f"part {kind} is not an object")


def list_of(value: Any, name: str) -> list[Any]:
    """Give a list as it is. Raises NotUnderstood."""
    if not isinstance(value, list):
        raise NotUnderstood(f"{name} is not a list")
    return value


def str_of(part: dict[str, Any], name: str) -> str:
    """Read a text field; empty if it is not there. Raises NotUnderstood."""
    value = part.get(name)
    if value is not None and not isinstance(value, str):
        raise NotUnderstood(f"{name} of a part is not text")
    return value or ""


def _short(text: str) -> str:
    return " ".join(text.split())[:80]


# --- one function per kind ------------------------------------------------------------------------------------------

_Write = Callable[[dict[str, Any], int], Iterator[str]]


def _text(part: dict[str, Any], _depth: int) -> Iterator[str]:
    yield str_of(part, "content")


def _mail(part: dict[str, Any], _depth: int) -> Iterator[str]:
    yield _short(str_of(part, "subject"))
    yield html.unescape(re.sub(r"<[^>]*>", " ", str_of(part, "content"))).strip()


def _file(kind: str) -> _Write:
    def write(part: dict[str, Any], _depth: int) -> Iterator[str]:
        name = _short(str_of(part, "name")) if kind == "file" else ""
        line = FileLine(f"[{kind}: {name}]" if name else f"[{kind}]")
        line.kind, line.part = kind, part
        yield line

    return write


def _button(part: dict[str, Any], _depth: int) -> Iterator[str]:
    label = _short(str_of(part, "label")) or _short(str_of(part, "custom_reply_text"))
    url = str_of(part, "url")
    yield f"[{label or 'button'}]" + (f" {url}" if url else "")


def _collection(part: dict[str, Any], depth: int) -> Iterator[str]:
    yield from _lines(list_of(part.get("sub_parts") or [], "sub_parts"), depth + 1)


def _template(part: dict[str, Any], depth: int) -> Iterator[str]:
    for section in sections_of(part):
        yield from map(without_file, _lines(section, depth + 1))


def without_file(line: str) -> str:
    """Give the line alone: pictures of a template, such as a carousel's, are part of a card and not sent."""
    return str(line) if isinstance(line, FileLine) else line


def sections_of(template: dict[str, Any]) -> Iterator[list[Any]]:
    """Give the parts of each section of a template. Raises NotUnderstood."""
    for section in list_of(template.get("sections") or [], "sections"):
        if not isinstance(section, dict):
            raise NotUnderstood("a section is not an object")
        yield list_of(section.get("parts") or [], "parts")


_KINDS: dict[str, _Write] = {
    "text": _text,
    "email": _mail,
    "help_text": _text,
    "image": _file("image"),
    "video": _file("video"),  # audio arrives as video too
    "file": _file("file"),
    "url_button": _button,
    "quick_reply_button": _button,
    "callback": _button,
    "reference": _button,  # a link into Freshchat's own FAQ, which only its widget can open
    "collection": _collection,
    "template_content": _template,
}
