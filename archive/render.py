"""The folder, written from the state in sorted order: the same state gives the same bytes, however often."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from archive import layout
from archive.names import folded, numbered, safe_id, safe_name
from archive.state import State
from bridge.exact_json import dumps

LISTS = {
    "freshchat": ("conversations", "users", "agents", "groups", "channels", "fields", "csat"),
    "freshdesk": (
        "tickets",
        "contacts",
        "companies",
        "agents",
        "groups",
        "fields",
        "contact_fields",
        "company_fields",
        "ratings",
        "time_entries",
        "roles",
        "products",
    ),
}
"""The lists of each product; each is a kind of item in the state."""
THREADS = {"freshchat": ("conversations", "messages", "at, id"), "freshdesk": ("tickets", "conversations", "place, id")}
"""Per product: what has a file of its own, in which folder, in which order its elements stand."""
BATCH = 200


class Folder:
    """Writes files of the archive, and keeps their hashes for the list of checksums."""

    def __init__(self, root: Path, state: State) -> None:
        self.root, self._state = root, state

    def start(self) -> None:
        """Forget what an earlier try wrote; the files themselves are written over."""
        for table in ("file", "name", "renamed"):
            self._state.run(f"DELETE FROM {table}")  # noqa: S608 - our own tables

    def write(self, path: str, chunks: Iterable[str]) -> None:
        """Write a file and note its hash."""
        target, digest, size = self.root / path, hashlib.sha256(), 0
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for chunk in chunks:
                data = chunk.encode()
                digest.update(data)
                size += len(data)
                file.write(data)
        self.note(path, digest.hexdigest(), size)

    def note(self, path: str, sha256: str, size: int) -> None:
        """Note the hash of a file that is there."""
        self._state.run("INSERT OR REPLACE INTO file VALUES(?, ?, ?)", path, sha256, size)

    def name(self, folder: str, wanted: str) -> str:
        """Take a name in a folder that no other file there has, also where case does not count."""
        number = 1
        while True:
            name = numbered(wanted, number)
            taken = "INSERT OR IGNORE INTO name VALUES(?, ?) RETURNING 1"
            if self._state.value(taken, folder, folded(name)):
                return name
            number += 1

    def id_name(self, folder: str, item_id: str) -> str:
        """Take the file name of an id; one that cannot be a name gets another, which is recorded."""
        name = self.name(folder, f"{safe_id(item_id)}.json")
        if name != f"{item_id}.json":
            self._state.run("INSERT OR REPLACE INTO renamed VALUES(?, ?, ?)", folder, item_id, name)
        return name


def elements(bodies: Iterable[str]) -> Iterator[str]:
    """Write a JSON list with one element a line."""
    before = "[\n"
    for body in bodies:
        yield before + body
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def render(folder: Folder, state: State) -> Iterator[None]:
    """Write all that was received, a batch at each step: lists, threads, attachments, and the lists about them."""
    for product, names in LISTS.items():
        for name in names:
            folder.write(f"{product}/{name}.json", elements(bodies(state, f"{product}.{name}")))
            yield
        yield from _threads(folder, state, product)
    _attachments(folder, state)
    _about(folder, state)
    for path, sha256, size in list(state.rows("SELECT path, sha256, size FROM report_file")):
        folder.note(path, sha256, size)


_BY_ID = "SELECT body FROM item WHERE kind = ? ORDER BY id"
_BY_NUMBER = "SELECT body FROM item WHERE kind = ? AND number < (1 << 62) ORDER BY number, id"
_WITHOUT_NUMBER = "SELECT body FROM item WHERE kind = ? AND number >= (1 << 62) ORDER BY id"


def bodies(state: State, kind: str) -> Iterator[str]:
    """Give the elements of a list, sorted; Freshdesk's ids are numbers, behind which stand those that are none."""
    orders = (_BY_NUMBER, _WITHOUT_NUMBER) if kind.startswith("freshdesk.") else (_BY_ID,)
    return (str(body) for sql in orders for (body,) in state.rows(sql, kind))


def _threads(folder: Folder, state: State, product: str) -> Iterator[None]:
    owners, name, by = THREADS[product]
    count = state.count(f"writing {product}/{name}")
    count.known = int(state.value("SELECT COUNT(*) FROM item WHERE kind = ?", f"{product}.{owners}"))
    path = f"{product}/{name}"
    sql = f"SELECT body FROM part WHERE kind = ? AND parent = ? ORDER BY {by}"  # noqa: S608 - our own columns
    for batch in _batches(state, f"{product}.{owners}"):
        with state.transaction():
            for item_id in batch:
                rows = (str(body) for (body,) in state.rows(sql, f"{product}.{name}", item_id))
                folder.write(f"{path}/{folder.id_name(path, item_id)}", elements(rows))
        count.done += len(batch)
        yield


