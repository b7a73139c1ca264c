"""Message text in its three forms: markdown from bots, HTML as Teams stores it, plain text as people read it."""

import html
import re
from html.parser import HTMLParser

_VOID = frozenset({"br", "hr", "img", "attachment"})
_DROPPED = frozenset({"script", "style", "iframe", "object", "embed", "form", "input", "svg", "math", "link", "meta"})
_BLOCKS = frozenset({"p", "div", "li", "tr", "blockquote", "pre", "h1", "h2", "h3"})
_SAFE_LINK = re.compile(r"^(https?:|mailto:|data:image/|\.\./|/)", re.IGNORECASE)


class _Cleaner(HTMLParser):
    """Keeps markup, drops what Graph drops: scripts, frames, event attributes, odd links."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED:
            self._hidden += tag not in ("input", "link", "meta", "embed")
        elif not self._hidden:
            self.parts.append(f"<{tag}{''.join(map(_attribute, attrs))}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _DROPPED and not self._hidden:
            self.parts.append(f"<{tag}{''.join(map(_attribute, attrs))}{'' if tag in _VOID else '/'}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in _DROPPED:
            self._hidden = max(0, self._hidden - 1)
        elif not self._hidden and tag != "br":
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")


def _attribute(pair: tuple[str, str | None]) -> str:
    name, value = pair
    if name.startswith("on") or (name in ("href", "src") and not _SAFE_LINK.match(value or "")):
        return ""
    return f' {name}="{html.escape(value or "")}"'


class _Reader(HTMLParser):
    """Collects what a person would read."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("br", "hr"):
            self.parts.append("\n")
        elif tag in ("img", "emoji"):
            self.parts.append(dict(attrs).get("alt") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def clean(markup: str) -> str:
    """The markup as Graph would store it."""
    if "<" not in markup:
        return markup
    cleaner = _Cleaner()
    cleaner.feed(markup)
    cleaner.close()
    return "".join(cleaner.parts)


def plain(markup: str) -> str:
    """The markup as plain text."""
    if "<" not in markup:
        return html.unescape(markup)
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return re.sub(r"\n{3,}", "\n\n", "".join(reader.parts)).strip()


def from_bot(text: str, text_format: str | None) -> str:
    """A bot's text as HTML: xml is HTML already, plain is escaped, markdown gets its common marks."""
    if text_format == "xml":
        return clean(text)
    escaped = html.escape(text, quote=False).replace("\n", "<br>")
    escaped = re.sub(r"&lt;at&gt;(.*?)&lt;/at&gt;", r"<at>\1</at>", escaped)
    return escaped if text_format == "plain" else _markdown(escaped)


def _markdown(text: str) -> str:
    if not any(mark in text for mark in "*_~`["):
        return text
    text = re.sub(r"\*\*(\S.*?)\*\*", r"<strong>\1</strong>", text)
    text = re.sub(r"(?<!\w)_(\S.*?)_(?!\w)", r"<em>\1</em>", text)
    text = re.sub(r"~~(\S.*?)~~", r"<s>\1</s>", text)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\[([^\]]+)\]\((https?://[^\s)\"]+)\)", r'<a href="\2">\1</a>', text)
