"""`verify` names whatever is not as it was written, and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from archive.ledger import Finding, Ledger
from archive.reading import Archive, NotAnArchive
from archive.verify import verify
from tests.archive_builder import RENAMED_AS, archive, rewrite, seal

Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    """An archive to spoil."""
    return Path(shutil.copytree(pristine, tmp_path / pristine.name))


def findings(root: Path, scratch: Path) -> list[Finding]:
    with closing(Ledger(scratch / "ledger")) as ledger:
        verify(Archive(root), ledger)
        found = list(ledger.findings())
    (scratch / "ledger").unlink()
    return found


def files(root: Path) -> Iterator[str]:
    for file in sorted(root.rglob("*")):
        if file.is_file() and file.name != "checksums.sha256":
            yield file.relative_to(root).as_posix()


def test_an_archive_as_written_has_no_findings(root: Path, tmp_path: Path) -> None:
    """Neither for us nor for `sha256sum`, and the counts are those of the report."""
    with closing(Ledger(tmp_path / "ledger")) as ledger:
        result = verify(Archive(root), ledger)
        assert list(ledger.findings()) == []
    checked = subprocess.run(["sha256sum", "-c", "checksums.sha256"], cwd=root, capture_output=True, check=False)
    assert checked.returncode == 0
    assert result.counts["conversations"] == 9
    assert (
        result.counts["messages"] == json.loads((root / "verification_report.json").read_text())["totals"]["messages"]
    )
    assert result.fingerprint == seal(root)


def test_any_flipped_byte_is_named(root: Path, tmp_path: Path) -> None:
    """In every file, at its first, middle and last byte."""
    for path in files(root):
        file = root / path
        good = file.read_bytes()
        for place in {0, len(good) // 2, len(good) - 1}:
            file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            assert [f.path for f in findings(root, tmp_path) if f.kind == "changed"] == [path], (path, place)
        file.write_bytes(good)


def test_any_missing_file_is_named(root: Path, tmp_path: Path) -> None:
    """Also when nothing else mentions it. Without metadata or checksums the folder is no archive."""
    for path in files(root):
        if path != "export_metadata.json":
            (root / path).rename(tmp_path / "away")
            assert [f.path for f in findings(root, tmp_path) if f.kind == "missing"] == [path]
            (tmp_path / "away").rename(root / path)
    (root / "checksums.sha256").unlink()
    with pytest.raises(NotAnArchive):
        Archive(root)


def test_what_does_not_belong_there_is_named(root: Path, tmp_path: Path) -> None:
    """A file, a hidden one, one whose name is no text, and a link, which is not followed."""
    (tmp_path / "outside.json").write_text("[]\n")
    (root / "freshchat" / "extra.json").write_text("[]\n")
    (root / ".hidden").write_text("")
    (root / "bad\udcff\n.txt").write_text("")
    (root / "freshdesk" / "link.json").symlink_to(tmp_path / "outside.json")
    found = findings(root, tmp_path)
    assert {f.kind for f in found} == {"extra"}
    assert [f.path for f in found] == [".hidden", "bad\\udcff\n.txt", "freshchat/extra.json", "freshdesk/link.json"]


def test_an_export_that_has_not_ended_is_no_archive(root: Path) -> None:
    """Its files are not yet there, and nobody should think they were lost."""
    (root / ".work").mkdir()
    with pytest.raises(NotAnArchive, match="not ended"):
        Archive(root)


def write(path: str, text: str) -> Change:
    return lambda root: (root / path).write_text(text, encoding="utf-8")


def drop(path: str, which: Callable[[Any], bool]) -> Change:
    return lambda root: rewrite(root, path, lambda rows: [row for row in rows if not which(row)])


def add(path: str, row: Any) -> Change:
    return lambda root: rewrite(root, path, lambda rows: [*rows, row])


def report(**changes: Any) -> Change:
    def change(root: Path) -> None:
        file = root / "verification_report.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


USERS = "freshchat/users.json"
TICKETS = "freshdesk/tickets.json"
CHAT_1 = "freshchat/messages/c-0000001.json"
CHATS = "freshchat/conversations.json"
LINK = {"conversation_id": "c-gone", "ticket_id": 1, "confidence": "explicit"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[\n",
        '[\n{"id":1}\n',
        '[\n{"id":1}]\n',
        '[\n{"id":1},\n]\n',
        "[\n{}\n{}\n]\n",
        "[\n{},\n{}\n]\n[\n",
        "[\nNaN\n]\n",
        "[\n{\n]\n",
        '{"id":1}\n',
        "[\n{}\n]",
        "[]\n\n",
        "[\n" + "[" * 100_000 + "\n]\n",
    ],
)
def test_a_list_that_is_none_is_named(text: str, root: Path, tmp_path: Path) -> None:
    """Even if its hash is right."""
    write(USERS, text)(root)
    seal(root)
    assert ("malformed", USERS) in [(f.kind, f.path) for f in findings(root, tmp_path)]


@pytest.mark.parametrize(
    ("change", "kind", "path", "says"),
    [
        (drop(CHATS, lambda c: c["conversation_id"] == "c-0000001"), "reference", CHAT_1, "is not in"),
        (lambda root: (root / f"freshchat/messages/{RENAMED_AS}.json").unlink(), "reference", CHATS, RENAMED_AS),
        (add(CHATS, {"id": "c-listed-only"}), "reference", CHATS, "c-listed-only has no"),
        (add(CHATS, {"id": "c-empty"}), "reference", CHATS, "twice"),
        (add(CHAT_1, {"id": "x", "conversation_id": "c-0000002"}), "reference",
         CHAT_1, "another"),
        (drop(TICKETS, lambda t: t["id"] == 9000), "reference", "freshdesk/conversations/9000.json", "not in"),
        (lambda root: (root / "freshdesk/conversations/101.json").unlink(), "reference", TICKETS, "101"),
        (add("freshdesk/conversations/101.json", {"id": 7, "ticket_id": 102}), "reference",
         "freshdesk/conversations/101.json", "another"),
        (add("links.json", LINK), "reference", "links.json", "c-gone"),
        (add("links.json", LINK | {"conversation_id": "c-0000001"}), "reference", "links.json", "ticket 1 "),
        (drop("attachments.json", lambda a: a["name"] == "scan.png"), "reference",
         "attachments/freshchat/message_c-nasty-m4-1_scan.png", "does not name"),
        (lambda root: (root / "attachments/freshdesk/ticket_9000-1_virus.html").unlink(), "reference",
         "attachments/freshdesk/ticket_9000-1_virus.html", "not there"),
        (write("attachments/freshdesk/ticket_9000-1_virus.html", "other"), "reference",
         "attachments/freshdesk/ticket_9000-1_virus.html", "another hash"),
        (add(USERS, {"id": "u-3"}), "count", "verification_report.json", "users: the report says 2, there are 3"),
        (drop("gaps.json", lambda _: True), "count", "verification_report.json", "gaps: the report says 1"),
        (report(linkedConversations=5), "count", "verification_report.json", "linked 5"),
        (report(unlinkedConversations=3), "count", "verification_report.json", "says 3"),
        (report(unlinkedConversationIds=["c-x"]), "reference", "verification_report.json", "c-x"),
        (lambda root: (root / "export_metadata.json").write_text("{"), "malformed", "export_metadata.json", "not JSON"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_named(
    change: Change, kind: str, path: str, says: str, root: Path, tmp_path: Path
) -> None:
    """Even if somebody wrote the checksums anew."""
    change(root)
    seal(root)
    found = findings(root, tmp_path)
    assert any(f.kind == kind and f.path == path and says in f.detail for f in found), found
    assert {f.kind for f in found}.isdisjoint({"changed", "missing", "extra"})


def test_what_the_export_could_not_have_is_no_finding(root: Path, tmp_path: Path) -> None:
    """A conversation whose messages are listed as a gap has no file."""
    add(CHATS, {"id": "c-forbidden"})(root)
    add("gaps.json", {"what": "messages", "id": "c-forbidden", "reason": "freshchat_403", "path": None})(root)
    seal(root)
    assert {f.kind for f in findings(root, tmp_path)} == {"count"}


PEAK = """
import sys, tracemalloc
from pathlib import Path
from archive.ledger import Ledger
from archive.reading import Archive
from archive.verify import verify
tracemalloc.start()
ledger = Ledger(Path(sys.argv[2]))
result = verify(Archive(Path(sys.argv[1])), ledger)
print(result.files, ledger.how_many(), tracemalloc.get_traced_memory()[1])
"""


def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    """Thirty times the conversations take less than 512 KiB more."""
    peaks = []
    for number in (60, 1800):
        folder = tmp_path / str(number)
        root = archive(folder, conversations=number, tickets=number // 10)
        command = [sys.executable, "-c", PEAK, str(root), str(folder / "ledger")]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        read, wrong, peak = map(int, run.stdout.split())
        assert read > number
        assert wrong == 0
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 512 * 1024
