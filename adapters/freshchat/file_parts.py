"""The pictures, videos and files that a Freshchat message names, and where in its text it does. Data in, data out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from adapters.freshchat.panels import panel_of, words_of
from adapters.freshchat.parts import FileLine, all_lines
from bridge.events import SharedFile

MAX_FILES = 20
"""Files of one message that are carried; the others stay a line of its text."""
MAX_URL = 8_192


def files_of(message: dict[str, Any]) -> tuple[SharedFile, ...]:
    """Read the files of a message; carousels keep theirs. Raises NotUnderstood."""
    lines = all_lines(message)
    if not any(isinstance(line, FileLine) for line in lines):
        return ()
    return files_in(words_of(message) if panel_of(message) else lines)


def files_in(lines: Sequence[str]) -> tuple[SharedFile, ...]:
    """Find the files among the lines of a text, each with its place in the text that they make."""
    text = "\n".join(lines)
    at, found = len(text.lstrip()) - len(text), list[SharedFile]()
    for line in lines:
        if isinstance(line, FileLine) and len(found) < MAX_FILES:
            found.append(_file(line, len(found), at))
        at += len(line) + 1
    return tuple(found)


def _file(line: FileLine, number: int, at: int) -> SharedFile:
    url = next((one for key in ("url", "download_url") if (one := _text(line.part, key))), "")
    url = url if len(url) <= MAX_URL else ""
    name = _text(line.part, "name") or ("" if url else line.kind)
    return SharedFile(way="link", url=url, name=name, number=number, span=(at, at + len(line)))


def _text(part: dict[str, Any], key: str) -> str:
    value = part.get(key)
    return value.strip() if isinstance(value, str) else ""


def last_part(url: str) -> str:
    """Name a file by its address."""
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        return ""
