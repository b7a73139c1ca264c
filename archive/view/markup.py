"""HTML written from values: every text is escaped unless it is markup already."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Final

import nh3


class Markup(str):
    """HTML that may stand as it is."""

    __slots__ = ()


Child = str | None
_VOID: Final = {"img", "input", "link", "meta", "br"}


def join(*children: Child) -> Markup:
    """Put children behind each other; what is no markup is escaped, None is left out."""
    return Markup("".join(c if isinstance(c, Markup) else escape(c) for c in children if c is not None))


def el(tag: str, *children: Child, **attributes: str | None) -> Markup:
    """Write an element; `class_` and `for_` stand for words that Python keeps, None leaves an attribute out."""
    shown = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{shown}>" if tag in _VOID else f"<{tag}{shown}>{join(*children)}</{tag}>")


_TAGS: Final = {
    *("a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5"),
    *("h6", "hr", "i", "img", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td"),
    *("tfoot", "th", "thead", "tr", "u", "ul"),
}


def sanitised(html: str, picture: Callable[[str], str | None]) -> Markup:
    """Give the harmless part of foreign HTML: no scripts, styles, forms or ids.

    `picture` gives the address of our copy of an image that the text shows, None where there is none. Links open
    elsewhere, and only to the web or a mail program.
    """

    def attribute(tag: str, name: str, value: str) -> str | None:
        return picture(value) if (tag, name) == ("img", "src") else value

    return Markup(
        nh3.clean(
            html,
            tags=_TAGS,
            attributes={
                "a": {"href"},
                "img": {"src", "alt"},
                "td": {"colspan", "rowspan"},
                "th": {"colspan", "rowspan"},
            },
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer nofollow",
            set_tag_attribute_values={"a": {"target": "_blank"}},
            attribute_filter=attribute,
            strip_comments=True,
        )
    )
