"""The SQLite file: how it is opened, which tables it has, and what its errors mean to us."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sqlite3
from contextlib import suppress
from pathlib import Path

from bridge.errors import Misconfigured, StoreFull, Unavailable

COMPONENT = "sqlite"

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",  # macOS only: its fsync alone does not reach the disk
    "PRAGMA foreign_keys = OFF",
    "PRAGMA wal_autocheckpoint = 16000",  # 64 MiB: pages that change often reach the main file seldom
    "PRAGMA journal_size_limit = 67108864",  # a burst must not leave a huge -wal file behind
    "PRAGMA cache_size = -32768",
    "PRAGMA mmap_size = 2147418112",  # SQLite's most: a page that is not in its cache costs no system call
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # One row per session with waiting messages. `visible_at` is when anybody may take it: since when it is
        # ready, when its retry is due, or when its lease runs out. One indexed column answers all three.
        """CREATE TABLE sessions (
             id INTEGER PRIMARY KEY, direction INTEGER NOT NULL, key TEXT NOT NULL, tenant TEXT NOT NULL,
             visible_at REAL NOT NULL, owner TEXT, UNIQUE (direction, key))""",
        "CREATE INDEX sessions_turn ON sessions (direction, tenant, visible_at)",
        """CREATE TABLE messages (
             id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL, direction INTEGER NOT NULL, tenant TEXT NOT NULL,
             message_id TEXT NOT NULL, kind TEXT NOT NULL, trace TEXT NOT NULL, received_at REAL NOT NULL,
             queued_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, first_failed_at REAL, body BLOB NOT NULL)""",
        "CREATE INDEX messages_order ON messages (session_id, id)",
        "CREATE INDEX messages_age ON messages (direction, queued_at)",
        # AUTOINCREMENT: people write letter ids down, so a number is never given twice.
        """CREATE TABLE dead_letters (
             id INTEGER PRIMARY KEY AUTOINCREMENT, direction INTEGER NOT NULL, session TEXT NOT NULL,
             tenant TEXT NOT NULL, message_id TEXT NOT NULL, kind TEXT NOT NULL, trace TEXT NOT NULL,
             received_at REAL NOT NULL, attempts INTEGER NOT NULL, first_failed_at REAL NOT NULL,
             last_failed_at REAL NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL, component TEXT NOT NULL,
             body BLOB NOT NULL)""",
        "CREATE INDEX dead_letters_direction ON dead_letters (direction)",
        "CREATE TABLE dedupe (key BLOB PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID",
        "CREATE INDEX dedupe_expires ON dedupe (expires)",
        # Counted by triggers, so that no code path can forget and depth() reads one row.
        "CREATE TABLE depth (direction INTEGER PRIMARY KEY, waiting INTEGER NOT NULL, dead INTEGER NOT NULL)",
        "INSERT INTO depth VALUES (0, 0, 0), (1, 0, 0)",
        """CREATE TRIGGER messages_in AFTER INSERT ON messages BEGIN
             UPDATE depth SET waiting = waiting + 1 WHERE direction = NEW.direction; END""",
        """CREATE TRIGGER messages_out AFTER DELETE ON messages BEGIN
             UPDATE depth SET waiting = waiting - 1 WHERE direction = OLD.direction; END""",
        """CREATE TRIGGER dead_letters_in AFTER INSERT ON dead_letters BEGIN
             UPDATE depth SET dead = dead + 1 WHERE direction = NEW.direction; END""",
        """CREATE TRIGGER dead_letters_out AFTER DELETE ON dead_letters BEGIN
             UPDATE depth SET dead = dead - 1 WHERE direction = OLD.direction; END""",
        """CREATE TABLE links (
             tenant TEXT NOT NULL, conversation_id TEXT NOT NULL, thread_key TEXT NOT NULL, place TEXT NOT NULL,
             freshchat_user_id TEXT NOT NULL, inbox_id TEXT NOT NULL, status TEXT NOT NULL, locale TEXT,
             created_at REAL NOT NULL, PRIMARY KEY (tenant, conversation_id))""",
        """CREATE TABLE threads (
             tenant TEXT NOT NULL, thread_key TEXT NOT NULL, conversation_id TEXT, claimed_by TEXT,
             claimed_until REAL, version INTEGER NOT NULL, PRIMARY KEY (tenant, thread_key))""",
        """CREATE TABLE journal (
             id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, key TEXT NOT NULL, started_at REAL NOT NULL,
             note TEXT NOT NULL, sent_id TEXT, expires REAL NOT NULL, UNIQUE (tenant, key))""",
        "CREATE INDEX journal_sent ON journal (tenant, sent_id) WHERE sent_id IS NOT NULL",
        "CREATE INDEX journal_expires ON journal (expires)",
        """CREATE TABLE facts (
             id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, kind TEXT NOT NULL, fact_id TEXT NOT NULL,
             value TEXT NOT NULL, expires REAL, UNIQUE (tenant, kind, fact_id))""",
        "CREATE INDEX facts_expires ON facts (expires) WHERE expires IS NOT NULL",
        "CREATE TABLE pulse (id INTEGER PRIMARY KEY CHECK (id = 1), at REAL NOT NULL)",
        "INSERT INTO pulse VALUES (1, 0)",
    ),
    # Holds only what is under lease now: finds what a dead process held among a million sessions that wait.
    ("CREATE INDEX sessions_owner ON sessions (owner) WHERE owner IS NOT NULL",),
    (
        "ALTER TABLE messages ADD COLUMN span TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE messages ADD COLUMN replays INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE messages ADD COLUMN failure TEXT",  # JSON: why it was given back last
        "ALTER TABLE dead_letters ADD COLUMN span TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE dead_letters ADD COLUMN replays INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE dead_letters ADD COLUMN transient INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX dead_letters_time ON dead_letters (direction, last_failed_at)",
        # Long keys are found by a digest of 16 bytes: an index of them is a tenth of the size, and stays in memory.
        "ALTER TABLE links RENAME TO old_links",
        "ALTER TABLE threads RENAME TO old_threads",
        "ALTER TABLE journal RENAME TO old_journal",
        """CREATE TABLE links (
             id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, tenant TEXT NOT NULL, conversation_id TEXT NOT NULL,
             thread_key TEXT NOT NULL, place TEXT NOT NULL, freshchat_user_id TEXT NOT NULL, inbox_id TEXT NOT NULL,
             status TEXT NOT NULL, locale TEXT, created_at REAL NOT NULL, active_at REAL NOT NULL,
             trace TEXT NOT NULL)""",
        """INSERT INTO links SELECT NULL, digest(tenant, conversation_id), tenant, conversation_id, thread_key, place,
             freshchat_user_id, inbox_id, status, locale, created_at, created_at, '' FROM old_links""",
        "CREATE INDEX links_active ON links (tenant, active_at, conversation_id)",
        """CREATE TABLE threads (
             digest BLOB PRIMARY KEY, conversation_id TEXT, claimed_by TEXT, claimed_until REAL,
             version INTEGER NOT NULL) WITHOUT ROWID""",
        """INSERT INTO threads SELECT digest(tenant, thread_key), conversation_id, claimed_by, claimed_until, version
             FROM old_threads""",
        # `ref` is the first 32 bits of the trace id, what people quote. `sent` is the digest of tenant and sent_id.
        """CREATE TABLE journal (
             id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, tenant TEXT NOT NULL, key TEXT NOT NULL,
             trace TEXT NOT NULL, ref INTEGER, started_at REAL NOT NULL, done_at REAL, note TEXT NOT NULL,
             sent_id TEXT, sent BLOB, expires REAL NOT NULL)""",
        """INSERT INTO journal SELECT id, digest(tenant, key), tenant, key, '', NULL, started_at, NULL, note, sent_id,
             CASE WHEN sent_id IS NOT NULL THEN digest(tenant, sent_id) END, expires FROM old_journal""",
        "DROP TABLE old_links",
        "DROP TABLE old_threads",
        "DROP TABLE old_journal",  # and its indexes
        "CREATE INDEX journal_sent ON journal (sent) WHERE sent IS NOT NULL",
        "CREATE INDEX journal_expires ON journal (expires)",
        "CREATE INDEX journal_ref ON journal (ref) WHERE ref IS NOT NULL",
    ),
    (
        # Counted as `depth` is. A row stays when nothing waits any more: there are as many as there ever were tenants.
        """CREATE TABLE tenant_depth (
             direction INTEGER NOT NULL, tenant TEXT NOT NULL, waiting INTEGER NOT NULL,
             PRIMARY KEY (direction, tenant)) WITHOUT ROWID""",
        "INSERT INTO tenant_depth SELECT direction, tenant, count(*) FROM messages GROUP BY direction, tenant",
        "DROP TRIGGER messages_in",
        "DROP TRIGGER messages_out",
        """CREATE TRIGGER messages_in AFTER INSERT ON messages BEGIN
             UPDATE depth SET waiting = waiting + 1 WHERE direction = NEW.direction;
             INSERT INTO tenant_depth VALUES (NEW.direction, NEW.tenant, 1)
               ON CONFLICT (direction, tenant) DO UPDATE SET waiting = waiting + 1; END""",
        """CREATE TRIGGER messages_out AFTER DELETE ON messages BEGIN
             UPDATE depth SET waiting = waiting - 1 WHERE direction = OLD.direction;
             UPDATE tenant_depth SET waiting = waiting - 1 WHERE direction = OLD.direction AND tenant = OLD.tenant;
             END""",
    ),
    # NULL: the call was made once, or is about to be, at `started_at`.
    ("ALTER TABLE journal ADD COLUMN tried_at REAL",),
    # Digests begin with the time since then. Those of `dedupe` run out by themselves; the journal knows the same keys.
    (
        "UPDATE journal SET digest = digest(tenant, key), sent = iif(sent IS NULL, NULL, digest(tenant, sent_id))",
        "UPDATE links SET digest = digest(tenant, conversation_id)",
        "ALTER TABLE threads RENAME TO old_threads",
        """CREATE TABLE threads (
             digest BLOB PRIMARY KEY, conversation_id TEXT, claimed_by TEXT, claimed_until REAL,
             version INTEGER NOT NULL) WITHOUT ROWID""",
        # A claim without a conversation is not kept: its process has ended, and the journal knows what it did.
        """INSERT OR IGNORE INTO threads SELECT digest(l.tenant, l.thread_key), t.conversation_id, t.claimed_by,
             t.claimed_until, t.version FROM links l JOIN old_threads t ON t.conversation_id = l.conversation_id""",
        "DROP TABLE old_threads",
    ),
)


_MOMENT = re.compile(r".*(?<!\d)(1\d{12})(?!\d)", re.DOTALL)
"""The last number in a key that looks like milliseconds: ids of Teams messages are such numbers."""


def digest(*parts: str) -> bytes:
    """Shorten a key to 16 bytes; no two keys that anybody will ever see have the same.

    If the key tells when (`_MOMENT`), that comes first, in seconds: then what is written at one time lies in the same
    few pages of an index, however large it is, instead of a page for each key.
    """
    key = "\0".join(parts)
    when = _MOMENT.match(key)
    if when is None:
        return hashlib.blake2b(key.encode(), digest_size=16).digest()
    seconds = int(when[1]) // 1000
    return seconds.to_bytes(4, "big") + hashlib.blake2b(key.encode(), digest_size=12).digest()


SWEEPS = (
    "DELETE FROM dedupe WHERE key IN (SELECT key FROM dedupe WHERE expires <= ? ORDER BY expires LIMIT ?)",
    "DELETE FROM journal WHERE id IN (SELECT id FROM journal WHERE expires <= ? ORDER BY expires LIMIT ?)",
    "DELETE FROM facts WHERE id IN (SELECT id FROM facts WHERE expires <= ? ORDER BY expires LIMIT ?)",
)

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_REOPEN = _DAMAGED | {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL}
_REFUSED = _REOPEN | {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
}


def _primary(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_refusal(error: BaseException) -> bool:
    """Tell whether the file or the disk is at fault, not the statement."""
    return isinstance(error, OSError | Misconfigured) or _primary(error) in _REFUSED


def is_busy(error: BaseException) -> bool:
    """Tell whether another process just has the lock."""
    return _primary(error) == sqlite3.SQLITE_BUSY


def needs_reopening(error: BaseException) -> bool:
    """Tell whether the connection may be worn out by this error."""
    return _primary(error) in _REOPEN


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, "OSError")
    return str(getattr(error, "sqlite_errorname", type(error).__name__))


def write_refusal(error: BaseException) -> StoreFull:
    """Say in our words why nothing can be stored now."""
    return StoreFull(f"the store cannot take it now ({_reason(error)})")


def read_refusal(error: BaseException) -> Unavailable:
    """Say in our words why nothing can be read now."""
    return Unavailable(f"the store cannot be read now ({_reason(error)})", code="store", component=COMPONENT)


def connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """Open the file, bring its tables up to date, and return the connection; Misconfigured if it is not ours to use."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _create(path)
    except (PermissionError, NotADirectoryError, FileExistsError, IsADirectoryError) as error:
        raise Misconfigured(
            f"cannot use {path} as store: {error.strerror}. Give the bridge a folder it may write to (BRIDGE_DATA_DIR)."
        ) from None
    conn = sqlite3.connect(
        path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        _prepare(conn, path)
    except BaseException:
        conn.close()
        raise
    return conn


def _create(path: Path) -> None:
    """Create the file for our eyes only (it holds messages; SQLite gives -wal and -shm the same mode).

    A file that is there is never opened past SQLite: closing it would drop the POSIX locks that this process's
    connections hold on it, and the next process to leave would then delete their -wal under them.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _prepare(conn: sqlite3.Connection, path: Path) -> None:
    try:
        for pragma in PRAGMAS:
            conn.execute(pragma)
        _migrate(conn, path)
    except sqlite3.DatabaseError as error:
        if _primary(error) not in _DAMAGED:
            raise
        raise Misconfigured(
            f"{path} is damaged or not a SQLite file. Stop the bridge, move the file with its -wal and -shm "
            "neighbours aside, restore it from a backup (or start with an empty one), then start again."
        ) from None


def _version(conn: sqlite3.Connection) -> int:
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def _migrate(conn: sqlite3.Connection, path: Path) -> None:
    if _version(conn) == len(MIGRATIONS):
        return
    conn.execute("BEGIN IMMEDIATE")  # another process may be doing the same: look again under the lock
    try:
        version = _version(conn)
        if version > len(MIGRATIONS):
            raise Misconfigured(
                f"{path} was written by a newer version of the bridge (schema {version}, this one knows "
                f"{len(MIGRATIONS)}). Run that version or a later one, or restore the backup made before the upgrade."
            )
        conn.create_function("digest", -1, digest, deterministic=True)
        for statement in (s for step in MIGRATIONS[version:] for s in step):
            conn.execute(statement)
        conn.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise
