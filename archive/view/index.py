"""The database that pages are made from: lists, people and files of an archive, and its words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from archive import layout
from archive.convert import EVERY, Step, database, fill
from archive.lines import loads, storable
from archive.message_text import body_text, message_text, pieces
from archive.reading import Archive, id_of_conversation
from archive.tables import HEADS, cell
from archive.view import words

Kind = Literal["conversation", "ticket"]
KINDS: Final[tuple[Kind, ...]] = ("conversation", "ticket")
TITLE, NAME = 120, 60
"""Characters that lists show; the pages of a thread have the rest."""

_SCHEMA = """
CREATE TABLE thread (number INTEGER PRIMARY KEY, kind, id, title, at, person, linked, size);
CREATE VIRTUAL TABLE words USING fts5 (text, content='');
"""
_INDEXES = """
CREATE UNIQUE INDEX thread_id ON thread (kind, id);
CREATE INDEX thread_at ON thread (kind, at);
CREATE INDEX thread_unlinked ON thread (kind, linked, at);
CREATE INDEX attachment_path ON attachments (path);
CREATE INDEX link_ticket ON links (ticket_id);
"""


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation or a ticket, as a row of a list. `size` is the number of its messages or replies."""

    kind: Kind
    id: str
    title: str
    at: str
    person: str
    linked: bool
    size: int


def build(archive: Archive, file: Path, step: Step) -> None:
    """Make the database. OSError if it cannot be written, NotAnArchive if a list is malformed."""
    file.touch(mode=0o600)
    with database(file) as db:
        fill(archive, db, HEADS, lambda _done: None)
        db.executescript(_SCHEMA)
        _Threads(archive, Index(db), step).fill()
        db.executescript(_INDEXES)


def threads_of(archive: Archive) -> int:
    """Tell about how many threads there will be, as the archive's own report counts them."""
    totals = archive.report.get("totals")
    counts = [totals.get(name) for name in ("conversations", "tickets")] if isinstance(totals, dict) else []
    return sum(count for count in counts if isinstance(count, int))


def open_index(file: Path) -> sqlite3.Connection:
    """Open the database to read."""
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)


class Index:
    """Looks things up in the database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.name_of_user = lru_cache(10_000)(self._name_of_user)
        self.choices = lru_cache(10)(self._choices)
        self.name_of_contact = lru_cache(10_000)(self._name_of_contact)

    def threads(self, kind: Kind, start: int, number: int, *, unlinked: bool = False) -> list[Thread]:
        """Give some of a list, newest first."""
        where = "kind = ? AND linked = 0" if unlinked else "kind = ?"
        query = f"SELECT kind, id, title, at, person, linked, size FROM thread WHERE {where} "  # noqa: S608 - our words
        rows = self.db.execute(f"{query} ORDER BY at DESC, number LIMIT ? OFFSET ?", (kind, number, start))
        return [Thread(*row) for row in rows]

    def thread(self, kind: Kind, key: str) -> Thread | None:
        """Give one."""
        query = "SELECT kind, id, title, at, person, linked, size FROM thread WHERE kind = ? AND id = ?"
        row = self.db.execute(query, (kind, key)).fetchone()
        return Thread(*row) if row else None

    def every(self, kind: Kind) -> Iterator[Thread]:
        """Give all, in no order."""
        rows = self.db.execute("SELECT kind, id, title, at, person, linked, size FROM thread WHERE kind = ?", (kind,))
        return (Thread(*row) for row in rows)

    def count(self, kind: Kind, *, unlinked: bool = False) -> int:
        """Count the rows of a list."""
        query = "SELECT count(*) FROM thread WHERE kind = ? AND linked <= ?"
        return int(self.db.execute(query, (kind, 0 if unlinked else 1)).fetchone()[0])

    def search(self, asked: str, start: int, number: int) -> tuple[int, list[Thread]]:
        """Find threads that have all words; give how many, and some of them, the best first."""
        query = words.match(asked)
        if not query:
            return 0, []
        total = self.db.execute("SELECT count(*) FROM words WHERE words MATCH ?", (query,)).fetchone()
        rows = self.db.execute(
            """SELECT kind, id, title, at, person, linked, size FROM words JOIN thread ON number = words.rowid
            WHERE words MATCH ? ORDER BY rank, at DESC LIMIT ? OFFSET ?""",
            (query, number, start),
        )
        return int(total[0]), [Thread(*row) for row in rows]

    def raw(self, table: str, key: str) -> dict[str, Any] | None:
        """Give what was received of one thing."""
        row = self.db.execute(f'SELECT raw FROM "{table}" WHERE id = ?', (key,)).fetchone()  # noqa: S608 - our tables
        return loads(row[0]) if row else None

    def rows(self, table: str, where: str = "1", *values: Any) -> Iterator[dict[str, Any]]:
        """Give the rows of a table, each with its number."""
        found = self.db.execute(f'SELECT rowid AS number, * FROM "{table}" WHERE {where}', values)  # noqa: S608 - ours
        names = [column[0] for column in found.description]
        return (dict(zip(names, row, strict=True)) for row in found)

    def size(self, table: str) -> int:
        """Count the rows of a table."""
        return int(self.db.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])  # noqa: S608 - our tables

    def _choices(self, field: str) -> dict[str, str]:
        """Give the names of a ticket field's numbers; fields write them as `{"2": ["Open", …]}` or as `{"Low": 1}`."""
        for row in self.rows("freshdesk_fields", "name = ?", field):
            choices = loads(row["raw"]).get("choices")
            if isinstance(choices, dict):
                return dict(_choice(key, value) for key, value in choices.items())
        return {}

    def _name_of_user(self, key: str) -> str:
        for table in ("users", "freshchat_agents"):
            for row in self.rows(table, "id = ?", key):
                name = " ".join(filter(None, (row["first_name"], row["last_name"])))
                return name or str(row["email"] or key)
        return key

    def _name_of_contact(self, key: str) -> str:
        for table in ("freshdesk_agents", "contacts"):
            for row in self.rows(table, "id = ?", key):
                return str(row["name"] or row["email"] or key)
        return key


