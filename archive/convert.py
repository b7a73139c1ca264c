"""Writes an archive in other forms: one SQLite database, or one file of JSON Lines for each kind of thing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from archive.reading import Archive
from archive.tables import TABLES, Table

Step = Callable[[int], None]
"""Is told now and then how many rows are written."""

EVERY = 500


def expected_rows(archive: Archive) -> int:
    """Tell about how many rows there will be, as the archive's own report counts them."""
    totals = archive.report.get("totals")
    counts = totals.values() if isinstance(totals, dict) else ()
    return sum(count for count in counts if isinstance(count, int))


def to_sqlite(archive: Archive, file: Path, step: Step) -> int:
    """Write a database; it is there when it is whole. Give the number of rows. OSError if it cannot be written."""
    with _whole(file) as part, database(part) as db:
        fill(archive, db, TABLES, step)
        return db.total_changes


@contextmanager
def database(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a new database, and close it; not durable while it is written. Its errors become OSError."""
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = OFF")
            db.execute("PRAGMA synchronous = OFF")
            yield db
    except sqlite3.Error as error:
        raise OSError(f"{file}: {error}") from error


def fill(archive: Archive, db: sqlite3.Connection, tables: Iterable[Table], step: Step) -> None:
    """Write these tables, each with an index."""
    db.execute("BEGIN")
    done = 0
    for table in tables:
        db.execute(table.create)
        for element in table.rows(archive):
            db.execute(table.insert, table.cells(element))
            done += 1
            if done % EVERY == 0:
                step(done)
        if table.indexed:
            db.execute(f'CREATE INDEX "{table.name}_{table.indexed}" ON "{table.name}" ("{table.indexed}")')
    db.execute("COMMIT")


def to_json_lines(archive: Archive, folder: Path, step: Step, tables: Sequence[Table] = TABLES) -> int:
    """Write `conversations.jsonl` and so on, each line as received; give the number of lines."""
    folder.mkdir(parents=True, exist_ok=True)
    done = 0
    for table in tables:
        with _whole(folder / f"{table.name}.jsonl") as part, part.open("w", encoding="utf-8", newline="\n") as out:
            for element in table.rows(archive):
                out.write(element.raw + "\n")
                done += 1
                if done % EVERY == 0:
                    step(done)
    return done


@contextmanager
def _whole(file: Path) -> Iterator[Path]:
    """Give a file to write to, readable by nobody else; it gets its name when all went well. FileExistsError."""
    if file.exists():
        raise FileExistsError(f"{file} is there already")
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    try:
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
