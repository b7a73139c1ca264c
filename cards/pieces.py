"""Cutting HTML into messages that Teams takes, never through markup.

A block is a list of atoms: a tag, or a run of escaped text. Tags begin with `<`, which escaped text never does.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence

from bridge.text import Capability, split

Block = Sequence[str]


def pack(blocks: Iterable[Block], limit: int) -> list[str]:
    """Join blocks to pieces of at most `limit` bytes each; a block that is longer is cut, and opened again behind."""
    pieces: list[str] = []
    for block in blocks:
        whole = "".join(block)
        for part in [whole] if _size(whole) <= limit else _cut(block, limit):
            if pieces and _size(pieces[-1]) + _size(part) <= limit:
                pieces[-1] += part
            else:
                pieces.append(part)
    return pieces


_OWN_END = len("</blockquote>")


def _cut(block: Block, limit: int) -> Iterator[str]:
    """Cut within a block: what is open at a cut is closed before it and opened again after it."""
    opened: list[str] = []
    part: list[str] = []
    size, empty = 0, True
    for atom in _small(block, limit // 4):
        if size + _size(atom) + _size(_closing(opened)) + _OWN_END > limit and not empty:
            yield "".join(part) + _closing(opened)
            part, empty = list(opened), True
            size = _size("".join(part))
        part.append(atom)
        size += _size(atom)
        _follow(opened, atom)
        empty = empty and atom.startswith("<")
    if not empty:
        yield "".join(part)


def _small(block: Block, limit: int) -> Iterator[str]:
    """Cut runs of text so that every atom is small."""
    capability = Capability(max_size=limit, size=lambda text: _size(html.escape(text, quote=False)))
    for atom in block:
        if atom.startswith("<") or _size(atom) <= limit:
            yield atom
        else:
            yield from (html.escape(text, quote=False) for text in split(html.unescape(atom), capability))


def _follow(opened: list[str], atom: str) -> None:
    if not atom.startswith("<") or atom.endswith("/>") or atom.startswith("<at>"):
        return
    if atom.startswith("</"):
        opened.pop()
    else:
        opened.append(atom)


def _closing(opened: Sequence[str]) -> str:
    return "".join(f"</{tag[1:-1].split(' ')[0]}>" for tag in reversed(opened))


def _size(text: str) -> int:
    return len(text.encode())
