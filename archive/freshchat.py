"""Freshchat, read completely: users by creation window, their conversations, each with all its messages.

There is no list of conversations. Their ids come from users, from the bridge's own map, from reports, and from
`GET /conversations` where an account happens to offer it; each id is read once, whoever knew it.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from archive.page import PART, SINGLE, Owner, Page, id_of, objects
from archive.parts import message_files
from archive.ports import Source
from archive.state import Task
from archive.streams import Stream, refused
from bridge.errors import Forbidden, Rejected
from bridge.moments import epoch, iso

BEGIN = "2000-01-01T00:00:00.000Z"
SIZE = 50
"""Rows per page; a larger wish may be cut or refused."""
SLICE = 5000
"""Users of a window that are read page by page; a window with more is halved, since deep pages may have a limit."""
NARROWEST = 60.0
OVERLAP = 1.0
"""Seconds that two halves share: whether `created_to` includes its moment is not documented."""
WALKS = 3
"""Times at most that a list of several pages is read whose rows moved meanwhile: who is deleted moves the rows behind
up, and one of them past the edge of a page."""
DIRECTORY = {"agents": "agents", "groups": "groups", "channels": "channels", "conversations/fields": "fields"}


class Freshchat:
    """The streams of one account. Conversations that nothing has happened in since `since` are left out."""

    def __init__(self, source: Source, since: float = 0.0) -> None:
        self._source, self._since = source, since
        self._linked = False

    def streams(self) -> list[Stream]:
        """Give the streams; what others lead to comes first."""
        return [
            Stream("freshchat.conversations", self.conversation, lambda task: f"conversations/{task.key}"),
            Stream("freshchat.user_conversations", self.user, lambda task: f"users/{task.key}/conversations"),
            Stream("freshchat.directory", self.directory, _list),
            Stream("freshchat.list", self.listed, lambda _: "conversations"),
            Stream("freshchat.users", self.users, lambda task: f"users created {_list(task).replace('|', ' to ')}"),
        ]

    @staticmethod
    def begin(page: Page, until: float) -> None:
        """Leave the tasks that lead to all others. `until` is when the export began."""
        for path in DIRECTORY:
            page.task("freshchat.directory", path)
        page.task("freshchat.list", "conversations")
        page.task("freshchat.users", f"{BEGIN}|{iso(until)}")

    async def users(self, task: Task, page: Page) -> str | None:
        """Read a page of the users that were created in a window."""
        since, until = _list(task).split("|")
        number = _place(task)[0]
        query = {"created_from": since, "created_to": until, "sort_order": "asc"}
        value = await self._rows("users", number, query)
        if number == 1 and _total(value) > SLICE and (halves := _halves(since, until)):
            for half in halves:
                page.task("freshchat.users", half)
            return None
        rows = objects(value, "users")
        for user in rows:
            page.item("freshchat.users", id_of(user), user, version=str(user.get("updated_time") or ""))
            page.task("freshchat.user_conversations", id_of(user))
        return _onward(task, page, value, rows)

    async def user(self, task: Task, page: Page) -> str | None:
        """Read the ids of a user's conversations: one answer, or pages where the answer says that there are more."""
        number, before = _place(task)
        path = f"users/{quote(task.key, safe='')}/conversations"
        value = (await self._source.get(path, {"page": str(number)} if number > 1 else None)).value
        rows = objects(value, "conversations")
        for row in rows:
            if found := id_of(row) or id_of(row, "conversation_id"):
                page.seen(found, "users", task.key)
        return _following(value, rows, number, before) if _says_more(value, number) else None

    async def listed(self, task: Task, page: Page) -> str | None:
        """Read a page of `GET /conversations`, which nearly no account has."""
        number = _place(task)[0]
        try:
            value = await self._rows("conversations", number, {})
        except (Rejected, Forbidden) as error:
            if refused(error) or number > 1:
                raise
            return None
        rows = objects(value, "conversations")
        for row in rows:
            if found := id_of(row, "conversation_id") or id_of(row):
                page.item("freshchat.conversations", found, row)
                page.seen(found, "list")
        return _onward(task, page, value, rows)

    async def directory(self, task: Task, page: Page) -> str | None:
        """Read a page of agents, groups, channels or fields."""
        number, path = _place(task)[0], _list(task)
        value = await self._rows(path, number, {})
        name = DIRECTORY[path]
        rows = objects(value, None if isinstance(value, list) else name)
        for place, row in enumerate(rows):
            page.item(f"freshchat.{name}", id_of(row) or f"~{number}-{place:04}", row)
        return _onward(task, page, value, rows) if isinstance(value, dict) else None

    # --- one conversation

    async def conversation(self, task: Task, page: Page) -> str | None:
        """Read a conversation, then its messages page by page.

        A conversation that cannot be read may still have messages that can: some kinds are said to be like that.
        """
        if task.cursor:
            return await self._messages(task, page)
        try:
            value = (await self._source.get(f"conversations/{quote(task.key, safe='')}")).value
        except (Rejected, Forbidden) as error:
            if refused(error):
                raise
            return await self._messages_alone(task, page, error)
        if self._since and not self._recent(value):
            return await self._if_recent_messages(task, page, value)
        page.item("freshchat.conversations", task.key, value, rank=SINGLE)
        return "1"

    def _recent(self, value: Any) -> bool:
        """Tell whether something says that this is of the time that is wanted."""
        times = (epoch(value.get(name)) for name in ("created_time", "updated_time"))
        return any(time is not None and time >= self._since for time in times)

    async def _if_recent_messages(self, task: Task, page: Page, value: Any) -> str | None:
        """Keep a conversation whose own times are old if its newest messages are not: they come first."""
        cursor = await self._messages(Task(task.id, task.stream, task.key, "1"), page)
        if any(values[3] >= self._since for sql, values in page.writes if sql is PART):
            page.item("freshchat.conversations", task.key, value, rank=SINGLE)
            return cursor
        page.clear()
        page.add("INSERT OR IGNORE INTO unchanged VALUES(?)", task.key)
        return None

    async def _messages_alone(self, task: Task, page: Page, error: Rejected | Forbidden) -> str | None:
        first = Task(task.id, task.stream, task.key, "1")
        try:
            cursor = await self._messages(first, page)
        except (Rejected, Forbidden) as second:
            if refused(second):
                raise
            raise error from None
        if page.rows:
            page.item("freshchat.conversations", task.key, {"conversation_id": task.key})
        page.refusal("freshchat.conversations", task.key, error, f"conversations/{task.key}")
        return cursor

    async def _messages(self, task: Task, page: Page) -> str | None:
        number, before = _place(task)
        value = await self._rows(f"conversations/{quote(task.key, safe='')}/messages", number, {})
        rows = objects(value, "messages")
        for message in rows:
            at = message.get("created_time")
            part_id = page.part("freshchat.messages", task.key, message, at=at if isinstance(at, str) else None)
            for file in message_files(message):
                owner = Owner("freshchat", "message", "message", part_id, task.key)
                page.attachment(owner, file.id, file.fact(number))
        linked = _link(value) is not None
        self._linked = self._linked or linked
        more = linked or (bool(rows) and (not self._linked or len(rows) >= SIZE))
        return _unless_same(rows, number, before) if more else None

    async def _rows(self, path: str, number: int, query: dict[str, str]) -> Any:
        return (await self._source.get(path, {**query, "items_per_page": str(SIZE), "page": str(number)})).value


