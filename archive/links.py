"""Which conversation belongs to which ticket, with the evidence; nothing in the data itself is changed.

Explicit: a ticket names a conversation (its id, its internal number, the address of its page), or a conversation names
a ticket (`ticket_id`, also in `meta` or `properties`; a ticket's address in a note). Probable: the same person, a
ticket of a chat source, begun between the first message and ten minutes after the last one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from archive.lines import storable
from archive.page import id_of
from archive.state import State
from bridge.moments import epoch

CHAT_SOURCES = (7, 15, 21)
AFTER = 600.0
"""Seconds after the end of a chat in which a ticket made of it may begin."""
BATCH = 100
LONGEST = 200_000
"""Characters of one text that are looked through."""
_TOKEN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{15,200}")
_INTERNAL = re.compile(r"/conversation/(\d{1,20})\b")
_TICKET = re.compile(r"/a/tickets/(\d{1,15})\b|\bticket\s*(?:#|no\.?|id:?)\s*(\d{1,15})\b", re.IGNORECASE)
_ADD = "INSERT OR IGNORE INTO link VALUES(?, ?, ?, ?)"
Link = tuple[str, int, str, str]


def find_links(state: State) -> Iterator[None]:
    """Fill the table of links anew from what was received, a batch at each step."""
    for table in ("link", "person", "chat"):
        state.run(f"DELETE FROM {table}")  # noqa: S608 - our own tables
    if state.value("SELECT 1 FROM item WHERE kind = 'freshdesk.tickets' LIMIT 1") is None:
        return  # nothing to link to: no chat has to be looked through
    yield from _each(state, "freshchat.conversations", lambda item_id, value: _chat(state, item_id, value))
    yield from _each(state, "freshchat.users", lambda item_id, value: _person(state, "freshchat", item_id, value))
    yield from _each(state, "freshdesk.contacts", lambda item_id, value: _person(state, "freshdesk", item_id, value))
    yield from _each(state, "freshdesk.tickets", lambda item_id, value: _ticket(state, item_id, value))


def _each(state: State, kind: str, work: Callable[[str, dict[str, Any]], None]) -> Iterator[None]:
    """Do this for all items of a kind, a transaction for some at a time."""
    after = ""
    while True:
        sql = "SELECT id, body FROM item WHERE kind = ? AND id > ? ORDER BY id LIMIT ?"
        batch = list(state.rows(sql, kind, after, BATCH))
        if not batch:
            return
        with state.transaction():
            for item_id, body in batch:
                value = json.loads(body)
                if isinstance(value, dict):
                    work(item_id, value)
        after = batch[-1][0]
        yield


# --- conversations


def _chat(state: State, chat_id: str, value: dict[str, Any]) -> None:
    user = id_of(value, "user_id") or id_of(value, "created_by")
    listed = "SELECT user FROM seen WHERE conversation = ? AND user <> '' ORDER BY user LIMIT 1"
    user = user or str(state.value(listed, chat_id) or "")
    span = "SELECT MIN(at), MAX(at) FROM part WHERE kind = 'freshchat.messages' AND parent = ? AND at > 0"
    since, until = next(state.rows(span, chat_id))
    begun = epoch(value.get("created_time"))
    since, until = since or begun, max((t for t in (until, begun) if t), default=None)
    internal = id_of(value, "conversation_internal_id")
    state.run("INSERT OR REPLACE INTO chat VALUES(?, ?, ?, ?, ?)", chat_id, internal, user, since, until)
    for ticket, evidence in (*_named_tickets(value), *_told_tickets(state, chat_id)):
        _explicit(state, chat_id, ticket, evidence)


def _explicit(state: State, chat_id: str, ticket: int, evidence: str) -> None:
    """Keep a link if there is such a ticket."""
    if state.value("SELECT 1 FROM item WHERE kind = 'freshdesk.tickets' AND id = ?", str(ticket)):
        state.run(_ADD, chat_id, ticket, "explicit", evidence)


def _named_tickets(value: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Give the tickets that a conversation's own fields name."""
    places = (("", value), ("meta.", value.get("meta")), ("properties.", value.get("properties")))
    for place, fields in places:
        for name, told in (fields if isinstance(fields, dict) else {}).items():
            wanted = name == "ticket_id" if not place else "ticket" in name.lower()
            number = _number(told) if wanted else None
            if number is not None:
                yield number, f"conversation.{place}{name}"


