"""Files, fetched while their addresses are fresh; an address that has run out is read anew from its parent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from archive.page import Page, id_of, objects, reason
from archive.parts import FilePart, inline_files, listed_files, message_files
from archive.ports import Files, Source
from archive.render import work_file
from archive.state import State, Task
from archive.streams import Stream, refused
from bridge.errors import BridgeError, Forbidden, Rejected, Unavailable

REFRESHED = 3
"""Times that a parent is read again for a fresh address."""
EXPIRED = ("file_400", "file_401", "file_403", "file_404", "file_410", "file_none", "file_page")
"""What a signed address answers when it has run out, and what a message without any address comes to."""
TRIES = 3
"""Times that a file is asked for whose host gives no answer or breaks off."""
LONGEST = 1 << 30
"""Bytes; both products take much less, but a picture in a text may be anybody's, and without end."""
HTML, HTML_NAMES = "text/html", (".html", ".htm")
PAGES = 20
"""Pages of messages that are looked through for one whose page has shifted."""
_FETCHED = """UPDATE attachment SET state = 'fetched', reason = ?, sha256 = ?, size = ?,
  content_type = CASE content_type WHEN '' THEN ? ELSE content_type END,
  name = CASE name WHEN '' THEN ? ELSE name END
  WHERE product = ? AND source = ? AND owner = ? AND attachment = ?"""
_FAILED = """UPDATE attachment SET state = 'failed', reason = ?
  WHERE product = ? AND source = ? AND owner = ? AND attachment = ?"""


class Attachments:
    """Fetches the files that messages, tickets, replies and contacts have."""

    def __init__(self, state: State, files: Files, work: Path, sources: dict[str, Source]) -> None:
        """`sources` by product, to read parents again; `work` is the export's working folder."""
        self._state, self._files, self._work, self._sources = state, files, work, sources
        self._tries: dict[int, int] = {}

    def streams(self) -> list[Stream]:
        """Give the stream."""
        return [Stream("attachments", self.fetch, lambda task: task.key)]

    async def fetch(self, task: Task, page: Page) -> str | None:
        """Fetch one file; one that cannot be had is listed with the reason of its last try."""
        place = json.loads(task.cursor)
        url = str(place["url"])
        last: BridgeError = Rejected("no address", code="file_none", component="file")
        for _ in range(REFRESHED + 1):
            try:
                await self._fetched(task.key, url, page)
                self._tries.pop(task.id, None)
                return None
            except (Rejected, Unavailable) as error:
                if isinstance(error, Unavailable) and self._once_more(task):
                    raise
                if isinstance(error, Unavailable) or error.code not in EXPIRED:
                    last = error
                    break
                last = error
            try:
                found = await self._again(task.key, int(place["page"]))
            except (Rejected, Forbidden) as error:
                if refused(error):
                    raise
                last = error
                break
            if found is None or (found.url == url and last.code == "file_404"):
                break
            url = found.url
        self._failed(task.key, last, page)
        return None

    def _once_more(self, task: Task) -> bool:
        """Tell whether a file that was not to be had is asked for again in a moment."""
        tries = self._tries.pop(task.id, 0) + 1
        if tries < TRIES:
            self._tries[task.id] = tries
        return tries < TRIES

    async def _fetched(self, key: str, url: str, page: Page) -> None:
        if not url:
            raise Rejected("no address", code="file_none", component="file")
        target = work_file(self._work, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        part, digest, size = target.with_suffix(".part"), hashlib.sha256(), 0
        row = json.loads(key)
        async with self._files.open(url) as file:
            self._require_file(file.content_type, row)
            with part.open("wb") as to:
                async for chunk in file.chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    if size > LONGEST:
                        raise Rejected("too long", code="file_too_long", component="file")
                    to.write(chunk)
        part.replace(target)
        said = self._state.value(
            "SELECT size FROM attachment WHERE product = ? AND source = ? AND owner = ? AND attachment = ?", *row
        )
        note = f"said_to_have_{said}_bytes" if said not in (None, size) else ""
        page.add(_FETCHED, note, digest.hexdigest(), size, file.content_type, file.name, *row)
        page.rows += 1

    def _require_file(self, content_type: str, row: list[str]) -> None:
        """Rejected where a page is the answer and the file is none: hosts say so, with 200, that it is not there."""
        found = "FROM attachment WHERE product = ? AND source = ? AND owner = ? AND attachment = ?"
        said, name = next(self._state.rows(f"SELECT content_type, name {found}", *row))
        if content_type.lower() == HTML and "html" not in said.lower() and not name.lower().endswith(HTML_NAMES):
            raise Rejected("a page instead of the file", code="file_page", component="file")

    @staticmethod
    def _failed(key: str, error: BridgeError, page: Page) -> None:
        product, source, owner, attachment = json.loads(key)
        page.add(_FAILED, reason(error), product, source, owner, attachment)
        page.gap("attachment", f"{product} {source} {owner} {attachment}", reason(error))

    # --- fresh addresses

    async def _again(self, key: str, number: int) -> FilePart | None:
        product, source, owner, attachment = json.loads(key)
        sql = "SELECT kind, parent FROM attachment WHERE product = ? AND source = ? AND owner = ? AND attachment = ?"
        kind, parent = next(self._state.rows(sql, product, source, owner, attachment))
        read: dict[str, Callable[[str, str, int], Awaitable[Any]]] = {
            "message": self._message,
            "reply": self._reply,
            "ticket": self._ticket,
            "contact": self._contact,
        }
        value = await read[kind](parent, owner, number)
        if value is None:
            return None
        return next((file for file in _files_of(value, kind, source) if file.id == attachment), None)

    async def _message(self, parent: str, owner: str, number: int) -> Any:
        """Find a message on its page, or further back: pages shift while people write."""
        path = f"conversations/{quote(parent, safe='')}/messages"
        for page in range(number, number + PAGES):
            query = {"items_per_page": "50", "page": str(page)}
            rows = objects((await self._sources["freshchat"].get(path, query)).value, "messages")
            for row in rows:
                if id_of(row) == owner:
                    return row
            if not rows:
                break
        return None

    async def _reply(self, parent: str, owner: str, number: int) -> Any:
        query = {"page": str(number), "per_page": "100"}
        rows = objects(await self._of_ticket(parent, "/conversations", query))
        return next((row for row in rows if id_of(row) == owner), None)

    async def _ticket(self, parent: str, _owner: str, _number: int) -> Any:
        return await self._of_ticket(parent, "", None)

    async def _contact(self, _parent: str, owner: str, _number: int) -> Any:
        return (await self._sources["freshdesk"].get(f"contacts/{owner}")).value

    async def _of_ticket(self, ticket: str, below: str, query: dict[str, str] | None) -> Any:
        source = self._sources["freshdesk"]
        try:
            return (await source.get(f"tickets/{ticket}{below}", query)).value
        except Rejected:
            return (await source.get(f"tickets/archived/{ticket}{below}", query)).value


def _files_of(value: dict[str, Any], kind: str, source: str) -> list[FilePart]:
    if kind == "message":
        return message_files(value)
    if source == "inline":
        return inline_files(value.get("description" if kind == "ticket" else "body"))
    return listed_files(value, "avatar" if kind == "contact" else "attachments")
