"""Which files messages and tickets have: parts of Freshchat messages, attachments and inline pictures of Freshdesk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urlsplit

from archive.lines import storable

FILE_PARTS = ("image", "file", "video", "audio")
PARTS = ("message_parts", "msg_parts", "reply_parts")
DEEPEST = 50


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file that a message or ticket has; `id` is unique within its owner and the same whenever it is read."""

    id: str
    url: str
    name: str
    content_type: str
    size: int | None

    def fact(self, page: int) -> dict[str, Any]:
        """Give what is kept of it, with the page on which it was found."""
        return {
            "name": self.name,
            "content_type": self.content_type,
            "size": self.size,
            "url": self.url,
            "page": page,
        }


def message_files(message: dict[str, Any]) -> list[FilePart]:
    """Find the files of a Freshchat message, however deep in collections and carousels, numbered in their order."""
    found = [part for name in PARTS for part in _file_parts(message.get(name), 0)]
    return [_part(str(number), part) for number, part in enumerate(found, 1)]


def _file_parts(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > DEEPEST:
        return
    if isinstance(value, list):
        for one in value:
            yield from _file_parts(one, depth + 1)
    elif isinstance(value, dict):
        old = value.get("properties")
        if value.get("part_type") in FILE_PARTS and isinstance(old, dict):
            yield old
        for name, inner in value.items():
            if name in FILE_PARTS and isinstance(inner, dict):
                yield inner
            else:
                yield from _file_parts(inner, depth + 1)


def listed_files(owner: dict[str, Any], name: str = "attachments") -> list[FilePart]:
    """Give the `attachments` of a Freshdesk ticket or reply; `avatar` of a contact is one of the same shape."""
    value = owner.get(name)
    rows = value if isinstance(value, list) else [value]
    return [_part(str(row.get("id") or _digest(_url(row))), row) for row in rows if isinstance(row, dict) and row]


def _part(part_id: str, row: dict[str, Any]) -> FilePart:
    url = _url(row)
    name = row.get("name") or row.get("file_name") or name_of(url)
    kind = row.get("content_type") or row.get("contentType")
    sizes = (row.get(field) for field in ("size", "file_size", "file_size_in_bytes"))
    size = next((size for size in sizes if isinstance(size, int) and not isinstance(size, bool)), None)
    return FilePart(part_id, url, storable(str(name)), storable(kind) if isinstance(kind, str) else "", size)


def _url(row: dict[str, Any]) -> str:
    found = (row.get(name) for name in ("url", "download_url", "attachment_url", "avatar_url"))
    return next((url for url in found if isinstance(url, str) and url), "")


def inline_files(html: object) -> list[FilePart]:
    """Find the pictures that an HTML text shows from elsewhere, numbered in their order: addresses change."""
    if not isinstance(html, str) or "<img" not in html.lower():
        return []
    pictures = _Pictures()
    pictures.feed(html)
    pictures.close()
    urls = enumerate(dict.fromkeys(pictures.found), 1)
    return [FilePart(str(number), url, storable(name_of(url)), "", None) for number, url in urls]


class _Pictures(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the address of each picture."""
        if tag == "img":
            source = (dict(attrs).get("src") or "").strip()
            if source.lower().startswith(("http://", "https://")):
                self.found.append(source)

    def error(self, message: str) -> None:
        """Broken HTML has the pictures that it has."""


def name_of(url: str) -> str:
    """Give the file name at the end of an address; empty if there is none."""
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
