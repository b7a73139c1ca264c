"""A small account of Freshchat and Freshdesk over real HTTP: answers by path, scripted failures, a list of requests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from pathlib import Path
from typing import Any

from aiohttp import web

from adapters.archive_files import ArchiveFiles
from adapters.freshchat.source import FreshchatSource
from adapters.freshdesk.rest import FreshdeskSource, base_url
from adapters.http import HostRule, session
from adapters.share import Share
from archive.ports import Known
from archive.rounds import PARTS, Order
from archive.run import Export, Upstreams, begin, order_since, reopen

HOSTS = HostRule(["127.0.0.1", "localhost"], allow_loopback_http=True)
Answer = Callable[[web.Request], Any]


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    at: float


@dataclass
class Account:
    """What the account answers: a value, or a function of the request; 404 for all else."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    fails: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    key: str = "key"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = request.path
        self.seen.append(Seen(path, dict(request.query), dict(request.headers), time.monotonic()))
        if failing := self.fails.get(path):
            status, headers = failing.pop(0) if len(failing) > 1 else failing[0]
            if status != 200:
                return web.json_response({"code": status}, status=status, headers=headers)
        value = self.answers.get(path)
        value = value(request) if callable(value) else value
        value = await value if isawaitable(value) else value
        if isinstance(value, web.StreamResponse):
            return value
        if value is None:
            return web.json_response({"code": 404, "status": "NOT_FOUND"}, status=404)
        text = value if isinstance(value, str) else json.dumps(value)
        return web.Response(text=text, content_type="application/json", headers=self.headers)

    def requests(self, path: str) -> list[Seen]:
        """Give the requests of a path."""
        return [seen for seen in self.seen if seen.path == path]

    # --- contents

    def chat(self, conversation: str, messages: list[dict[str, Any]], user: str = "u1", **more: Any) -> None:
        """Add a conversation of a user with one page of messages."""
        users = self.answers.setdefault("/v2/users", {"users": [], "pagination": {"total_pages": 1}})["users"]
        if all(known["id"] != user for known in users):
            users.append({"id": user, "created_time": "2026-01-01T00:00:00.000Z"})
        listed = self.answers.setdefault(f"/v2/users/{user}/conversations", {"conversations": []})
        listed["conversations"].append({"id": conversation})
        self.answers[f"/v2/conversations/{conversation}"] = {"conversation_id": conversation, "user_id": user} | more
        self.answers[f"/v2/conversations/{conversation}/messages"] = {"messages": messages}

    def desk(self, *tickets: dict[str, Any], replies: Mapping[int, list[dict[str, Any]]] | None = None) -> None:
        """Have these live tickets, each with its replies."""
        base = "/api/v2"
        for name in ("agents", "companies", "groups", "roles", "products", "ticket_fields", "contact_fields"):
            self.answers.setdefault(f"{base}/{name}", [])
        for name in ("company_fields", "surveys/satisfaction_ratings", "time_entries", "contacts"):
            self.answers.setdefault(f"{base}/{name}", [])
        self.answers[f"{base}/agents/me"] = {"id": 1, "ticket_scope": 1}
        self.answers[f"{base}/tickets"] = lambda request: [] if "filter" in request.query else list(tickets)
        for ticket in tickets:
            self.answers[f"{base}/tickets/{ticket['id']}"] = ticket
            self.answers[f"{base}/tickets/{ticket['id']}/conversations"] = (replies or {}).get(ticket["id"], [])


class Links:
    """The bridge's map, with these conversations."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids

    async def all(self) -> Any:
        for one in self.ids:
            yield Known(one, "")


async def run(
    account: Account, root: Path, *only: str, known: Any = None, base: Path | None = None, **order: Any
) -> dict[str, Any]:
    """Do an export into `root`, or go on with the one that is there."""
    state = reopen(root) if (root / ".work").exists() else None
    if state is None:
        root.mkdir(exist_ok=True)
        ordered = Order(only=only or PARTS, **order)
        state = begin(root, ordered if base is None else order_since(ordered, base), time.time())
    chosen = Export.order_of(state).only

    async def key() -> str:
        return account.key

    async with session() as http:
        files = ArchiveFiles(loopback=True)
        chat = FreshchatSource(http, account.url, key, HOSTS, Share(1.0), clock=time.time)
        desk = FreshdeskSource(http, base_url("", account.url, HOSTS), key, lambda: Share(1.0))
        upstreams = Upstreams(
            freshchat=chat if "freshchat" in chosen else None,
            freshdesk=desk if "freshdesk" in chosen else None,
            files=files,
            known=known,
            first_wait=0.001,
        )
        try:
            return await Export(root, state, upstreams).run()
        finally:
            state.close()
            await files.close()


def read(root: Path, path: str) -> Any:
    """Read a JSON file of an archive."""
    return json.loads((root / path).read_text(encoding="utf-8"))
