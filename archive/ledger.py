"""A scratch database of what was met: sets too large for memory, compared with each other."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from archive.lines import storable


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. `path` is relative to the archive, or empty."""

    kind: str
    path: str
    detail: str


class Ledger:
    """Entries of several kinds: an id, and a value to compare. Not durable; whoever makes it removes the file."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE entries (kind, id, value, PRIMARY KEY (kind, id)) WITHOUT ROWID")
        self._db.execute("CREATE TABLE findings (kind, path, detail)")
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, kind: str, key: str, value: str = "") -> bool:
        """Keep an entry; False if this kind has the id already, whose value then stays."""
        made = self._db.execute("INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", (kind, storable(key), value))
        return made.rowcount > 0

    def has(self, kind: str, key: str) -> bool:
        """Tell whether a kind has this id."""
        found = self._db.execute("SELECT 1 FROM entries WHERE kind = ? AND id = ?", (kind, storable(key))).fetchone()
        return found is not None

    def count(self, kind: str) -> int:
        """Count the ids of a kind."""
        row = self._db.execute("SELECT count(*) FROM entries WHERE kind = ?", (kind,)).fetchone()
        return int(row[0])

    def only_in(self, kind: str, other: str) -> Iterator[str]:
        """Give the ids of a kind that another kind has not, sorted."""
        query = """SELECT id FROM entries AS here WHERE kind = ? AND NOT EXISTS
            (SELECT 1 FROM entries WHERE kind = ? AND id = here.id) ORDER BY id"""
        return (str(row[0]) for row in self._db.execute(query, (kind, other)))

    def differing(self, kind: str, other: str) -> Iterator[str]:
        """Give the ids that both kinds have, with different values, sorted."""
        query = """SELECT here.id FROM entries AS here JOIN entries AS there ON there.kind = ? AND there.id = here.id
            WHERE here.kind = ? AND here.value <> there.value ORDER BY here.id"""
        return (str(row[0]) for row in self._db.execute(query, (other, kind)))

    def find(self, kind: str, path: str, detail: str) -> None:
        """Keep a finding."""
        self._db.execute("INSERT INTO findings VALUES (?, ?, ?)", (kind, storable(path), storable(detail)))

    def findings(self) -> Iterator[Finding]:
        """Give the findings, sorted."""
        rows = self._db.execute("SELECT kind, path, detail FROM findings ORDER BY kind, path, rowid")
        return (Finding(*row) for row in rows)

    def how_many(self) -> int:
        """Count the findings."""
        return int(self._db.execute("SELECT count(*) FROM findings").fetchone()[0])
