"""What an agent wrote, as replies for Teams: Markdown or HTML becomes the small HTML subset that both transports show.

Graph and the connector (`textFormat` xml) show `p br strong em s a ul ol li blockquote pre code`; nothing else is ever
written, and everything in between is escaped. Whether Freshchat sends an agent's rich text as HTML is documented
nowhere, so both are read. What becomes what: docs/formatting.md.
"""

from __future__ import annotations

import re

import nh3

from bridge.ports import Reply
from bridge.text import TEAMS, split
from cards import markdown
from cards.pieces import pack
from cards.teams_html import blocks

MAX_FORMATTED, MAX_MARKS = 20_000, 3_000
"""Characters of a text that is formatted, and marks in it: beyond, it is shown as it is. How long broken markup takes
grows with the square, that of brackets soonest."""
_MARKS = "<|*_`[[["

_MAYBE = re.compile(r"[*_~`\[<|@:>#1-]")
_SPECIAL = re.compile(r"[*_~`\[<|]|@\S+@|://|^[ \t]*(?:[-#>]|1[.)])", re.MULTILINE)
_DEEP = re.compile(r"^(?:[ \t]*(?:>|[-*][ \t]|1[.)][ \t])){12}", re.MULTILINE)
"""Quotes and lists in each other beyond what Markdown's reader goes into: it would leave the words out."""
_TAGS = "p|div|ul|ol|li|blockquote|pre|h[1-6]|table|b|strong|i|em|u|s|del|strike|a|span|code"
_OPENED = re.compile(rf"<({_TAGS})(?:\s[^<>]*)?>", re.IGNORECASE)
_CLOSED = re.compile(rf"</({_TAGS})>", re.IGNORECASE)
_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
_CODE = re.compile(r"`[^`]*`")
_IN_LINES = re.compile(r"<(?:p|div|ul|ol|blockquote|pre|h[1-6]|table|br)\b", re.IGNORECASE)
_KEPT = {
    *("p", "div", "span", "br", "strong", "b", "em", "i", "s", "del", "strike", "a", "img", "ul", "ol", "li"),
    *("blockquote", "pre", "code", "h1", "h2", "h3", "h4", "h5", "h6", "hr"),
    *("table", "thead", "tbody", "tfoot", "tr", "td", "th"),
}
_ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto", "tel"}


def replies(text: str) -> list[Reply]:
    """Write a text as one reply, or several where Teams takes no more; the same for the same text. Never raises."""
    text = text.replace("\r\n", "\n")
    if not _MAYBE.search(text) or not _SPECIAL.search(text) or not _can_format(text):
        return [Reply(text=piece) for piece in split(text, TEAMS)]
    pieces = pack(blocks(_to_html(text)), TEAMS.max_size)
    return [Reply(text=piece, is_html=True) for piece in pieces] or [Reply(text=text)]


def _can_format(text: str) -> bool:
    if len(text) > MAX_FORMATTED or sum(map(text.count, _MARKS)) > MAX_MARKS:
        return False
    return not _DEEP.search(text) and markdown.can_read(text)


def _to_html(text: str) -> str:
    if not _is_html(text):
        return markdown.to_html(text)
    if not _IN_LINES.search(text):
        text = text.replace("\n", "<br>")
    return nh3.clean(text, tags=_KEPT, attributes=_ATTRIBUTES, url_schemes=_SCHEMES, link_rel=None)


def _is_html(text: str) -> bool:
    """Tell whether some tag is both opened and closed, or breaks a line; tags in backticks are Markdown's code."""
    text = _CODE.sub("", text)
    opened, closed = (set(map(str.lower, tag.findall(text))) for tag in (_OPENED, _CLOSED))
    return bool(opened & closed or _BREAK.search(text))
