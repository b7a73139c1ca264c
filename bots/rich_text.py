"""The HTML copy of a Teams message as plain text with light marks, for agents who read plain text.

The copy is the Teams client's own markup; its `itemtype`s were seen on the wire and are documented nowhere. What a
person typed stays as typed: nothing is escaped in plain text, and the tree holds every character unescaped once.
What becomes what: docs/formatting.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_MARKUP, MAX_TAGS = 100_000, 5_000
"""Characters and tags of a copy that is read; Teams takes about 28 KB. How long HTML's error handling takes for broken
markup grows with the square, so beyond this the activity's `text` has to do."""
MAX_DEPTH = 60
"""Elements within elements that are looked into; what is deeper gives its text only."""
MAX_MARGIN = 16
"""Characters in front of a line for quotes and lists: hostile nesting must not multiply a text."""
PREVIEW = 200
"""Characters of a quoted message that are repeated."""

_RICH = re.compile(r"<(?!/?(?:div|p|br|span|attachment)\b)[a-z/!]", re.IGNORECASE)
_HIDDEN = frozenset({"attachment", "script", "style", "template", "title", "head", "noscript", "iframe", "object"})
_ROWS = frozenset({"thead", "tbody", "tfoot"})
_LINE_SPACE = re.compile(r"[ \t\r\n\f]+")
_PLAIN_LINK = re.compile(r"^(?:https?://|mailto:|tel:)", re.IGNORECASE)
_LINK = re.compile(r"^(?:https?|mailto|tel|ftp|sip|msteams):", re.IGNORECASE)


class Named(NamedTuple):
    """A mention as the activity's entities list it: the name as shown, and whether it is our bot."""

    label: str
    is_bot: bool


def is_rich(markup: str) -> bool:
    """Tell whether the copy says more than the activity's `text`: any tag but paragraphs, lines and mentions."""
    return _RICH.search(markup) is not None and is_readable(markup)


def is_readable(markup: str) -> bool:
    """Tell whether a copy can be parsed in a bounded time."""
    return len(markup) <= MAX_MARKUP and markup.count("<") <= MAX_TAGS


def has_quote(markup: str) -> bool:
    """Tell whether the copy shows the message it replies to."""
    return "http://schema.skype.com/Reply" in markup


def plain_text(markup: str, named: Sequence[Named] = ()) -> str:
    """Write the copy as plain text; `named` are the mentions in the order of the entities, the bot's own are left out.

    Never raises. Made for copies that `is_rich` lets through: only those are read in a bounded time.
    """
    body = LexborHTMLParser(markup).body
    lines = _Writer(named).lines(body, 0) if body else []
    return "\n".join(line.replace("\u00a0", " ").rstrip(" ") for line in lines)


def quote(name: str, preview: str) -> str:
    """Write a quoted message as one line."""
    said = " ".join(preview.split())
    short = said if len(said) <= PREVIEW else said[: PREVIEW - 1].rstrip() + "…"
    return f"> {name}: {short}" if name else f"> {short}"