class _Threads:
    """Fills the list of threads and the index of words."""

    def __init__(self, archive: Archive, index: Index, step: Step) -> None:
        self._archive, self._index, self._step = archive, index, step
        self._number = 0

    def fill(self) -> None:
        db = self._index.db
        db.execute("BEGIN")
        for conversation in self._archive.elements(layout.CONVERSATIONS):
            self._conversation(conversation.value)
        for ticket in self._archive.elements(layout.TICKETS):
            self._ticket(ticket.value)
        db.execute("COMMIT")

    def _conversation(self, value: dict[str, Any]) -> None:
        key = id_of_conversation(value)
        messages = [message.value for message in self._archive.messages(key)]
        said = [message_text(message) for message in messages]
        person = self._index.name_of_user(str(value.get("user_id") or ""))
        title = next((text for text, message in zip(said, messages, strict=True) if _is_question(message) and text), "")
        at = value.get("created_time") or (messages[0].get("created_time") if messages else "")
        linked = any(True for _ in self._index.rows("links", "conversation_id = ?", storable(key)))
        self._add("conversation", key, title, at, person, linked, said)

    def _ticket(self, value: dict[str, Any]) -> None:
        key = str(value.get("id"))
        said = [body_text(value, "description")]
        said += [body_text(reply.value, "body") for reply in self._archive.replies(key)]
        person = self._index.name_of_contact(str(value.get("requester_id") or ""))
        self._add("ticket", key, str(value.get("subject") or ""), value.get("created_at"), person, True, said)

    def _add(self, kind: Kind, key: str, title: str, at: Any, person: str, linked: bool, said: list[str]) -> None:
        self._number += 1
        short = " ".join(title.split())[:TITLE]
        row = (kind, key, short, str(at or ""), person[:NAME], linked, len(said) - (kind == "ticket"))
        self._index.db.execute("INSERT INTO thread VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (self._number, *map(cell, row)))
        text = words.indexed("\n".join((key, person, title, *said)))
        self._index.db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (self._number, storable(text)))
        if self._number % EVERY == 0:
            self._step(self._number)


def _is_question(message: dict[str, Any]) -> bool:
    return message.get("actor_type") == "user" and any(piece.kind == "text" for piece in pieces(message))


def _choice(key: str, value: Any) -> tuple[str, str]:
    if isinstance(value, list):
        return key, str(value[0]) if value else key
    return str(value), key
