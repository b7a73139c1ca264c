"""A conversation as a chat, and a ticket with its thread."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from archive.message_text import Piece, pieces
from archive.parts import inline_files
from archive.view.files import kept_as, picture_type, show_files
from archive.view.frame import MESSAGES, NUMBER, Page, pages_of, thread_name, when
from archive.view.index import Index, Thread
from archive.view.markup import Child, Markup, el, join, sanitised

Row = Mapping[str, Any]
_CHAT = {"15", "21"}
"""Sources of tickets that are chats: the first reply repeats the description (seen on live accounts)."""
_NAMES = {
    "status": {"2": "Open", "3": "Pending", "4": "Resolved", "5": "Closed"},
    "priority": {"1": "Low", "2": "Medium", "3": "High", "4": "Urgent"},
}


def conversation(page: Page, thread: Thread, number: int) -> bytes:
    """Write a page of a conversation."""
    value = page.index.raw("conversations", thread.id) or {}
    start = (number - 1) * MESSAGES
    messages = islice(page.archive.messages(thread.id), start, start + MESSAGES)
    said = _days(page, [message.value for message in messages])
    channel = page.index.raw("channels", str(value.get("channel_id"))) or {}
    facts = (
        ("status", value.get("status")),
        ("user", thread.person),
        ("agent", page.index.name_of_user(str(value.get("assigned_agent_id") or ""))),
        ("channel", channel.get("name")),
        ("created", when(value.get("created_time"))),
        ("updated", when(value.get("updated_time"))),
        ("linked_tickets", _tickets(page, thread)),
    )
    talk = el("section", *said, class_="chat") if thread.size else el("p", page.say("empty"), class_="empty")
    return _page(page, thread, number, facts, talk, value)


def _page(page: Page, thread: Thread, number: int, facts: Any, talk: Markup, value: Row) -> bytes:
    shown = ((key, fact) for key, fact in facts if fact)
    listed = (
        join(el("dt", page.say(key)), el("dd", fact if isinstance(fact, Markup) else str(fact))) for key, fact in shown
    )
    pages = pages_of(thread.size, MESSAGES)
    name = thread_name(page.archive, thread, NUMBER)
    raw = json.dumps(value, ensure_ascii=False, indent=2)
    title = thread.title or page.say("untitled")
    return page.html(
        title,
        el("p", f"{page.say(thread.kind)} {thread.id}", class_="kicker"),
        el("h1", title),
        el("dl", *listed, class_="facts"),
        page.steps(number, pages, name),
        talk,
        page.steps(number, pages, name),
        el("details", el("summary", page.say("raw")), el("pre", raw)),
    )


def _tickets(page: Page, thread: Thread) -> Child:
    rows = page.index.rows("links", "conversation_id = ?", thread.id)
    return _links(page, rows, "ticket") or page.say("no_link")


def _links(page: Page, rows: Iterator[dict[str, Any]], kind: str) -> Markup | None:
    shown = []
    for row in rows:
        key = str(row[f"{kind}_id"])
        found = page.index.thread("ticket" if kind == "ticket" else "conversation", key)
        link = el("a", f"#{key}" if kind == "ticket" else key, href=page.thread(found)) if found else Markup(key)
        shown.append(join(link, f" ({page.word(row['confidence'])}) "))
    return join(*shown) if shown else None


# --- chat


def _days(page: Page, messages: list[dict[str, Any]]) -> Iterator[Markup]:
    day = ""
    for message in messages:
        at = when(message.get("created_time"))
        if at[:10] != day:
            day = at[:10]
            yield el("p", day, class_="day")
        yield _message(page, message, at)


def _message(page: Page, message: Row, at: str) -> Markup:
    actor = str(message.get("actor_type") or "")
    private = message.get("message_type") == "private" or message.get("botsPrivateNote") is True
    side = actor if actor in ("user", "agent", "bot") else "system"
    name = page.index.name_of_user(str(message.get("actor_id") or "")) or page.word(actor)
    files = list(page.index.rows("attachments", "owner_kind = 'message' AND owner_id = ?", str(message.get("id"))))
    parts = (_piece(page, piece, bool(files)) for piece in pieces(message))
    return el(
        "article",
        el(
            "p", el("b", name), el("span", page.say("private"), class_="note") if private else None, el("time", at[11:])
        ),
        *parts,
        show_files(page, files),
        class_=f"message {side}{' private' if private else ''}",
    )


def _piece(page: Page, piece: Piece, has_files: bool) -> Markup | None:
    if piece.kind == "text":
        return el("div", piece.text, class_="text")
    if piece.kind == "button":
        return el("span", piece.text, class_="choice")
    if piece.kind == "file":
        return None if has_files else el("span", piece.text, class_="file failed")
    return el("span", page.say("unknown_part", kind=piece.text), class_="file failed")


# --- ticket


def ticket(page: Page, thread: Thread, number: int) -> bytes:
    """Write a page of a ticket."""
    value = page.index.raw("tickets", thread.id) or {}
    start = (number - 1) * MESSAGES
    replies = [reply.value for reply in islice(page.archive.replies(thread.id), start, start + MESSAGES)]
    repeated = str(value.get("source")) in _CHAT and bool(replies)
    first = _reply(page, value, "ticket", "description", thread.person) if number == 1 and not repeated else None
    said = (_reply(page, reply, "reply", "body", _author(page.index, reply)) for reply in replies)
    states = ", ".join(page.say(state) for state in ("spam", "deleted", "archived") if value.get(state) is True)
    facts = (
        ("status", join(choice(page.index, "status", value.get("status")), f" ({states})" if states else None)),
        ("priority", choice(page.index, "priority", value.get("priority"))),
        ("user", thread.person),
        ("agent", page.index.name_of_contact(str(value.get("responder_id") or ""))),
        ("created", when(value.get("created_at"))),
        ("updated", when(value.get("updated_at"))),
        ("linked_chats", _links(page, page.index.rows("links", "ticket_id = ?", thread.id), "conversation")),
    )
    return _page(page, thread, number, facts, el("section", first, *said, class_="thread"), value)


def _author(index: Index, reply: Row) -> str:
    return index.name_of_contact(str(reply.get("user_id") or "")) or str(reply.get("from_email") or "")


def _reply(page: Page, row: Row, kind: str, body: str, author: str) -> Markup:
    owner = str(row.get("id"))
    files = list(page.index.rows("attachments", "owner_kind = ? AND owner_id = ?", kind, owner))
    html = str(row.get(body) or "")
    inline = {str(file["attachment_id"]): file for file in files if file["source"] == "inline"}
    places = {found.url: inline.get(found.id) for found in inline_files(html)}
    shown: set[str] = set()

    def picture(address: str) -> str | None:
        file = places.get(address.strip())
        if file is None or not file["path"] or not picture_type(page.archive, str(file["path"])):
            return None
        shown.add(str(file["path"]))
        return page.to(kept_as(page.archive, str(file["path"])))

    private = row.get("private") is True
    note = page.say("private") if private else page.say("description") if kind == "ticket" else None
    text = sanitised(html, picture) or el("div", str(row.get(f"{body}_text") or ""), class_="text")
    side = "private" if private else "user" if kind == "ticket" or row.get("incoming") is True else "agent"
    return el(
        "article",
        el(
            "p",
            el("b", author),
            el("span", note, class_="note") if note else None,
            el("time", when(row.get("created_at"))),
        ),
        el("div", text, class_="body"),
        show_files(page, [file for file in files if file["path"] not in shown]),
        class_=f"reply {side}",
    )


def choice(index: Index, field: str, number: object) -> str:
    """Give the name of a status or priority; accounts make their own, and unknown numbers stay."""
    key = str(number if number is not None else "")
    return index.choices(field).get(key) or _NAMES[field].get(key) or key