def _batches(state: State, kind: str) -> Iterator[list[str]]:
    """Give all ids of a kind, sorted as text, some at a time."""
    after = ""
    while True:
        sql = "SELECT id FROM item WHERE kind = ? AND id > ? ORDER BY id LIMIT ?"
        ids = [str(item_id) for (item_id,) in state.rows(sql, kind, after, BATCH)]
        if not ids:
            return
        yield ids
        after = ids[-1]


# --- attachments


def work_file(work: Path, key: str) -> Path:
    """Where a file lies from when it is whole until the folder is written."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return work / "files" / digest[:2] / digest


_FETCHED = """SELECT product, source, owner, attachment, name, sha256, size FROM attachment
  WHERE state = 'fetched' ORDER BY product, source, owner, attachment"""


def _attachments(folder: Folder, state: State) -> None:
    """Give each file that was fetched its name, always in the same order, and move it there."""
    rows = state.rows(_FETCHED)
    with state.transaction():
        for product, source, owner, attachment, name, sha256, size in rows:
            place = f"{layout.ATTACHMENT_FILES}/{product}"
            wanted = safe_name(f"{source}_{safe_id(owner)}-{safe_id(attachment)}_{name or 'file'}")
            path = f"{place}/{folder.name(place, wanted)}"
            target, key = folder.root / path, (product, source, owner, attachment)
            target.parent.mkdir(parents=True, exist_ok=True)
            found = work_file(folder.root / layout.WORK, dumps(key))
            if found.exists():
                found.replace(target)
            folder.note(path, sha256, size)
            state.run("INSERT OR REPLACE INTO attachment_path VALUES(?, ?, ?, ?, ?)", *key, path)


# --- lists about the archive

_ATTACHMENTS = """SELECT path, source, kind, owner, attachment, name, content_type, size, sha256, state, reason
  FROM attachment LEFT JOIN attachment_path USING(product, source, owner, attachment)
  ORDER BY path IS NULL, path, product, source, owner, attachment"""
_ATTACHMENT = (
    *("path", "source", "owner_kind", "owner_id", "attachment_id"),
    *("name", "content_type", "size", "sha256", "state", "reason"),
)
_LINKS = "SELECT conversation, ticket, confidence, evidence FROM link ORDER BY conversation, ticket"
_GAPS = "SELECT what, id, reason, path FROM gap ORDER BY what, id, reason"


def _about(folder: Folder, state: State) -> None:
    listed = (
        (layout.ATTACHMENTS, _ATTACHMENTS, _ATTACHMENT),
        (layout.LINKS, _LINKS, ("conversation_id", "ticket_id", "confidence", "evidence")),
        (layout.GAPS, _GAPS, ("what", "id", "reason", "path")),
    )
    for path, sql, names in listed:
        rows = (dumps(dict(zip(names, row, strict=True))) for row in state.rows(sql))
        folder.write(path, elements(rows))


def write_object(
    folder: Folder, path: str, value: Mapping[str, Any], lists: Mapping[str, Iterable[str]] | None = None
) -> None:
    """Write one object, a member a line; the members in `lists` are written one element at a time."""
    folder.write(path, _members(value, lists or {}))


def _members(value: Mapping[str, Any], lists: Mapping[str, Iterable[str]]) -> Iterator[str]:
    before = "{\n"
    for name, inner in value.items():
        yield f"{before}{dumps(name)}: "
        before = ",\n"
        if name in lists:
            yield "["
            for number, element in enumerate(lists[name]):
                yield f",{element}" if number else element
            yield "]"
        else:
            yield dumps(inner)
    yield "\n}\n"


def checksums(folder: Folder, state: State) -> None:
    """Write what `sha256sum -c` reads, for every file but itself."""
    path = folder.root / layout.CHECKSUMS
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for name, sha256 in state.rows("SELECT path, sha256 FROM file ORDER BY path"):
            file.write(f"{sha256}  ./{name}\n")


def renamed(state: State) -> Mapping[str, Mapping[str, str]]:
    """Tell which ids are not the names of their files, per folder."""
    found: dict[str, dict[str, str]] = {}
    for place, item_id, name in state.rows("SELECT folder, id, name FROM renamed ORDER BY folder, id"):
        found.setdefault(place, {})[item_id] = name
    return found
