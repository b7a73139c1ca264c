"""Freshdesk, read completely: tickets past the 300-page wall, deleted, spam and archived ones, replies, people."""

from __future__ import annotations

import json
from typing import Any

from archive.page import SINGLE, Owner, Page, id_of, objects
from archive.parts import inline_files, listed_files
from archive.ports import Source
from archive.state import State, Task
from archive.streams import Stream, refused
from bridge.errors import Forbidden, Rejected
from bridge.moments import epoch, iso

BEGIN = "1970-01-01T00:00:00Z"
SIZE = 100
WALL = 300
"""Pages of tickets that can be read of one query."""
PROBES = 200
"""Ids at most that one task looks for, one after the other."""
WALKS = 3
"""Times at most that a list of several pages is read whose rows moved meanwhile."""
LISTS: dict[str, tuple[str, dict[str, str]]] = {
    "agents": ("agents", {}),
    "companies": ("companies", {}),
    "groups": ("groups", {}),
    "roles": ("roles", {}),
    "products": ("products", {}),
    "fields": ("ticket_fields", {}),
    "contact_fields": ("contact_fields", {}),
    "company_fields": ("company_fields", {}),
    "ratings": ("surveys/satisfaction_ratings", {"created_since": BEGIN}),
    "time_entries": ("time_entries", {"executed_after": BEGIN}),
    "contacts": ("contacts", {}),
    "contacts blocked": ("contacts", {"state": "blocked"}),
    "contacts deleted": ("contacts", {"state": "deleted"}),
    "contacts visitor": ("contacts", {"contact_type": "visitor"}),
}
"""Lists by task: the address and its query. Contacts are several lists, since the usual one hides some."""
STATS = {"include": "stats"}
"""When a ticket was first answered, resolved and closed is told only on request; that counts as a second call."""
PASSES: dict[str, dict[str, str]] = {
    "live": {},
    "deleted": {"filter": "deleted", "include": "description"},
    "spam": {"filter": "spam", "include": "description"},
}
"""Walks through the tickets. Of deleted and spam tickets the row may be all there is, so it has the text too."""


