"""The files of a data set; their bytes follow from their key."""

import base64
from dataclasses import dataclass

from sandbox.dataset.plan import Seeded
from sandbox.dataset.words import FILES, kind_of
from sandbox.s3 import Content, S3Links
from sandbox.wire import JsonObject

_SIZES = (500, 13, 0, 4096, 1, 2000, 70_000, 999)
_MISSING_PERIOD, _STALE_PERIOD = 29, 31
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known about a file before anybody reads it."""

    key: str
    name: str
    content_type: str
    size: int
    #: The object behind the link is not there.
    missing: bool
    #: The first link to it has expired already.
    stale: bool


class Files:
    """Facts, links and bytes by key; a key names the object that carries the file."""

    def __init__(self, seeded: Seeded, links: S3Links) -> None:
        self._seeded = seeded
        self._links = links

    def facts(self, key: str) -> FileFacts:
        """The same for the same key."""
        number = self._seeded.number("file", key)
        name = FILES[number % len(FILES)]
        kind, size = kind_of(name), _SIZES[number // 64 % len(_SIZES)]
        size = max(size, len(_PIXEL)) if kind == "image/png" else size
        missing, stale = number // 512 % _MISSING_PERIOD == 0, number // 65536 % _STALE_PERIOD == 0
        return FileFacts(key, name, kind, size, missing, stale)

    def url(self, facts: FileFacts) -> str:
        """A fresh link, or for some files at first a stale one."""
        return self._links.url(facts.key, facts.name, facts.stale)

    def attachment(self, key: str, attachment_id: int, created: str) -> JsonObject:
        """A file as Freshdesk describes it; some samples call the size `file_size`."""
        facts = self.facts(key)
        return {
            "id": attachment_id,
            "name": facts.name,
            "content_type": facts.content_type,
            "file_size" if attachment_id % 5 == 0 else "size": facts.size,
            "attachment_url": self.url(facts),
            "thumb_url": None,
            "created_at": created,
            "updated_at": created,
        }

    def content(self, key: str) -> Content | None:
        """The bytes, or None where the file is missing."""
        facts = self.facts(key)
        return None if facts.missing else Content(facts.name, facts.content_type, self._bytes(facts))

    def _bytes(self, facts: FileFacts) -> bytes:
        head = _PIXEL if facts.content_type == "image/png" else b""
        block = self._seeded.bytes("content", facts.key)
        return (head + block * (facts.size // len(block) + 1))[: facts.size]
