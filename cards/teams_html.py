"""Any HTML as blocks of Teams' HTML subset: by construction, because only what is named here is ever written."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from cards import links

MAX_DEPTH = 40
"""Elements within elements that are looked into; what is deeper gives its text only."""

_HIDDEN = frozenset({"script", "style", "template", "title", "head", "noscript", "iframe", "object"})
_ROWS = frozenset({"thead", "tbody", "tfoot"})
_SPACE = re.compile(r"[ \t\r\n\f]+")
_MAIL = r"[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_])?@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}"
_FOUND = re.compile(
    r"(?P<link>https?://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,2000})"
    rf"|(?<![A-Za-z0-9._%+@-])@(?P<person>{_MAIL})(?![A-Za-z0-9@-])"
)
_STOPS = ".,;:!?'*"
_OPENERS = {")": "(", "]": "["}

Block = list[str]


def blocks(markup: str) -> list[Block]:
    """Write HTML as blocks, each a list of atoms (`cards.pieces`).

    `<at>address</at>` stands for a person to be mentioned; an agent's own `<at>` is just text or nothing.
    """
    body = LexborHTMLParser(markup).body
    return _paragraphs(_blocks(body, 0)) if body else []


def _blocks(node: LexborNode, depth: int) -> list[Block]:
    """Give the blocks of a node's content. A run of text is a block that does not begin with a block's tag."""
    if depth > MAX_DEPTH:
        return [_text(node.text_lexbor())]
    found: list[Block] = []
    run: Block = []
    for child in _children(node):
        if child.tag in _BLOCKS:
            found += [_trimmed(run), *_BLOCKS[child.tag](child, depth + 1)]
            run = []
        else:
            run += _inline(child, depth + 1)
    return [block for block in [*found, _trimmed(run)] if block]


def _paragraphs(found: list[Block]) -> list[Block]:
    return [block if _is_block(block) else ["<p>", *block, "</p>"] for block in found]


def _is_block(block: Block) -> bool:
    return block[0] in ("<p>", "<ul>", "<ol>", "<blockquote>", "<pre>")


def _heading(node: LexborNode, depth: int) -> list[Block]:
    return [block if _is_block(block) else ["<strong>", *block, "</strong>"] for block in _blocks(node, depth)]


def _quote(node: LexborNode, depth: int) -> list[Block]:
    inner = [atom for block in _paragraphs(_blocks(node, depth)) for atom in block]
    return [["<blockquote>", *inner, "</blockquote>"]] if inner else []


def _list(node: LexborNode, depth: int) -> list[Block]:
    """Write a list. One that does not count from 1 becomes paragraphs: whether Teams keeps `start` is not known."""
    start = node.attributes.get("start") or "1"
    items = [item for child in _children(node) if child.tag in _BLOCKS and (item := _item(child, depth + 1))]
    if node.tag == "ol" and start != "1" and start.isascii() and start.isdigit() and len(start) < 10:
        return [[f"{number}. ", *item] for number, item in enumerate(items, int(start))]
    tag = node.tag or "ul"
    inner = [atom for item in items for atom in ("<li>", *item, "</li>")]
    return [[f"<{tag}>", *inner, f"</{tag}>"]] if inner else []


def _item(node: LexborNode, depth: int) -> Block:
    inner: Block = []
    for block in _BLOCKS[node.tag](node, depth) if node.tag in ("ul", "ol") else _blocks(node, depth):
        inner += [*(["<br/>"] if inner and not _is_block(block) and inner[-1] not in _CLOSERS else []), *block]
    return inner


_CLOSERS = ("</ul>", "</ol>", "</blockquote>", "</pre>", "</p>")


def _code(node: LexborNode, _depth: int) -> list[Block]:
    lines = _verbatim(node).strip("\n").split("\n")
    inner = [atom for line in lines for atom in ("<br/>", html.escape(line, quote=False)) if atom]
    return [["<pre>", *inner[1:], "</pre>"]] if "".join(lines) else []


def _table(node: LexborNode, depth: int) -> list[Block]:
    """Give each row a line: neither transport is known to show tables."""
    parts = [part for child in _children(node) for part in (_children(child) if child.tag in _ROWS else [child])]
    rows = [_row(part, depth + 1) if part.tag == "tr" else _joined(_blocks(part, depth + 1)) for part in parts]
    return [row for row in rows if row]


def _row(row: LexborNode, depth: int) -> Block:
    cells = [_joined(_blocks(cell, depth)) for cell in _children(row) if cell.tag in ("td", "th")]
    return [atom for number, cell in enumerate(cells) for atom in ([" | "] if number else []) + cell]


def _joined(found: list[Block]) -> Block:
    """Write blocks as one run of text."""
    flat = [atom for block in found for atom in [*block, " "]]
    return [atom for atom in flat if not atom.startswith("<") or _TAG_NAME.match(atom)][:-1]


_TAG_NAME = re.compile(r"</?(?:strong|em|s|code|a|at)\b")


def _rule(_node: LexborNode, _depth: int) -> list[Block]:
    return [["---"]]


# --- runs of text


def _inline(node: LexborNode, depth: int) -> Block:
    tag = node.tag
    if tag == "-text":
        return _linked(_SPACE.sub(" ", node.text_content or ""))
    if tag is None or tag.startswith("-") or tag in _HIDDEN:
        return []
    if depth > MAX_DEPTH:
        return _text(node.text_lexbor())
    if tag in _BLOCKS:
        return ["<br/>", *_joined(_BLOCKS[tag](node, depth)), "<br/>"]
    if tag in _MARKS:
        inner = _runs(node, depth)
        return [f"<{_MARKS[tag]}>", *inner, f"</{_MARKS[tag]}>"] if inner else []
    write = _INLINE.get(tag)
    return write(node, depth) if write else _runs(node, depth)


def _runs(node: LexborNode, depth: int) -> Block:
    return [atom for child in _children(node) for atom in _inline(child, depth + 1)]


def _line_break(_node: LexborNode, _depth: int) -> Block:
    return ["<br/>"]


def _inline_code(node: LexborNode, _depth: int) -> Block:
    text = _verbatim(node)
    return ["<code>", html.escape(text, quote=False), "</code>"] if text else []


def _link(node: LexborNode, _depth: int) -> Block:
    return _to(node.attributes.get("href") or "", node.text_lexbor())


def _picture(node: LexborNode, _depth: int) -> Block:
    """Show a link to a picture on a foreign host, which must not be fetched by whoever reads."""
    return _to(node.attributes.get("src") or "", node.attributes.get("alt") or "")


def _to(target: str, label: str) -> Block:
    label, address = " ".join(label.split()), links.allowed(target)
    if address is None:
        return _text(label)
    if not label:
        return _anchor(address, address)
    return (
        _anchor(address, label)
        if links.is_honest(label, address)
        else [*_text(f"{label} ("), *_anchor(address, address), ")"]
    )


def _anchor(address: str, label: str) -> Block:
    return [f'<a href="{html.escape(address)}">', html.escape(label, quote=False), "</a>"]


def _linked(text: str) -> Block:
    """Write text with its addresses as links and people's as mentions."""
    atoms: Block = []
    end = 0
    for found in _FOUND.finditer(text):
        atoms += _text(text[end : found.start()])
        if found["person"]:
            atoms.append(f"<at>{html.escape(found['person'], quote=False)}</at>")
            end = found.end()
        else:
            address = _without_stop(found["link"])
            atoms += _anchor(address, address) if links.allowed(address) else _text(address)
            end = found.start() + len(address)
    return atoms + _text(text[end:])


