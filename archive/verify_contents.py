"""Reads the files of an archive for `verify`: each once, for its hash, its JSON, and the ids in it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from archive import layout
from archive.ledger import Ledger
from archive.lines import MAX_LINE, Malformed, elements, loads, whole
from archive.reading import Archive, id_of_conversation
from archive.report_reading import read_report

_CHUNK = 1 << 20
_COUNTED = {
    layout.CONVERSATIONS: "conversations",
    layout.USERS: "users",
    layout.TICKETS: "tickets",
    layout.CONTACTS: "contacts",
    layout.COMPANIES: "companies",
    layout.FRESHCHAT_AGENTS: "agents.freshchat",
    layout.FRESHDESK_AGENTS: "agents.freshdesk",
    layout.MESSAGES: "messages",
    layout.REPLIES: "ticketConversations",
    layout.GAPS: "gaps",
}
"""Lists, and folders of lists, by what the report calls the number of their elements."""


NAMED = {
    layout.CONVERSATIONS: "conversation",
    layout.USERS: "user",
    layout.FRESHCHAT_AGENTS: "chat agent",
    layout.TICKETS: "ticket",
    layout.CONTACTS: "contact",
    layout.COMPANIES: "company",
    layout.FRESHDESK_AGENTS: "desk agent",
}
"""Lists whose elements have ids, and what one of them is called."""


class Contents:
    """What is in the files, so far. `counts` has the names of the report's totals."""

    def __init__(self, archive: Archive, ledger: Ledger) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(_COUNTED.values(), 0))
        self._archive = archive
        self._ledger = ledger

    def read(self, path: str, file: Path) -> int:
        """Read one file to its end; give its size."""
        with file.open("rb") as stream:
            hashed = _Hashed(stream)
            try:
                self._take(path, file, hashed)
            except Malformed as error:
                self._ledger.find("malformed", path, str(error))
            hashed.drain()
        self._ledger.add("present", path, hashed.digest.hexdigest())
        if path.startswith(f"{layout.ATTACHMENT_FILES}/"):
            self._ledger.add("attachment file", path)
        return hashed.size

    def _take(self, path: str, file: Path, hashed: _Hashed) -> None:
        if path == layout.REPORT:
            read_report(file)
        elif path == layout.METADATA:
            loads(hashed.whole())
        elif path.endswith(".json") and not path.startswith(f"{layout.ATTACHMENT_FILES}/"):
            self._take_list(path, hashed.lines())

    def _take_list(self, path: str, lines: Iterable[bytes]) -> None:
        folder, _, name = path.rpartition("/")
        count = _COUNTED.get(path) or _COUNTED.get(folder)
        owner = self._archive.id_of(folder, name.removesuffix(".json"))
        if folder in (layout.MESSAGES, layout.REPLIES):
            self._ledger.add("messages" if folder == layout.MESSAGES else "replies", owner)
        foreign = False
        for element in elements(lines):
            if count:
                self.counts[count] += 1
            if isinstance(element.value, dict):
                foreign |= self._is_foreign(folder, owner, element.value)
                self._take_row(path, element.value)
        if foreign:
            self._ledger.find("reference", path, f"holds what belongs to another than {owner}")

    @staticmethod
    def _is_foreign(folder: str, owner: str, row: dict[str, Any]) -> bool:
        field = {layout.MESSAGES: "conversation_id", layout.REPLIES: "ticket_id"}.get(folder)
        return field is not None and str(row.get(field, owner)) != owner

    def _take_row(self, path: str, row: dict[str, Any]) -> None:
        if kind := NAMED.get(path):
            self._take_id(kind, path, id_of(kind, row))
        elif path == layout.LINKS:
            self._ledger.add("linked conversation", str(row.get("conversation_id")), str(row.get("confidence")))
            self._ledger.add("linked ticket", str(row.get("ticket_id")))
        elif path == layout.GAPS:
            self._ledger.add("gap", str(row.get("id")))
        elif path == layout.ATTACHMENTS:
            self._take_attachment(row)

    def _take_id(self, kind: str, path: str, key: str) -> None:
        if key and not self._ledger.add(kind, key):
            self._ledger.find("reference", path, f"{kind} {key} is there twice")

    def _take_attachment(self, row: dict[str, Any]) -> None:
        state = str(row.get("state"))
        self.counts["attachments.expected"] += 1
        self.counts[f"attachments.{state}"] += 1
        if state == "fetched":
            self._ledger.add("attachment", str(row.get("path")), str(row.get("sha256")))


def id_of(kind: str, row: dict[str, Any]) -> str:
    """Give the id of an element of a list; empty if it has none."""
    return id_of_conversation(row) if kind == "conversation" else str(row.get("id") or "")


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.size = 0

    def _read(self, data: bytes) -> bytes:
        self.digest.update(data)
        self.size += len(data)
        return data

    def lines(self) -> Iterator[bytes]:
        while line := self._stream.readline(MAX_LINE):
            yield self._read(line)

    def whole(self) -> bytes:
        """Read all of it."""
        return self._read(whole(self._stream))

    def drain(self) -> None:
        """Read the rest."""
        while self._read(self._stream.read(_CHUNK)):
            pass
