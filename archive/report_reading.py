"""Reads `verification_report.json`, whose list of chats without a ticket may be longer than memory should be."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archive.lines import Malformed, loads

_LIST = re.compile(rb'"unlinkedConversationIds"\s*:\s*\[')
_ELEMENT = re.compile(rb'\s*("(?:[^"\\]|\\.)*")\s*(?=(,|\]))')
_END = re.compile(rb"\s*\]")


def read_report(file: Path) -> dict[str, Any]:
    """Give the report without its `unlinkedConversationIds`. Raises Malformed, also if those are not texts."""
    with _opened(file) as text:
        found = _LIST.search(text)
        value = loads(text[:] if found is None else text[: found.end()] + text[_end(text, found.end()) :])
    if not isinstance(value, dict):
        raise Malformed(1, "not an object")
    return value


def unlinked_ids(file: Path) -> Iterator[str]:
    """Give the ids of the chats without a ticket, one by one. Raises Malformed."""
    with _opened(file) as text:
        if found := _LIST.search(text):
            yield from (str(loads(element[1])) for element in _elements(text, found.end()))


@contextmanager
def _opened(file: Path) -> Iterator[mmap.mmap]:
    with file.open("rb") as stream:
        try:
            text = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise Malformed(1, "empty") from None
        with text:
            yield text


def _elements(text: mmap.mmap, at: int) -> Iterator[re.Match[bytes]]:
    if _END.match(text, at):
        return
    while True:
        element = _ELEMENT.match(text, at)
        if element is None:
            raise Malformed(1, "unlinkedConversationIds is not a list of texts")
        yield element
        if element[2] == b"]":
            return
        at = element.end() + 1


def _end(text: mmap.mmap, at: int) -> int:
    """Find the bracket that ends the list."""
    for element in _elements(text, at):
        loads(element[1])
        at = element.end()
    found = _END.match(text, at)
    return found.end() - 1 if found else at