class _Writer:
    """Writes one copy: `lines` for a block and what is in it, `inline` for a run of text."""

    def __init__(self, named: Sequence[Named]) -> None:
        self._named = named
        self._unused = set(range(len(named)))

    # --- blocks

    def lines(self, node: LexborNode, depth: int) -> list[str]:
        """Give the lines of a node's content: every block within begins and ends a line."""
        if depth > MAX_DEPTH:
            return _run_lines(_LINE_SPACE.sub(" ", node.text_lexbor()))
        found: list[str] = []
        run: list[str] = []
        for child in _children(node):
            if child.tag in _BLOCKS:
                found += [*_run_lines("".join(run)), *_BLOCKS[child.tag](self, child, depth + 1)]
                run = []
            else:
                run.append(self.inline(child, depth + 1))
        return found + _run_lines("".join(run))

    def heading(self, node: LexborNode, depth: int) -> list[str]:
        return [_marked("*", line) if line.strip() else line for line in self.lines(node, depth)]

    def block_quote(self, node: LexborNode, depth: int) -> list[str]:
        if _item_type(node) == "Reply":
            return [_quoted(node)]
        return [_behind("> ", line) for line in self.lines(node, depth)]

    def bullets(self, node: LexborNode, depth: int) -> list[str]:
        return self._items(node, depth, lambda _: "- ")

    def numbers(self, node: LexborNode, depth: int) -> list[str]:
        start = node.attributes.get("start") or ""
        first = int(start) if start.isascii() and start.isdigit() and len(start) < 10 else 1
        return self._items(node, depth, lambda number: f"{first + number}. ")

    def _items(self, node: LexborNode, depth: int, marker: Callable[[int], str]) -> list[str]:
        found: list[str] = []
        count = 0
        for child in _children(node):
            if child.tag == "li":
                sign, count = marker(count), count + 1
                first, *rest = self.lines(child, depth + 1) or [""]
                found += [_behind(sign, first), *(_behind(" " * len(sign), line) for line in rest)]
            elif child.tag in _BLOCKS:  # a list directly in a list is how some clients nest
                found += [_behind("  ", line) for line in _BLOCKS[child.tag](self, child, depth + 1)]
            else:
                found += _run_lines(self.inline(child, depth + 1))
        return found

    def item(self, node: LexborNode, depth: int) -> list[str]:
        first, *rest = self.lines(node, depth) or [""]
        return [_behind("- ", first), *(_behind("  ", line) for line in rest)]

    def code(self, node: LexborNode, _depth: int) -> list[str]:
        text = _verbatim(node).strip("\n")
        fence = "`" * max(3, _longest_run(text) + 1)
        return [fence, *text.split("\n"), fence]

    def table(self, node: LexborNode, depth: int) -> list[str]:
        """Give each row a line."""
        parts = [part for child in _children(node) for part in (_children(child) if child.tag in _ROWS else [child])]
        return [self._row(part, depth) if part.tag == "tr" else _one_line(self.lines(part, depth)) for part in parts]

    def _row(self, row: LexborNode, depth: int) -> str:
        return " | ".join(_one_line(self.lines(cell, depth)) for cell in _children(row) if cell.tag in ("td", "th"))

    def rule(self, _node: LexborNode, _depth: int) -> list[str]:
        return ["---"]

    # --- runs of text

    def inline(self, node: LexborNode, depth: int) -> str:
        """Give a run of text; a line feed in it is a line break."""
        tag = node.tag
        if tag == "-text":
            return _LINE_SPACE.sub(" ", node.text_content or "")
        if tag is None or tag.startswith("-") or tag in _HIDDEN:
            return ""
        if depth > MAX_DEPTH:
            return _LINE_SPACE.sub(" ", node.text_lexbor())
        if tag in _BLOCKS:
            return "\n".join(["", *_BLOCKS[tag](self, node, depth), ""])
        write = _INLINE.get(tag)
        return write(self, node, depth) if write else self.runs(node, depth)

    def runs(self, node: LexborNode, depth: int) -> str:
        return "".join(self.inline(child, depth + 1) for child in _children(node))

    def line_break(self, _node: LexborNode, _depth: int) -> str:
        return "\n"

    def bold(self, node: LexborNode, depth: int) -> str:
        return _marked("*", self.runs(node, depth))

    def italic(self, node: LexborNode, depth: int) -> str:
        return _marked("_", self.runs(node, depth))

    def struck(self, node: LexborNode, depth: int) -> str:
        return _marked("~", self.runs(node, depth))

    def inline_code(self, node: LexborNode, _depth: int) -> str:
        text = _verbatim(node)
        run = _longest_run(text)
        mark, gap = "`" * (run + 1), " " if run else ""
        return f"{mark}{gap}{text}{gap}{mark}" if text.strip() else text

    def link(self, node: LexborNode, depth: int) -> str:
        label, address = self.runs(node, depth), (node.attributes.get("href") or "").strip()
        if not _LINK.match(address) or any(character.isspace() for character in address):
            return label
        if not label.strip() or _bare(label) == _bare(address):
            return label if _PLAIN_LINK.match(label.strip()) else address.removeprefix("mailto:").removeprefix("tel:")
        return f"{label} ({address})"

    def picture(self, node: LexborNode, _depth: int) -> str:
        """Only emoji say something; pictures travel as files."""
        return _emoji(node) if _item_type(node).endswith("Emoji") else ""

    def emoji(self, node: LexborNode, _depth: int) -> str:
        return _emoji(node)

    def span(self, node: LexborNode, depth: int) -> str:
        return self.mention(node, depth) if _item_type(node) == "Mention" else self.runs(node, depth)

    def mention(self, node: LexborNode, _depth: int) -> str:
        """Our bot's own mention goes, each once. By the entity that the number names, not by the name shown."""
        label = " ".join(node.text_lexbor().split())
        entity = self._entity(node.attributes.get("itemid") or node.attributes.get("id") or "", label)
        if entity is not None:
            self._unused.discard(entity)
            if self._named[entity].is_bot:
                return ""
        return f"@{label}"

    def _entity(self, number: str, label: str) -> int | None:
        """Find the entity of a mention. Numbers that do not fit the entities' order yield to the name."""
        numbered = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else -1
        fits = [i for i in sorted(self._unused) if self._named[i].label == label]
        if numbered in self._unused and (numbered in fits or not fits):
            return numbered
        return fits[0] if fits else None