def _place(task: Task) -> tuple[int, str]:
    """Read a cursor: the page to be read, and the first id of the page before."""
    number, before, *_ = (*task.cursor.split(" "), "")
    return int(number or 1), before


def _list(task: Task) -> str:
    """Read the key of a walk through a list: what is read, the first time or again."""
    return task.key.partition("#")[0]


def _onward(task: Task, page: Page, value: Any, rows: list[dict[str, Any]]) -> str | None:
    """Go to the next page of a list, with the total that the first one told.

    Behind the last page the list is read again if the total is another by then, or untold: rows may have moved.
    """
    number, before = _place(task)
    told, total = (*task.cursor.split(" "), "", "")[2], str(_total(value) or "")
    following = _following(value, rows, number, before)
    if following is not None:
        return f"{following} {told if number > 1 else total}"
    walk = int(task.key.partition("#")[2] or 1)
    if number > 1 and walk < WALKS and (not total or told != total):
        page.task(task.stream, f"{_list(task)}#{walk + 1}")
    return None


def _following(value: Any, rows: list[dict[str, Any]], number: int, before: str) -> str | None:
    """Go to the next page: until the page that is said to be the last, or the first empty one."""
    pages = _pagination(value).get("total_pages")
    if not rows or (isinstance(pages, int) and number >= pages):
        return None
    return _unless_same(rows, number, before)


def _unless_same(rows: list[dict[str, Any]], number: int, before: str) -> str | None:
    """Stop where page numbers are ignored and each page is the first one again, so the third time that it comes.

    Once it may: as many messages as a page has can have been written since the page before was read.
    """
    first = re.sub(r"\s", "", id_of(rows[0]) or id_of(rows[0], "conversation_id")) if rows else ""
    if first and before == f"={first}":
        return None
    return f"{number + 1} {'=' if first and before == first else ''}{first}"


def _pagination(value: Any) -> dict[str, Any]:
    found = value.get("pagination") if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _total(value: Any) -> int:
    total = _pagination(value).get("total_items")
    return total if isinstance(total, int) else 0


def _link(value: Any) -> str | None:
    """Give the address of the next page, if the answer has one."""
    if not isinstance(value, dict):
        return None
    links = value.get("links")
    for link in (value.get("link"), links.get("next_page") if isinstance(links, dict) else None):
        href = link.get("href") if isinstance(link, dict) else None
        if isinstance(href, str) and href:
            return href
    return None


def _says_more(value: Any, number: int) -> bool:
    pages = _pagination(value).get("total_pages")
    return _link(value) is not None or (isinstance(pages, int) and number < pages)


def _halves(since: str, until: str) -> list[str]:
    start, end = epoch(since) or 0.0, epoch(until) or 0.0
    if end - start <= NARROWEST:
        return []
    middle = (start + end) / 2
    return [f"{since}|{iso(middle + OVERLAP)}", f"{iso(middle)}|{until}"]
