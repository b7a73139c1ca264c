"""Baseline of the export: one call after the other, with the fixed delays that the customer's runbook asks for.

Users → their conversations → messages, then tickets → their replies, into the same files. 200 ms are waited after each
page of a list, 100 ms after each conversation, 500 ms after each page of tickets, 200 ms after each ticket; nothing
after a call that the runbook does not name. No retries, no limits, no state, no reports, no check of anything.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

PAGE, CONVERSATION, TICKET_PAGE, TICKET = 0.2, 0.1, 0.5, 0.2
"""Seconds that are waited after each."""
SINCE = "2000-01-01T00:00:00.000Z"
SIZE, TICKETS, WALL = 50, 100, 300


class Api:
    """One account, over one connection that is kept open."""

    def __init__(self, url: str, path: str, authorization: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        self._path = path
        self._headers = {"Authorization": authorization, "Accept": "application/json"}

    def get(self, path: str, **query: object) -> Any:
        """Read one thing; None if it is not there."""
        target = f"{self._path}/{path}" + (f"?{urlencode(query)}" if query else "")
        self._connection.request("GET", target, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} on {path}")
        return json.loads(body)


class Walker:
    """Writes the folder, and counts what it wrote."""

    def __init__(self, chat: Api, desk: Api, out: Path) -> None:
        self._chat, self._desk, self._out = chat, desk, out
        self.counts = {"conversations": 0, "messages": 0, "tickets": 0, "ticketConversations": 0}

    def freshchat(self) -> None:
        """Read all users, and what they lead to."""
        users, conversations, seen = [], [], set()
        for user in self._users():
            users.append(user)
            listed = self._chat.get(f"users/{quote(str(user['id']), safe='')}/conversations") or {}
            for row in listed.get("conversations", []):
                if row["id"] in seen:
                    continue
                seen.add(row["id"])
                if (found := self._conversation(row["id"])) is not None:
                    conversations.append(found)
                time.sleep(CONVERSATION)
        self._write("freshchat/users.json", users)
        self._write("freshchat/conversations.json", conversations)
        self._write("freshchat/agents.json", (self._chat.get("agents", items_per_page=SIZE) or {}).get("agents", []))
        self.counts["conversations"] = len(conversations)

    def _users(self) -> Iterator[dict[str, Any]]:
        number, ids = 1, set()
        until = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        while True:
            window = {"created_from": SINCE, "created_to": until, "sort_order": "asc"}
            value = self._chat.get("users", **window, items_per_page=SIZE, page=number)
            for user in value["users"]:
                if user["id"] not in ids:
                    ids.add(user["id"])
                    yield user
            time.sleep(PAGE)
            if number >= value["pagination"]["total_pages"]:
                return
            number += 1

    def _conversation(self, conversation: str) -> dict[str, Any] | None:
        path = f"conversations/{quote(conversation, safe='')}"
        found: dict[str, Any] | None = self._chat.get(path)
        if found is None:
            return None
        messages, number = [], 1
        while True:
            page = self._chat.get(f"{path}/messages", items_per_page=SIZE, page=number) or {}
            messages += page.get("messages", [])
            if "link" not in page:
                break
            number += 1
            time.sleep(PAGE)
        messages.reverse()
        self._write(f"freshchat/messages/{quote(conversation, safe='')}.json", messages)
        self.counts["messages"] += len(messages)
        return found

    def freshdesk(self) -> None:
        """Read the tickets of the ordinary list, and their replies."""
        tickets: dict[int, dict[str, Any]] = {}
        query = {"updated_since": SINCE[:19] + "Z", "order_by": "updated_at", "order_type": "asc"}
        for number in range(1, WALL + 1):
            rows = self._desk.get("tickets", **query, per_page=TICKETS, page=number) or []
            for ticket in rows:
                if ticket["id"] not in tickets:
                    self._replies(ticket["id"])
                    time.sleep(TICKET)
                tickets[ticket["id"]] = ticket
            time.sleep(TICKET_PAGE)
            if len(rows) < TICKETS:
                break
        for name in ("contacts", "companies", "agents"):
            self._write(f"freshdesk/{name}.json", self._list(name))
        self._write("freshdesk/tickets.json", list(tickets.values()))
        self.counts["tickets"] = len(tickets)

    def _replies(self, ticket: int) -> None:
        replies: list[Any] = []
        number = 1
        while rows := self._desk.get(f"tickets/{ticket}/conversations", per_page=100, page=number) or []:
            replies += rows
            number += 1
            if len(rows) < 100:
                break
            time.sleep(PAGE)
        self._write(f"freshdesk/conversations/{ticket}.json", replies)
        self.counts["ticketConversations"] += len(replies)

    def _list(self, name: str) -> list[Any]:
        found: list[Any] = []
        number = 1
        while rows := self._desk.get(name, per_page=100, page=number):
            found += rows
            number += 1
            time.sleep(PAGE)
            if len(rows) < 100:
                break
        return found

    def _write(self, path: str, value: object) -> None:
        target = self._out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def main() -> None:
    """Walk once, and print the counts and the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--freshchat", "--freshchat-key", "--freshdesk", "--freshdesk-key"):
        parser.add_argument(name, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    desk_key = base64.b64encode(f"{given.freshdesk_key}:X".encode()).decode()
    walker = Walker(
        Api(given.freshchat, urlsplit(given.freshchat).path, f"Bearer {given.freshchat_key}"),
        Api(given.freshdesk, "/api/v2", f"Basic {desk_key}"),
        given.out,
    )
    began = time.perf_counter()
    walker.freshchat()
    walker.freshdesk()
    print(json.dumps({"action": "done", "seconds": time.perf_counter() - began, **walker.counts}))


if __name__ == "__main__":
    main()