class Freshdesk:
    """The streams of one account."""

    def __init__(self, source: Source, state: State, since: float = 0.0) -> None:
        """Contacts that have not changed since `since` are not read one by one."""
        self._source, self._state, self._since = source, state, since

    def streams(self) -> list[Stream]:
        """Give the streams; what others lead to comes first."""
        return [
            Stream("freshdesk.ticket", self.ticket, lambda task: f"tickets/{_id(task)}", _id),
            Stream("freshdesk.author", self.author, lambda task: f"contacts/{task.key}"),
            Stream("freshdesk.contact", self.contact, lambda task: f"contacts/{task.key}"),
            Stream("freshdesk.probe", self.probe, lambda task: f"tickets/archived/{task.cursor or task.key}"),
            Stream("freshdesk.tickets", self.tickets, lambda task: f"tickets ({task.key})"),
            Stream("freshdesk.lists", self.listed, lambda task: LISTS[task.key.partition("#")[0]][0]),
        ]

    @staticmethod
    def begin(page: Page, since: str = BEGIN) -> None:
        """Leave the tasks that lead to all others; `since` is where the walks through the tickets begin."""
        for name in LISTS:
            page.task("freshdesk.lists", name)
        for name in PASSES:
            page.task("freshdesk.tickets", name, json.dumps({"since": since}))

    async def listed(self, task: Task, page: Page) -> str | None:
        """Read a page of a list.

        Who is deleted or renamed moves the rows behind up, one of them past the edge of a page, and no total tells
        it: a list of several pages is read again until that brings nothing new.
        """
        name, _, walk = task.key.partition("#")
        (path, query), kind = LISTS[name], name.partition(" ")[0]
        place, _, news = task.cursor.partition(" ")
        number = int(place or 1)
        try:
            reply = await self._source.get(path, {**query, "page": str(number), "per_page": str(SIZE)})
        except Rejected:
            if name == "contacts visitor" and number == 1:
                return None  # accounts without chat refuse the filter
            raise
        rows = objects(reply.value)
        for index, row in enumerate(rows):
            item_id = id_of(row) or f"~{number}-{index:04}"
            news = news or ("" if walk and self._has(f"freshdesk.{kind}", item_id) else "new")
            page.item(f"freshdesk.{kind}", item_id, row, version=str(row.get("updated_at") or ""))
            if kind == "contacts" and (epoch(row.get("updated_at")) or self._since) >= self._since:
                page.task("freshdesk.contact", item_id)
        if reply.link_next and rows:
            return f"{number + 1} {news}"
        if number > 1 and news and int(walk or 1) < WALKS:
            page.task("freshdesk.lists", f"{name}#{int(walk or 1) + 1}")
        return None

    def _has(self, kind: str, item_id: str) -> bool:
        return self._state.value("SELECT 1 FROM item WHERE kind = ? AND id = ?", kind, item_id) is not None

    async def contact(self, task: Task, page: Page) -> str | None:
        """Read a contact by itself: the list lacks its picture, its other addresses and companies."""
        value = (await self._source.get(f"contacts/{task.key}")).value
        self._keep_contact(task.key, value, page)
        return None

    @staticmethod
    def _keep_contact(contact_id: str, value: Any, page: Page) -> None:
        if isinstance(value, dict):
            page.item("freshdesk.contacts", contact_id, value, rank=SINGLE, version=str(value.get("updated_at") or ""))
            for file in listed_files(value, "avatar"):
                owner = Owner("freshdesk", "contact", "contact", contact_id, contact_id)
                page.attachment(owner, file.id, file.fact(1))

    async def author(self, task: Task, page: Page) -> str | None:
        """Look for somebody who wrote and is in no list: agents that were deleted have become contacts."""
        try:
            self._keep_contact(task.key, (await self._source.get(f"contacts/{task.key}")).value, page)
        except Rejected:
            value = (await self._source.get(f"agents/{task.key}")).value
            page.item("freshdesk.agents", task.key, value)
        return None

    # --- tickets

    async def tickets(self, task: Task, page: Page) -> str | None:
        """Read a page of a walk through the tickets, in the order of their last change.

        Each page is the first one behind the last ticket that was read: a ticket that is changed meanwhile goes to the
        end and moves the others up, past the edge of a page that was counted. Pages are counted only within a second.
        """
        at = json.loads(task.cursor)
        number, since = at.get("page", 1), at["since"]
        query = {"updated_since": since, "order_by": "updated_at", "order_type": "asc"}
        query |= {"per_page": str(SIZE), "page": str(number)} | PASSES[task.key.partition("#")[0]]
        try:
            reply = await self._source.get("tickets", query)
        except Rejected as error:
            if number == 1 or error.code != "freshdesk_400":
                raise
            return self._beyond(page, since)
        rows = objects(reply.value)
        for row in rows:
            self._keep_row(row, page)
        if not rows or not reply.link_next:
            return None
        last = str(rows[-1].get("updated_at") or since)
        if last > since:
            return json.dumps({"since": last})
        return json.dumps({"since": since, "page": number + 1}) if number < WALL else self._beyond(page, since)

    @staticmethod
    def _keep_row(row: dict[str, Any], page: Page) -> None:
        ticket, changed = id_of(row), str(row.get("updated_at") or "")
        page.item("freshdesk.tickets", ticket, row, version=changed)
        page.ticket_state(ticket, _where(row, ""))
        page.task("freshdesk.ticket", f"{ticket}@{changed}")

    @staticmethod
    def _beyond(page: Page, since: str) -> str:
        """Go on behind a second with more tickets than the wall lets through: its others are found by their ids."""
        page.gap("freshdesk.tickets", since, "wall_in_one_second", "tickets", missing=False)
        return json.dumps({"since": _next_second(since)})

    async def ticket(self, task: Task, page: Page) -> str | None:
        """Read a ticket, wherever it is by now; then its conversations page by page."""
        if task.cursor:
            return await self._replies(task, page)
        ticket = _id(task)
        for path, query in ((f"tickets/{ticket}", STATS), (f"tickets/archived/{ticket}", None)):
            try:
                value = (await self._source.get(path, query)).value
            except (Rejected, Forbidden) as error:
                if refused(error):
                    raise
                last = error
                continue
            self._keep_ticket(ticket, value, page)
            if query is None:
                page.ticket_state(ticket, "archived")
            return f"{path} 1"
        page.refusal("freshdesk.ticket", ticket, last, f"tickets/{ticket}")
        return f"tickets/{ticket} 1"

    def _keep_ticket(self, ticket: str, value: Any, page: Page) -> None:
        page.item("freshdesk.tickets", ticket, value, rank=SINGLE, version=str(value.get("updated_at") or ""))
        self._files(value, Owner("freshdesk", "ticket", "ticket", ticket, ticket), value.get("description"), 1, page)

    @staticmethod
    def _files(value: dict[str, Any], owner: Owner, html: object, number: int, page: Page) -> None:
        for file in listed_files(value):
            page.attachment(owner, file.id, file.fact(number))
        inline = Owner(owner.product, "inline", owner.kind, owner.id, owner.parent)
        for file in inline_files(html):
            page.attachment(inline, file.id, file.fact(number))

    async def _replies(self, task: Task, page: Page) -> str | None:
        path, _, place = task.cursor.rpartition(" ")
        ticket, number = _id(task), int(place)
        query = {"page": place, "per_page": str(SIZE)}
        reply = await self._source.get(f"{path}/conversations", query)
        rows = objects(reply.value)
        for index, row in enumerate(rows):
            at = row.get("created_at")
            reply_id = page.part("freshdesk.conversations", ticket, row, at=at, place=number * 1000 + index)
            owner = Owner("freshdesk", "reply", "reply", reply_id, ticket)
            self._files(row, owner, row.get("body"), number, page)
        return f"{path} {number + 1}" if reply.link_next and rows else None

    # --- archived tickets

    async def probe(self, task: Task, page: Page) -> str | None:
        """Look for the next id of a range that no list has named: archived tickets are in none."""
        first, last = (int(end) for end in task.key.split("-"))
        number = self._unknown(int(task.cursor or first), last)
        if number is None:
            return None
        for path in (f"tickets/archived/{number}", f"tickets/{number}"):
            try:
                value = (await self._source.get(path)).value
            except Rejected as error:
                if error.code != "freshdesk_404":
                    raise
                continue
            self._keep_ticket(str(number), value, page)
            page.ticket_state(str(number), _where(value, path))
            page.task("freshdesk.ticket", f"{number}@", f"{path} 1")
            return str(number + 1)
        page.add("INSERT OR IGNORE INTO absent VALUES(?)", number)
        return str(number + 1)

    def _unknown(self, first: int, last: int) -> int | None:
        sql = (
            "SELECT number FROM item WHERE kind = 'freshdesk.tickets' AND number < (1 << 62) AND number BETWEEN ? AND ?"
        )
        known = {number for (number,) in self._state.rows(sql, first, last)}
        return next((number for number in range(first, last + 1) if number not in known), None)


def _id(task: Task) -> str:
    return task.key.partition("@")[0]


def _where(value: Any, path: str) -> str:
    if "archived" in path:
        return "archived"
    return "deleted" if value.get("deleted") is True else "spam" if value.get("spam") is True else "live"


def _next_second(text: str) -> str:
    return iso((epoch(text) or 0.0) + 1.0)
