"""Evidence only grows, and whatever is changed in it later is noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridgectl.exit.evidence import Tampered, append, latest, read, settled


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "evidence.json"
    append(file, "notice", "ada", "confirmed", "공지: intranet", {})
    append(file, "export", "grace", "failed", "not complete", {"fingerprint": "a"})
    append(file, "export", "grace", "passed", "complete", {"fingerprint": "b"})
    return file


def test_the_newest_record_of_a_step_counts(file: Path) -> None:
    records = read(file)
    assert [record.number for record in records] == [1, 2, 3]
    assert latest(records)["export"].facts == {"fingerprint": "b"}
    assert settled(records) == {"notice", "export"}
    append(file, "export", "grace", "failed", "changed", {})
    assert settled(read(file)) == {"notice"}


CHANGES: dict[str, Callable[[list[Any]], object]] = {
    "a detail": lambda rows: rows[0].update(detail="otherwise"),
    "a fact": lambda rows: rows[1]["facts"].update(fingerprint="b"),
    "a result": lambda rows: rows[1].update(result="passed"),
    "the last record": lambda rows: rows[2].update(by="nobody"),
    "one taken out": lambda rows: rows.pop(1),
    "the first taken out": lambda rows: rows.pop(0),
    "two exchanged": lambda rows: rows.insert(0, rows.pop(1)),
    "one twice": lambda rows: rows.append(rows[2]),
    "a field more": lambda rows: rows[0].update(more=1),
    "no record": lambda rows: rows.append("x"),
}


def test_a_record_written_anew_with_its_hash_does_not_fit_the_next(file: Path) -> None:
    rows = json.loads(file.read_bytes())
    covered = {name: value for name, value in rows[0].items() if name != "hash"} | {"detail": "otherwise"}
    text = json.dumps(covered, sort_keys=True, ensure_ascii=False)
    rows[0] = covered | {"hash": hashlib.sha256(text.encode()).hexdigest()}
    file.write_text(json.dumps(rows[:1]), encoding="utf-8")
    assert read(file)[0].detail == "otherwise", "alone nothing tells"
    file.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(Tampered, match="record 2"):
        read(file)


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_changed_is_noticed(file: Path, change: str) -> None:
    """And nothing is added to it."""
    rows = json.loads(file.read_bytes())
    CHANGES[change](rows)
    file.write_text(json.dumps(rows), encoding="utf-8")
    for work in (lambda: read(file), lambda: append(file, "stop", "ada", "passed", "", {})):
        with pytest.raises(Tampered):
            work()
    assert json.loads(file.read_bytes()) == rows


@pytest.mark.parametrize("text", ["", "{}", "[", "null"])
def test_what_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(Tampered):
        read(tmp_path / "file")


def test_of_two_writers_one_waits_for_a_person(file: Path) -> None:
    """A record is refused rather than lost."""
    lock = file.with_name(f"{file.name}.lock")
    lock.touch()
    with pytest.raises(OSError, match="another command"):
        append(file, "stop", "ada", "passed", "", {})
    assert len(read(file)) == 3
    lock.unlink()
    assert append(file, "stop", "ada", "passed", "", {}).previous == read(file)[2].hash
    assert not lock.exists()
