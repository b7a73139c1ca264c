"""What is done with an archive, as processes: right exit codes, clear words, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.archive_builder import archive

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return archive(tmp_path)


def export(*arguments: str | Path, code: int = 0, **environment: str) -> tuple[str, str]:
    """Run a command that must end with this code, and without a stack trace; give output and error output."""
    command = [sys.executable, "-m", "bridgectl", "export", *map(str, arguments)]
    ran = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == code, (arguments, ran.stdout, ran.stderr)
    assert "Traceback" not in ran.stdout + ran.stderr
    return ran.stdout, ran.stderr


def test_verify_says_what_it_found(root: Path, tmp_path: Path) -> None:
    """Nothing, then a file; its name cannot act on the terminal, and the scratch database is gone."""
    (tmp_path / "tmp").mkdir()
    said, _ = export("verify", root, TMPDIR=str(tmp_path / "tmp"))
    assert "Everything is as it was written." in said
    assert "1 attachment could not be fetched." in said
    (root / "freshchat" / "\x1b[31m.json").write_text("[]\n")
    (root / "freshdesk/contacts.json").unlink()
    said, _ = export("verify", root, code=1, TMPDIR=str(tmp_path / "tmp"))
    assert "missing    freshdesk/contacts.json: " in said
    assert "extra      freshchat/\\x1b[31m.json: " in said
    assert list((tmp_path / "tmp").iterdir()) == []


def test_verify_speaks_json(root: Path) -> None:
    """The same, for machines."""
    whole: dict[str, Any] = json.loads(export("verify", root, "--json")[0])
    assert whole["ok"] is True
    assert whole["findings"] == []
    (root / "links.json").unlink()
    broken = json.loads(export("verify", root, "--json", code=1)[0])
    assert broken["ok"] is False
    assert broken["findings"] == [{"kind": "missing", "path": "links.json", "detail": "listed, and not there"}]
    assert broken["fingerprint"] == whole["fingerprint"]


@pytest.mark.parametrize("name", ["", "nothing-here"])
def test_a_folder_that_is_no_archive_is_refused(name: str, tmp_path: Path) -> None:
    """With 2, because nothing could be said about an archive."""
    assert "is no archive" in export("verify", tmp_path / name, code=2)[1]


def test_convert_writes_a_database_or_lines(root: Path, tmp_path: Path) -> None:
    """And says how much; a second time it refuses, as one of both must be said."""
    said, _ = export("convert", root, "--to-sqlite", tmp_path / "a.sqlite")
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM messages").fetchone() == (25,)
    assert "69 rows" in said
    export("convert", root, "--to-jsonl", tmp_path / "lines")
    assert len((tmp_path / "lines/messages.jsonl").read_text("utf-8").split("\n")) == 25 + 1
    assert "is there already" in export("convert", root, "--to-sqlite", tmp_path / "a.sqlite", code=2)[1]
    assert "--to-sqlite" in export("convert", root, code=2)[1]


@pytest.mark.parametrize("command", [["convert", "--to-sqlite", "out"], ["convert", "--to-jsonl", "out"], ["verify"],
                                     ["view", "--static", "out"]], ids=" ".join)  # fmt: skip
def test_an_interrupt_ends_it_at_once(command: list[str], tmp_path: Path) -> None:
    """In one line, however much is left to do; half of something is not left."""
    root = archive(tmp_path, conversations=4000)
    (tmp_path / "tmp").mkdir()
    words = [sys.executable, "-m", "bridgectl", "export", command[0], str(root), *command[1:]]
    words = [str(tmp_path / word) if word == "out" else word for word in words]
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(ROOT)}
    before = set(tmp_path.iterdir())
    with subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and set(tmp_path.iterdir()) == before and not list((tmp_path / "tmp").iterdir()):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (2, "Interrupted.\n")
    left = [path for path in tmp_path.rglob("*") if path.is_file() and root not in path.parents]
    assert left == []


def test_a_full_disk_ends_in_one_line(root: Path, tmp_path: Path) -> None:
    """And leaves nothing behind; a limit on the size of files stands for the disk."""
    limited = f"ulimit -f 8; exec {sys.executable} -m bridgectl export convert {root} --to-sqlite {tmp_path}/a.sqlite"
    ran = subprocess.run(["bash", "-c", limited], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2, ran
    assert ran.stderr.startswith("OSError: ")
    assert "Traceback" not in ran.stderr
    assert not list(tmp_path.glob("a.sqlite*"))
