"""Reads an archive again from its first byte to its last, offline, and names whatever is not as it was written.

Every file is read once, for its hash and its content together; what is met goes to a scratch database, so memory does
not grow with the archive. Who can change a file can also change `checksums.sha256`: the fingerprint, which is the hash
of that file, is what to note elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from archive import layout
from archive.ledger import Ledger
from archive.lines import MAX_LINE, storable
from archive.reading import Archive
from archive.verify_contents import Contents
from archive.verify_counts import check_counts

Progress = Callable[[int, int], None]
"""Is told after each file: how many are read, and how many there will be."""


@dataclass
class Verified:
    """What was read; what is wrong is in the ledger. `counts` has the names of the report's totals."""

    files: int = 0
    bytes: int = 0
    fingerprint: str = ""
    counts: dict[str, int] = field(default_factory=dict)


def verify(archive: Archive, ledger: Ledger, progress: Progress = lambda _read, _all: None) -> Verified:
    """Check hashes, JSON, references and counts; findings go to the ledger. OSError if a file cannot be read."""
    result = Verified(fingerprint=_read_checksums(archive, ledger))
    total = ledger.count("listed")
    contents = Contents(archive, ledger)
    for path, file in _files(archive.root, ledger):
        result.bytes += contents.read(path, file)
        result.files += 1
        progress(result.files, max(total, result.files))
    _compare_files(ledger)
    _compare_ids(archive, ledger)
    result.counts = dict(contents.counts)
    check_counts(archive, ledger, contents.counts)
    return result


def _read_checksums(archive: Archive, ledger: Ledger) -> str:
    digest = hashlib.sha256()
    with (archive.root / layout.CHECKSUMS).open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE), b""), 1):
            digest.update(line)
            found = re.fullmatch(r"([0-9a-f]{64})  \./([^\n]+)\n", line.decode("utf-8", "backslashreplace"))
            if found is None or not ledger.add("listed", found[2], found[1]):
                ledger.find("malformed", layout.CHECKSUMS, f"line {number}: not “<hash>  ./<path>”, or listed before")
    return digest.hexdigest()


def _files(root: Path, ledger: Ledger) -> Iterator[tuple[str, Path]]:
    """Walk the folder without following links; what is neither file nor folder is a finding."""
    folders = [root]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                file = Path(entry.path)
                path = storable(file.relative_to(root).as_posix())
                if entry.is_dir(follow_symlinks=False):
                    folders.append(file)
                elif not entry.is_file(follow_symlinks=False):
                    ledger.find("extra", path, "not a plain file")
                elif path != layout.CHECKSUMS:
                    yield path, file


def _compare_files(ledger: Ledger) -> None:
    for path in ledger.only_in("listed", "present"):
        ledger.find("missing", path, "listed, and not there")
    for path in ledger.only_in("present", "listed"):
        ledger.find("extra", path, "there, and not listed")
    for path in ledger.differing("listed", "present"):
        ledger.find("changed", path, "its bytes are not those that were written")
    for path in ledger.only_in("attachment", "present"):
        ledger.find("reference", path, f"{layout.ATTACHMENTS} names it, and it is not there")
    for path in ledger.only_in("attachment file", "attachment"):
        ledger.find("reference", path, f"{layout.ATTACHMENTS} does not name it")
    for path in ledger.differing("attachment", "present"):
        ledger.find("reference", path, f"{layout.ATTACHMENTS} has another hash of it")


def _compare_ids(archive: Archive, ledger: Ledger) -> None:
    for whole, parts, folder, of in (
        ("conversation", "messages", layout.MESSAGES, layout.CONVERSATIONS),
        ("ticket", "replies", layout.REPLIES, layout.TICKETS),
    ):
        for key in ledger.only_in(parts, whole):
            ledger.find("reference", f"{folder}/{archive.name_of(folder, key)}.json", f"{whole} {key} is not in {of}")
        for key in ledger.only_in(whole, parts):
            if not ledger.has("gap", key):
                ledger.find("reference", of, f"{whole} {key} has no {folder}/{archive.name_of(folder, key)}.json")
    if not archive.base:
        for key in ledger.only_in("linked conversation", "conversation"):
            ledger.find("reference", layout.LINKS, f"conversation {key} is not in {layout.CONVERSATIONS}")
        for key in ledger.only_in("linked ticket", "ticket"):
            ledger.find("reference", layout.LINKS, f"ticket {key} is not in {layout.TICKETS}")
