"""JSON as an archive has it: lists with one element a line, read a line at a time; objects read whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, NoReturn

MAX_LINE = 64 * 1024 * 1024
"""Longer than any element that an API gives; a longer line is refused instead of being read into memory."""

MAX_OBJECT = 512 * 1024 * 1024
"""Metadata and report are read whole; a million ids of unlinked chats are 40 MB."""


class Malformed(ValueError):
    """A file is not as an archive writes it; `line` is counted from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a list: its JSON as it stands in the file, and its value."""

    raw: str
    value: Any


def elements(lines: Iterable[bytes]) -> Iterator[Element]:
    """Read a list: `[`, one element a line with commas between them, `]`. Raises Malformed."""
    last = "["
    number = 0
    for number, line in enumerate(lines, 1):
        text = _text(line, number)
        if number == 1:
            if text not in ("[", "[]"):
                raise Malformed(number, "a list begins with [")
            last = "]" if text == "[]" else "["
        elif last == "]":
            raise Malformed(number, "something follows the list")
        elif text == "]":
            if last == ",":
                raise Malformed(number, "a comma before the end")
            last = "]"
        elif last == "":
            raise Malformed(number, "no comma before this element")
        else:
            last = "," if text.endswith(",") else ""
            yield Element(raw := text.removesuffix(","), loads(raw, number))
    if last != "]":
        raise Malformed(number + 1, "the list does not end")


def _text(line: bytes, number: int) -> str:
    if len(line) >= MAX_LINE:
        raise Malformed(number, "the line is too long")
    if not line.endswith(b"\n"):
        raise Malformed(number, "the line does not end")
    try:
        return line[:-1].decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(number, "not UTF-8") from None


def loads(text: str | bytes, line: int = 1) -> Any:
    """Read JSON; what Python alone would accept, such as NaN, is refused. Raises Malformed."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Malformed(line, f"not JSON ({type(error).__name__})") from None


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def whole(stream: IO[bytes]) -> bytes:
    """Read a file that holds one object. Raises Malformed if it is too long for one."""
    if os.fstat(stream.fileno()).st_size > MAX_OBJECT:
        raise Malformed(1, "the file is too long")
    return stream.read()


def storable(text: str) -> str:
    """Give a text that SQLite and UTF-8 take: JSON may hold half a character, which is then written `\\ud83d`."""
    return text.encode("utf-8", "backslashreplace").decode()