def _number(told: object) -> int | None:
    if isinstance(told, int) and not isinstance(told, bool):
        return told
    if isinstance(told, str) and (found := re.fullmatch(r"\s*#?(\d{1,15})\s*|.*/a/tickets/(\d{1,15})\D*", told)):
        return int(found[1] or found[2])
    return None


def _told_tickets(state: State, chat_id: str) -> Iterator[tuple[int, str]]:
    """Give the tickets that notes and system messages name."""
    sql = "SELECT id, body FROM part WHERE kind = 'freshchat.messages' AND parent = ? ORDER BY at, id"
    for message_id, body in state.rows(sql, chat_id):
        if "ticket" not in body.lower():
            continue
        message = json.loads(body)
        if message.get("message_type") in ("private", "system") or message.get("actor_type") == "system":
            for found in _TICKET.finditer(body[:LONGEST]):
                yield int(found[1] or found[2]), f"message {message_id}"


# --- people


def _person(state: State, product: str, person_id: str, value: dict[str, Any]) -> None:
    others = value.get("other_emails")
    mails = [value.get("email"), *(others if isinstance(others, list) else [])]
    keys = {f"mail {mail.strip().lower()}" for mail in mails if isinstance(mail, str) and mail.strip()}
    for name in ("phone", "mobile"):
        digits = re.sub(r"\D", "", str(value.get(name) or ""))
        if len(digits) >= 8:
            keys.add(f"phone {digits}")
    for name in ("reference_id", "unique_external_id"):
        if isinstance(value.get(name), str) and value[name].strip():
            keys.add(f"id {value[name].strip()}")
    for key in keys:
        state.run("INSERT OR IGNORE INTO person VALUES(?, ?, ?)", product, storable(key), person_id)


# --- tickets

_CHATS = """SELECT DISTINCT chat.id, chat.since, chat.until, mine.key FROM person AS mine
  JOIN person AS theirs ON theirs.product = 'freshchat' AND theirs.key = mine.key
  JOIN chat ON chat.user = theirs.id
  WHERE mine.product = 'freshdesk' AND mine.id = ? ORDER BY chat.id"""


def _ticket(state: State, ticket_id: str, value: dict[str, Any]) -> None:
    if not ticket_id.isdecimal():
        return
    ticket, found = int(ticket_id), False
    for where, text in _texts(state, ticket_id, value):
        for chat_id in _named_chats(state, text):
            found = True
            state.run(_ADD, chat_id, ticket, "explicit", where)
    if not found and value.get("source") in CHAT_SOURCES:
        _probable(state, ticket, value)


def _texts(state: State, ticket_id: str, value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Give the texts of a ticket that may name a chat, each with where it stands."""
    custom = value.get("custom_fields")
    for name, told in (custom if isinstance(custom, dict) else {}).items():
        yield f"ticket.custom_fields.{name}", str(told or "")
    for name in ("subject", "description", "description_text"):
        yield f"ticket.{name}", str(value.get(name) or "")
    sql = "SELECT id, body FROM part WHERE kind = 'freshdesk.conversations' AND parent = ? ORDER BY place, id"
    for reply_id, body in state.rows(sql, ticket_id):
        yield f"reply {reply_id}", body


def _named_chats(state: State, text: str) -> Iterator[str]:
    text = text[:LONGEST]
    for token in dict.fromkeys(_TOKEN.findall(text)):
        if state.value("SELECT 1 FROM chat WHERE id = ?", token):
            yield token
    numbers = _INTERNAL.findall(text) + ([text.strip()] if re.fullmatch(r"\s*\d{6,20}\s*", text) else [])
    for number in dict.fromkeys(numbers):
        for (chat_id,) in list(state.rows("SELECT id FROM chat WHERE internal = ? ORDER BY id", number)):
            yield chat_id


def _probable(state: State, ticket: int, value: dict[str, Any]) -> None:
    begun = epoch(value.get("created_at"))
    requester = id_of(value, "requester_id")
    if begun is None or not requester:
        return
    for chat_id, since, until, key in list(state.rows(_CHATS, requester)):
        if since is not None and since - 1 <= begun <= (until or since) + AFTER:
            evidence = f"same {key.partition(' ')[0]}, ticket source {value['source']}, time"
            state.run(_ADD, chat_id, ticket, "probable", evidence)
