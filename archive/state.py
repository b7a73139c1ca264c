"""Everything received so far, in one SQLite file: what was read is never read again, however the process ended.

What one page brought is in one transaction: its rows, the tasks it leads to, and how far its own task came. So a
SIGKILL costs the pages that were under way, and nothing of them is half there. The process serves nobody else, so it
writes where it stands; a commit waits for no disk, because of WAL with `synchronous=NORMAL`. Bodies lie in tables with
row numbers, one behind the other: in a tree by id, each would fall on another page, of a file much larger than memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archive.page import TASK, Page
from bridge.errors import Misconfigured

SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE task(id INTEGER PRIMARY KEY, stream TEXT NOT NULL, key TEXT NOT NULL, cursor TEXT NOT NULL,
  done INTEGER NOT NULL DEFAULT 0, UNIQUE(stream, key));
CREATE INDEX task_open ON task(stream, id) WHERE done = 0;
CREATE TABLE item(kind TEXT NOT NULL, id TEXT NOT NULL, number INTEGER NOT NULL, rank INTEGER NOT NULL,
  version TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY(kind, id));
CREATE INDEX item_number ON item(kind, number, id) WHERE number < (1 << 62);
CREATE TABLE part(kind TEXT NOT NULL, parent TEXT NOT NULL, id TEXT NOT NULL, at REAL NOT NULL, place INTEGER NOT NULL,
  body TEXT NOT NULL, PRIMARY KEY(kind, parent, id));
CREATE TABLE seen(conversation TEXT NOT NULL, source TEXT NOT NULL, user TEXT NOT NULL DEFAULT '',
  PRIMARY KEY(conversation, source, user)) WITHOUT ROWID;
CREATE TABLE told(conversation TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY(conversation, message)) WITHOUT ROWID;
CREATE TABLE covered(since REAL NOT NULL, until REAL NOT NULL, PRIMARY KEY(since, until)) WITHOUT ROWID;
CREATE TABLE attachment(product TEXT NOT NULL, source TEXT NOT NULL, owner TEXT NOT NULL, attachment TEXT NOT NULL,
  kind TEXT NOT NULL, parent TEXT NOT NULL, name TEXT NOT NULL, content_type TEXT NOT NULL, size INTEGER, sha256 TEXT,
  state TEXT NOT NULL DEFAULT 'failed', reason TEXT NOT NULL DEFAULT 'not_fetched',
  PRIMARY KEY(product, source, owner, attachment)) WITHOUT ROWID;
CREATE TABLE attachment_path(product TEXT NOT NULL, source TEXT NOT NULL, owner TEXT NOT NULL, attachment TEXT NOT NULL,
  path TEXT NOT NULL, PRIMARY KEY(product, source, owner, attachment)) WITHOUT ROWID;
CREATE TABLE report_file(path TEXT PRIMARY KEY, sha256 TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE gap(what TEXT NOT NULL, id TEXT NOT NULL, reason TEXT NOT NULL, path TEXT NOT NULL,
  missing INTEGER NOT NULL, PRIMARY KEY(what, id)) WITHOUT ROWID;
CREATE TABLE report(event TEXT NOT NULL, since TEXT NOT NULL, until TEXT NOT NULL, rows INTEGER NOT NULL,
  PRIMARY KEY(event, since)) WITHOUT ROWID;
CREATE TABLE ticket_state(ticket TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE unchanged(conversation TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE absent(number INTEGER PRIMARY KEY);
CREATE TABLE file(path TEXT PRIMARY KEY, sha256 TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE name(folder TEXT NOT NULL, folded TEXT NOT NULL, PRIMARY KEY(folder, folded)) WITHOUT ROWID;
CREATE TABLE renamed(folder TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY(folder, id)) WITHOUT ROWID;
CREATE TABLE link(conversation TEXT NOT NULL, ticket INTEGER NOT NULL, confidence TEXT NOT NULL, evidence TEXT NOT NULL,
  PRIMARY KEY(conversation, ticket)) WITHOUT ROWID;
CREATE TABLE person(product TEXT NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL,
  PRIMARY KEY(product, key, id)) WITHOUT ROWID;
CREATE TABLE chat(id TEXT PRIMARY KEY, internal TEXT NOT NULL, user TEXT NOT NULL, since REAL, until REAL)
  WITHOUT ROWID;
CREATE INDEX chat_internal ON chat(internal);
CREATE INDEX chat_user ON chat(user);
CREATE INDEX person_id ON person(product, id);
"""