_BLOCKS: dict[str, Callable[[_Writer, LexborNode, int], list[str]]] = {
    **dict.fromkeys(("p", "div", "section", "article", "tr", "td", "th", "dl", "dt", "dd"), _Writer.lines),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _Writer.heading),
    **dict.fromkeys(("pre", "codeblock"), _Writer.code),
    "blockquote": _Writer.block_quote,
    "ul": _Writer.bullets,
    "ol": _Writer.numbers,
    "li": _Writer.item,
    "table": _Writer.table,
    "hr": _Writer.rule,
}
_INLINE: dict[str, Callable[[_Writer, LexborNode, int], str]] = {
    **dict.fromkeys(("strong", "b"), _Writer.bold),
    **dict.fromkeys(("em", "i"), _Writer.italic),
    **dict.fromkeys(("s", "strike", "del"), _Writer.struck),
    **dict.fromkeys(("emoji", "customemoji"), _Writer.emoji),
    "br": _Writer.line_break,
    "code": _Writer.inline_code,
    "a": _Writer.link,
    "img": _Writer.picture,
    "span": _Writer.span,
    "at": _Writer.mention,
}


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.first_child
    while child is not None:
        yield child
        child = child.next


def _item_type(node: LexborNode) -> str:
    """Give the last word of a `itemtype`, such as `http://schema.skype.com/Mention`."""
    return (node.attributes.get("itemtype") or "").rpartition("/")[2]


def _run_lines(run: str) -> list[str]:
    """Cut a run of text at its line breaks; one at the end ends the line and begins none."""
    if not run.strip(" "):
        return []
    lines = [re.sub(" {2,}", " ", line).strip(" ") for line in run.split("\n")]
    return lines[:-1] if not lines[-1] else lines


def _one_line(lines: Sequence[str]) -> str:
    return " ".join(filter(None, (line.strip() for line in lines)))


def _behind(margin: str, line: str) -> str:
    """Put a margin in front of a line, unless it has a wide one already."""
    width = len(line) - len(line.lstrip("> "))
    return margin + line if width < MAX_MARGIN else line


def _marked(mark: str, text: str) -> str:
    """Put a mark around text, inside the spaces at its ends."""
    inner = text.strip()
    if not inner:
        return text
    start = text.index(inner)
    return f"{text[:start]}{mark}{inner}{mark}{text[start + len(inner) :]}"


def _verbatim(node: LexborNode) -> str:
    """Give the text as it is, with line breaks; not through `inline`, which joins spaces."""
    parts = ["\n" if part.tag == "br" else part.text_content or "" for part in node.traverse(include_text=True)]
    return "".join(parts).replace("\r\n", "\n")


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _bare(address: str) -> str:
    """Give an address without what a person leaves out when writing it."""
    return _PLAIN_LINK.sub("", address.strip().casefold()).removeprefix("www.").rstrip("/")


def _emoji(node: LexborNode) -> str:
    """Give the character, or the name of one that somebody drew."""
    attributes = node.attributes
    name = (attributes.get("alt") or attributes.get("title") or attributes.get("name") or "").strip()
    return f":{name.strip(':')}:" if re.fullmatch(r"[\w :.+-]+", name) else name


def _quoted(node: LexborNode) -> str:
    """Write the message that is replied to: who, and the beginning of what."""
    name = node.css_first('[itemprop="mri"]')
    preview = node.css_first('[itemprop="preview"]') or node.css_first('[itemprop="copy"]')
    return quote(
        " ".join(name.text_lexbor().split()) if name else "",
        preview.text(separator=" ") if preview else node.text(separator=" "),
    )