def _without_stop(address: str) -> str:
    """Leave out what ends a sentence, and a bracket that was opened before the address."""
    address = address.rstrip(_STOPS)
    while address and address.count(address[-1]) > address.count(_OPENERS.get(address[-1], address[-1])):
        address = address[:-1].rstrip(_STOPS)
    return address


def _text(text: str) -> Block:
    return [html.escape(text, quote=False)] if text else []


_MARKS = {"strong": "strong", "b": "strong", "em": "em", "i": "em", "s": "s", "del": "s", "strike": "s"}
_INLINE: dict[str, Callable[[LexborNode, int], Block]] = {
    "br": _line_break,
    "code": _inline_code,
    "a": _link,
    "img": _picture,
}
_BLOCKS: dict[str, Callable[[LexborNode, int], list[Block]]] = {
    **dict.fromkeys(("p", "div", "li", "tr", "td", "th"), _blocks),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _heading),
    **dict.fromkeys(("ul", "ol"), _list),
    "blockquote": _quote,
    "pre": _code,
    "table": _table,
    "hr": _rule,
}


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.first_child
    while child is not None:
        yield child
        child = child.next


def _verbatim(node: LexborNode) -> str:
    parts = ["\n" if part.tag == "br" else part.text_content or "" for part in node.traverse(include_text=True)]
    return "".join(parts).replace("\r\n", "\n")


def _trimmed(run: Block) -> Block:
    """Take the spaces at the ends of lines away, and line breaks at the ends of the run."""
    atoms: Block = []
    for atom in run:
        begins_line = not atoms or atoms[-1] == "<br/>"
        atoms += filter(None, [atom.lstrip(" ") if begins_line else atom])
    while atoms and not atoms[-1].strip(" "):
        atoms.pop()
    if atoms and atoms[-1] == "<br/>":
        atoms.pop()
    if atoms:
        atoms[-1] = atoms[-1].rstrip(" ")
    return atoms if any(not atom.startswith("<") or atom.startswith("<at>") for atom in atoms) else []
