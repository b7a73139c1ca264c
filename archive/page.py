"""What one page brought, recorded before it is written: all of it becomes one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from archive.lines import storable
from bridge.errors import BridgeError, Unavailable
from bridge.exact_json import dumps
from bridge.moments import epoch

NO_NUMBER = 1 << 62
LIST, SINGLE = 0, 1
"""How rich a copy is: the row of a list, or the thing itself."""

_ITEM = """INSERT INTO item VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
  number = excluded.number, rank = excluded.rank, version = excluded.version, body = excluded.body
  WHERE (excluded.rank, excluded.version) >= (rank, version)"""
PART = """INSERT INTO part VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body, at = excluded.at"""
TASK = "INSERT OR IGNORE INTO task(stream, key, cursor) VALUES(?, ?, ?)"
_GAP = "INSERT OR REPLACE INTO gap VALUES(?, ?, ?, ?, ?)"
_ATTACHMENT = """INSERT OR IGNORE INTO attachment
  (product, source, owner, attachment, kind, parent, name, content_type, size) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_TAKEN = """INSERT OR REPLACE INTO gap SELECT 'attachment', ?, 'same_id_elsewhere', '', 1 FROM attachment
  WHERE product = ? AND source = ? AND owner = ? AND attachment = ? AND (kind, parent) <> (?, ?)"""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose file it is. `source` is told in file names; `kind` is the owner's even where the picture is inline.

    `parent` is the conversation or ticket that has to be read again for a fresh address.
    """

    product: Literal["freshchat", "freshdesk"]
    source: Literal["message", "ticket", "reply", "contact", "inline"]
    kind: Literal["message", "ticket", "reply", "contact"]
    id: str
    parent: str


class Page:
    """Collects writes. Writing the same again changes nothing."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, tuple[Any, ...]]] = []
        self.streams: set[str] = set()
        self.rows = 0

    def clear(self) -> None:
        """Forget what was recorded: the page is read anew."""
        self.writes.clear()
        self.streams.clear()
        self.rows = 0

    def add(self, sql: str, *values: Any) -> None:
        """Record a statement."""
        self.writes.append((sql, values))

    def item(self, kind: str, item_id: str, value: Any, *, rank: int = LIST, version: str = "") -> None:
        """Keep an object of a list; of two copies the richer one stays, and of equally rich ones the newer."""
        self.rows += 1
        self.add(_ITEM, kind, item_id, integer(item_id), rank, version, dumps(value))

    def part(self, kind: str, parent: str, value: Any, *, at: str | None = None, place: int = 0) -> str:
        """Keep a message or reply of a parent, and give its id; `at` and `place` order them."""
        self.rows += 1
        body = dumps(value)
        part_id = id_of(value) or f"~{hashlib.sha256(body.encode()).hexdigest()[:24]}"
        self.add(PART, kind, parent, part_id, epoch(at) or 0.0, place, body)
        return part_id

    def task(self, stream: str, key: str, cursor: str = "") -> None:
        """Leave a task to be done, once."""
        self.streams.add(stream)
        self.add(TASK, stream, key, cursor)

    def seen(self, conversation: str, source: str, user: str = "") -> None:
        """Note who knows of a conversation, and have it read."""
        self.add("INSERT OR IGNORE INTO seen VALUES(?, ?, ?)", conversation, source, user)
        self.task("freshchat.conversations", conversation)

    def gap(self, what: str, item_id: str, reason: str, path: str = "", *, missing: bool = True) -> None:
        """List what could not be had; `missing` False if the archive lacks nothing by it."""
        self.add(_GAP, what, item_id, reason, path, int(missing))

    def refusal(self, what: str, item_id: str, error: BridgeError, path: str, *, missing: bool = True) -> None:
        """List what an upstream refused, with its reason."""
        self.gap(what, item_id, reason(error), path, missing=missing)

    def ticket_state(self, ticket: str, state: str) -> None:
        """Note where a ticket was found: live, deleted, spam or archived."""
        self.add("INSERT OR REPLACE INTO ticket_state VALUES(?, ?)", ticket, state)

    def attachment(self, owner: Owner, attachment: str, fact: Mapping[str, Any]) -> None:
        """Expect a file, and have it fetched. `fact`: name, content_type, size, url, page.

        Ids of messages are not said to be unique beyond their conversation: a file whose place is taken is a gap.
        """
        key = (owner.product, owner.source, owner.id, attachment)
        size = fact["size"] if isinstance(fact.get("size"), int) else None
        self.add(_ATTACHMENT, *key, owner.kind, owner.parent, fact["name"], fact["content_type"], size)
        self.add(_TAKEN, " ".join(key), *key, owner.kind, owner.parent)
        self.task("attachments", dumps(key), dumps({"url": fact["url"], "page": fact["page"]}))


def reason(error: BridgeError) -> str:
    """Say in a word why something could not be had."""
    last = error.code.rpartition("_")[2]
    words = {"404": "gone", "410": "gone", "403": "not_permitted", "feature": "not_in_plan"}
    if isinstance(error, Unavailable):
        return f"unavailable_{last}"
    return words.get(last, f"refused_{last}" if last.isdecimal() else error.code)


def id_of(value: Any, name: str = "id") -> str:
    """Read an id, which may be a text or a number; empty if there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return storable(str(found)) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def integer(text: str) -> int:
    """Read an id as the number by which tickets are sorted; what is none stands behind all numbers."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else NO_NUMBER


def objects(value: Any, name: str | None = None) -> list[dict[str, Any]]:
    """Give the objects of a list, bare or under a name; what is not an object cannot be kept by id."""
    found = value.get(name) if isinstance(value, dict) and name else value
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