FORMAT = 2
CHECKPOINT = 8000
"""Pages of 4 KiB in the log before they are copied into the file, which is when the disk is waited for."""
WHOLE = ("freshchat.conversations", "freshdesk.ticket")


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to be read, page by page; `cursor` says which page is next."""

    id: int
    stream: str
    key: str
    cursor: str


@dataclass(frozen=True, slots=True)
class Read:
    """What one page of a task brought, and the cursor of the next one (None: the task is done)."""

    task: Task
    page: Page
    cursor: str | None


@dataclass(slots=True)
class Count:
    """How far a stream has come: tasks known and done; pages and rows read by this process."""

    known: int = 0
    done: int = 0
    pages: int = 0
    rows: int = 0


class State:
    """One export's state. Only one process at a time can have it open."""

    def __init__(self, path: Path) -> None:
        """Misconfigured if another process works on it, or another version of this program wrote it."""
        self._db = sqlite3.connect(path, isolation_level=None, timeout=1)
        self.counts: dict[str, Count] = {}
        try:
            self._open()
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" in str(error):
                raise Misconfigured("another process works on this export") from None
            raise

    def _open(self) -> None:
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA cache_size=-16000")
        self._db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT}")
        self._db.execute("PRAGMA temp_store=FILE")
        self._db.execute("BEGIN IMMEDIATE")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={FORMAT}")
        self._db.execute("COMMIT")
        if version not in (0, FORMAT):
            raise Misconfigured("another version of this program began this export")
        self._counted()

    def _counted(self) -> None:
        for stream, known, done in self.rows("SELECT stream, COUNT(*), SUM(done) FROM task GROUP BY stream"):
            self.counts[stream] = Count(known, done)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def run(self, sql: str, *values: Any) -> None:
        """Execute one statement."""
        self._db.execute(sql, values)

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute one statement for many rows, as they come."""
        self._db.executemany(sql, rows)

    def rows(self, sql: str, *values: Any) -> Iterator[Any]:
        """Read rows one by one."""
        return iter(self._db.execute(sql, values))

    def value(self, sql: str, *values: Any) -> Any:
        """Read one value; None if there is no row."""
        row = self._db.execute(sql, values).fetchone()
        return None if row is None else row[0]

    # --- tasks

    def count(self, stream: str) -> Count:
        """Give the count of a stream, to read or to add to."""
        return self.counts.setdefault(stream, Count())

    def commit(self, reads: Sequence[Read]) -> None:
        """Keep what some pages brought, and how far their tasks came, all of it or nothing."""
        with self.transaction():
            for read in reads:
                self.apply(read.page)
                self._came(read)
        for read in reads:
            count = self.count(read.task.stream)
            count.pages += 1
            count.rows += read.page.rows
            count.done += read.cursor is None

    def _came(self, read: Read) -> None:
        if read.cursor is None:
            self.run("UPDATE task SET done = 1 WHERE id = ?", read.task.id)
        else:
            self.run("UPDATE task SET cursor = ? WHERE id = ?", read.cursor, read.task.id)

    def apply(self, page: Page) -> None:
        """Write what was recorded."""
        for sql, values in page.writes:
            added = self._db.execute(sql, values).rowcount
            if sql is TASK and added:
                self.count(values[0]).known += 1

    def waiting(self, stream: str, after: int, limit: int) -> list[Task]:
        """Give tasks of a stream that are not done, the oldest first, behind the task `after`."""
        rows = self._db.execute(
            "SELECT id, stream, key, cursor FROM task WHERE stream = ? AND done = 0 AND id > ? ORDER BY id LIMIT ?",
            (stream, after, limit),
        )
        return [Task(*row) for row in rows]

    def reopen(self) -> None:
        """Have read again what was refused or away: rights come back, and so do upstreams."""
        listed = "SELECT what, id FROM gap WHERE reason = 'not_permitted' OR reason LIKE 'unavailable%'"
        with self.transaction():
            for stream, key in list(self.rows(listed)):
                self._reopen(stream, key)
        self._counted()

    def _reopen(self, stream: str, key: str) -> None:
        """Open the tasks of a gap: its own, and `key@…`; one conversation or ticket is read from its beginning."""
        found = "SELECT id FROM task WHERE stream = ? AND (key = ? OR key >= ? AND key < ?)"
        for (task,) in list(self.rows(found, stream, key, f"{key}@", f"{key}A")):  # "A" is behind "@"
            self.run("UPDATE task SET done = 0 WHERE id = ?", task)
            if stream in WHOLE:
                self.run("UPDATE task SET cursor = '' WHERE id = ?", task)
            self.run("DELETE FROM gap WHERE what = ? AND id = ?", stream, key)

    # --- facts about the export itself

    def get(self, name: str, default: str = "") -> str:
        """Recall a fact."""
        value = self.value("SELECT value FROM meta WHERE name = ?", name)
        return default if value is None else str(value)

    def put(self, name: str, value: str) -> None:
        """Keep a fact."""
        self.run("INSERT OR REPLACE INTO meta VALUES(?, ?)", name, value)
