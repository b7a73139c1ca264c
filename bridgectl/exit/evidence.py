"""The evidence of an exit: a list that only grows, each record with the hash of the one before it.

A record that is changed, taken out or put in breaks the chain; records that are cut off at the end do not. So the last
hash, which commands print, is to be noted elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast

from bridge.text import when

Result = Literal["passed", "confirmed", "open", "failed", "undone"]
"""`passed`: we have looked. `confirmed`: a person says so. `open`: looked, and it is too early to tell."""
SETTLED: tuple[Result, ...] = ("passed", "confirmed")
DEFAULT = Path("exit_evidence.json")
BEGINNING = "0" * 64


class Tampered(OSError):
    """The file is not as it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was found of one step. `hash` covers all other fields, so `previous` too."""

    number: int
    at: str
    step: str
    by: str
    result: Result
    detail: str
    facts: Mapping[str, str] = field(default_factory=dict)
    previous: str = BEGINNING
    hash: str = ""


def read(file: Path) -> list[Record]:
    """Read the records, the oldest first; none if there is no file. Tampered if the chain is broken."""
    try:
        rows = json.loads(file.read_bytes())
    except FileNotFoundError:
        return []
    except ValueError:
        raise Tampered(f"{file} is not JSON") from None
    if not isinstance(rows, list):
        raise Tampered(f"{file} is no list of records")
    records: list[Record] = []
    for number, row in enumerate(rows, 1):
        records.append(_checked(file, number, row, records[-1].hash if records else BEGINNING))
    return records


def _checked(file: Path, number: int, row: Any, previous: str) -> Record:
    if not isinstance(row, dict) or set(row) != {one.name for one in fields(Record)}:
        raise Tampered(f"{file}: record {number} has other fields than it was written with")
    if row["number"] != number or row["previous"] != previous or row["hash"] != _hash(row):
        raise Tampered(f"{file}: record {number} is not as it was written, or one before it is missing")
    return Record(**cast("dict[str, Any]", row))


def _hash(row: Mapping[str, Any]) -> str:
    covered = {name: value for name, value in row.items() if name != "hash"}
    return hashlib.sha256(json.dumps(covered, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def append(file: Path, step: str, by: str, result: Result, detail: str, facts: Mapping[str, str]) -> Record:
    """Add a record, durably. Tampered if what is there is not as it was written; OSError if it cannot be written."""
    with _alone(file):
        records = read(file)
        row = Record(
            number=len(records) + 1,
            at=when(time.time()),
            step=step,
            by=by,
            result=result,
            detail=detail,
            facts=dict(facts),
            previous=records[-1].hash if records else BEGINNING,
        )
        made = Record(**(asdict(row) | {"hash": _hash(asdict(row))}))
        _replace(file, [asdict(record) for record in (*records, made)])
    return made


def latest(records: Sequence[Record]) -> dict[str, Record]:
    """Give the newest record of each step."""
    return {record.step: record for record in records}


def settled(records: Sequence[Record]) -> set[str]:
    """Name the steps that are done, as far as is known."""
    return {step for step, record in latest(records).items() if record.result in SETTLED}


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Let one command write at a time; a lock that a killed one has left is to be removed by hand."""
    lock = file.with_name(f"{file.name}.lock")
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise OSError(f"another command writes to {file}; if none does, remove {lock}") from None
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            lock.unlink()


def _replace(file: Path, rows: list[dict[str, Any]]) -> None:
    new = file.with_name(f"{file.name}.new")
    with new.open("w", encoding="utf-8") as out:
        json.dump(rows, out, ensure_ascii=False, indent=2)
        out.write("\n")
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)
