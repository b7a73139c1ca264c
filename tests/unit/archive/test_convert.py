"""An archive as a database and as JSON Lines: nothing dropped, nothing changed, types that can be counted with."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from archive.convert import expected_rows, to_json_lines, to_sqlite
from archive.reading import Archive, NotAnArchive
from archive.tables import TABLES
from tests.archive_builder import HUGE, RENAMED, archive, rewrite


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return Archive(archive(tmp_path_factory.mktemp("whole")))


@pytest.fixture
def db(whole: Archive, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    file = tmp_path / "archive.sqlite"
    to_sqlite(whole, file, lambda _done: None)
    assert file.stat().st_mode & 0o077 == 0, "it holds what people wrote"
    with closing(sqlite3.connect(file)) as connection:
        yield connection


def nothing(_done: int) -> None:
    return None


def test_every_element_is_in_the_database_as_received(whole: Archive, db: sqlite3.Connection) -> None:
    """The raw column holds the text of the file, so no number and no order of keys is lost."""
    for table in TABLES:
        kept = [raw for (raw,) in db.execute(f"SELECT raw FROM {table.name} ORDER BY rowid")]
        assert kept == [element.raw for element in table.rows(whole)]
    lines = (whole.root / "freshchat/conversations.json").read_text().splitlines()[1:-1]
    assert [raw for (raw,) in db.execute("SELECT raw FROM conversations")] == [line.removesuffix(",") for line in lines]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT internal_id - 1 FROM conversations WHERE id = 'c-0000001'", [(HUGE,)]),
        ("SELECT count(*) FROM messages JOIN conversations c ON c.id = conversation_id", [(25,)]),
        ("SELECT text FROM messages WHERE conversation_id = 'c-empty'", []),
        (f"SELECT text FROM messages WHERE conversation_id = '{RENAMED}'", [("old id",)]),
        ("SELECT count(*), sum(private) FROM ticket_conversations", [(10, 5)]),
        ("SELECT text FROM ticket_conversations WHERE id = 90001", [("메모: 부품 주문",)]),
        ("SELECT name, email FROM freshdesk_agents WHERE id = 432", [("Grace Hop", "grace@example.com")]),
        ("SELECT typeof(spam), spam FROM tickets WHERE id = 9000", [("integer", 1)]),
        ("SELECT t.subject FROM links JOIN tickets t ON t.id = ticket_id WHERE conversation_id = 'c-0000002'",
         [("프린터 문제 102",)]),
        ("SELECT count(*) FROM tickets WHERE julianday(created_at) > julianday('2026-01-05')", [(5,)]),
    ],
)  # fmt: skip
def test_columns_have_types(query: str, rows: list[tuple[Any, ...]], db: sqlite3.Connection) -> None:
    """So that analysts can join, sum and compare."""
    assert db.execute(query).fetchall() == rows


def test_json_lines_are_the_elements_as_received(whole: Archive, tmp_path: Path) -> None:
    """One file for each kind; the number of lines is what was said."""
    written = to_json_lines(whole, tmp_path / "lines", nothing)
    lines = {file.stem: file.read_text("utf-8").split("\n")[:-1] for file in (tmp_path / "lines").iterdir()}
    assert sum(map(len, lines.values())) == written
    assert set(lines) == {table.name for table in TABLES}
    for table in TABLES:
        assert lines[table.name] == [element.raw for element in table.rows(whole)]


def test_odd_values_are_kept(tmp_path: Path) -> None:
    """Numbers beyond 64 bits, half a character, and an object where a text was expected."""
    root = archive(tmp_path)
    odd = {"id": 10**30, "first_name": "\ud83d", "last_name": {"a": ["김"]}, "email": 1.5, "phone": True}
    rewrite(root, "freshchat/users.json", lambda _rows: [])
    (root / "freshchat/users.json").write_text(f"[\n{json.dumps(odd)}\n]\n")
    to_sqlite(Archive(root), tmp_path / "db", nothing)
    with closing(sqlite3.connect(tmp_path / "db")) as db:
        (row,) = db.execute("SELECT id, first_name, json(last_name), email, phone, json(raw) FROM users")
    assert row[:2] == (str(10**30), "\\ud83d")
    assert json.loads(row[2]) == {"a": ["김"]}
    assert row[3:5] == ("1.5", "1")
    assert json.loads(row[5])["id"] == 10**30


def test_what_is_there_is_not_overwritten(whole: Archive, tmp_path: Path) -> None:
    """A database of last month stays."""
    (tmp_path / "db").write_text("mine")
    with pytest.raises(FileExistsError):
        to_sqlite(whole, tmp_path / "db", nothing)
    assert (tmp_path / "db").read_text() == "mine"


def test_half_a_database_is_not_left(tmp_path: Path) -> None:
    """A malformed list ends it; `verify` is named, as it says more."""
    root = archive(tmp_path)
    (root / "freshdesk/tickets.json").write_text('[\n{"id":1},\n')
    with pytest.raises(NotAnArchive, match=r"tickets.json.*export verify"):
        to_sqlite(Archive(root), tmp_path / "db", nothing)
    assert [file.name for file in tmp_path.iterdir()] == [root.name]


def test_progress_is_told_against_the_reports_totals(tmp_path: Path) -> None:
    """Close to the number of rows, for a bar."""
    whole = Archive(archive(tmp_path, conversations=400))
    told: list[int] = []
    written = to_json_lines(whole, tmp_path / "lines", told.append)
    assert told == sorted(told)
    assert told[-1] > 1000
    assert 0.7 * written < expected_rows(whole) <= written
