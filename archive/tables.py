"""The tables that analysts get of an archive: typed columns of what is known, and the JSON as received beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from archive import layout
from archive.lines import Element, storable
from archive.message_text import body_text, message_text
from archive.reading import Archive, id_of_conversation

Row = Mapping[str, Any]
Read = Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and where its value is in a row."""

    name: str
    type: str
    read: Read


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `rows` gives the elements it is made of; `indexed` is a column that its rows are looked up by."""

    name: str
    columns: tuple[Column, ...]
    rows: Callable[[Archive], Iterator[Element]]
    indexed: str = ""

    @property
    def create(self) -> str:
        """SQL that makes the table."""
        columns = "".join(f'"{column.name}" {column.type}, ' for column in self.columns)
        return f'CREATE TABLE "{self.name}" ({columns}raw TEXT NOT NULL)'

    @property
    def insert(self) -> str:
        """SQL that adds a row, with a place for each of `cells`."""
        return f'INSERT INTO "{self.name}" VALUES ({", ".join("?" * (len(self.columns) + 1))})'  # noqa: S608 - our names

    def cells(self, element: Element) -> tuple[Any, ...]:
        """Give a row of the table."""
        return (*(cell(column.read(element.value)) for column in self.columns), element.raw)


_INTEGERS: Final = range(-(2**63), 2**63)


def cell(value: Any) -> Any:
    """Give a value as SQLite keeps it; numbers too large for it become text, lists and objects JSON."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if value in _INTEGERS else str(value)
    if isinstance(value, str):
        return storable(value)
    if value is None or isinstance(value, float):
        return value
    return json.dumps(value)


def _at(path: str) -> Read:
    first, _, rest = path.partition(".")

    def read(row: Row) -> Any:
        value = row.get(first)
        return value.get(rest) if rest and isinstance(value, dict) else None if rest else value

    return read


def _columns(listed: str, /, **computed: Read) -> tuple[Column, ...]:
    """Read `name TYPE path, …`; a path that is the name may be left out. `computed` are texts. An id comes first."""
    words = (column.split() for column in listed.split(","))
    columns = [Column(name, kind, _at(path[0] if path else name)) for name, kind, *path in words]
    columns += [Column(name, "TEXT", read) for name, read in computed.items()]
    return tuple(sorted(columns, key=lambda column: column.name != "id"))


def _list(path: str) -> Callable[[Archive], Iterator[Element]]:
    return lambda archive: archive.elements(path)


def _messages(archive: Archive) -> Iterator[Element]:
    for conversation in archive.elements(layout.CONVERSATIONS):
        yield from archive.messages(id_of_conversation(conversation.value))


def _replies(archive: Archive) -> Iterator[Element]:
    for ticket in archive.elements(layout.TICKETS):
        yield from archive.replies(str(ticket.value.get("id")))


CONVERSATIONS: Final = Table(
    "conversations",
    _columns(
        """internal_id INTEGER conversation_internal_id, status TEXT, channel_id TEXT, user_id TEXT,
        agent_id TEXT assigned_agent_id, group_id TEXT assigned_group_id,
        created_at TEXT created_time, updated_at TEXT updated_time""",
        id=id_of_conversation,
    ),
    _list(layout.CONVERSATIONS),
    "id",
)
MESSAGES: Final = Table(
    "messages",
    _columns(
        """id TEXT, conversation_id TEXT, created_at TEXT created_time, actor_type TEXT, actor_id TEXT,
        message_type TEXT, message_source TEXT""",
        text=message_text,
    ),
    _messages,
    "conversation_id",
)
TICKETS: Final = Table(
    "tickets",
    _columns(
        """id INTEGER, subject TEXT, status INTEGER, priority INTEGER, source INTEGER, type TEXT,
        requester_id INTEGER, responder_id INTEGER, company_id INTEGER, group_id INTEGER, product_id INTEGER,
        spam INTEGER, deleted INTEGER, archived INTEGER, created_at TEXT, updated_at TEXT""",
        text=lambda row: body_text(row, "description"),
    ),
    _list(layout.TICKETS),
    "id",
)
REPLIES: Final = Table(
    "ticket_conversations",
    _columns(
        """id INTEGER, ticket_id INTEGER, user_id INTEGER, incoming INTEGER, private INTEGER, source INTEGER,
        created_at TEXT, updated_at TEXT""",
        text=lambda row: body_text(row, "body"),
    ),
    _replies,
    "ticket_id",
)
_PERSON: Final = "id TEXT, first_name TEXT, last_name TEXT, email TEXT, phone TEXT, created_at TEXT created_time"
PEOPLE: Final = (
    Table("users", _columns(f"{_PERSON}, reference_id TEXT"), _list(layout.USERS), "id"),
    Table("freshchat_agents", _columns(_PERSON), _list(layout.FRESHCHAT_AGENTS), "id"),
    Table(
        "contacts",
        _columns(
            """id INTEGER, name TEXT, email TEXT, phone TEXT, mobile TEXT, company_id INTEGER, unique_external_id TEXT,
            created_at TEXT, updated_at TEXT"""
        ),
        _list(layout.CONTACTS),
        "id",
    ),
    Table(
        "freshdesk_agents",
        _columns("id INTEGER, name TEXT contact.name, email TEXT contact.email, created_at TEXT"),
        _list(layout.FRESHDESK_AGENTS),
        "id",
    ),
    Table("companies", _columns("id INTEGER, name TEXT, created_at TEXT"), _list(layout.COMPANIES), "id"),
    Table("channels", _columns("id TEXT, name TEXT"), _list(layout.CHANNELS), "id"),
)
FIELDS: Final = (
    Table("freshchat_fields", _columns("id TEXT, name TEXT, label TEXT, type TEXT"), _list("freshchat/fields.json")),
    Table("freshdesk_fields", _columns("id INTEGER, name TEXT, label TEXT, type TEXT"), _list(layout.FIELDS), "name"),
)
LINKS: Final = Table(
    "links",
    _columns("conversation_id TEXT, ticket_id INTEGER, confidence TEXT, evidence TEXT"),
    _list(layout.LINKS),
    "conversation_id",
)
ATTACHMENTS: Final = Table(
    "attachments",
    _columns(
        """path TEXT, source TEXT, owner_kind TEXT, owner_id TEXT, attachment_id TEXT, name TEXT, content_type TEXT,
        size INTEGER, sha256 TEXT, state TEXT, reason TEXT"""
    ),
    _list(layout.ATTACHMENTS),
    "owner_id",
)
GAPS: Final = Table("gaps", _columns("what TEXT, id TEXT, reason TEXT, path TEXT"), _list(layout.GAPS))
CSAT: Final = Table("csat", _columns("conversation_id TEXT"), _list("freshchat/csat.json"))

THREADS: Final = (MESSAGES, REPLIES)
HEADS: Final = (CONVERSATIONS, TICKETS, *PEOPLE, *FIELDS, LINKS, ATTACHMENTS, GAPS)
TABLES: Final = (*HEADS, *THREADS, CSAT)
