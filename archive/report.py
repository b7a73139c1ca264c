"""The verification report: what there is, what was expected, what is missing, counted from the state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archive.state import State
from bridge.exact_json import dumps
from bridge.moments import iso

SOURCES = ("users", "report", "webhooks", "bridge", "list")
MOST = 10_000
"""Ids that a list in the report names; the counts are always whole."""
DIFFERENCES = """SELECT told.conversation,
  SUM(EXISTS (SELECT 1 FROM part WHERE kind = 'freshchat.messages' AND parent = told.conversation
    AND part.id = told.message)) AS api, COUNT(*) AS transcript
  FROM told GROUP BY told.conversation HAVING api < transcript ORDER BY told.conversation"""
UNLINKED = """SELECT id FROM item WHERE kind = 'freshchat.conversations'
  AND id NOT IN (SELECT conversation FROM link) ORDER BY id"""
ONLY_IN = "SELECT conversation FROM seen GROUP BY conversation HAVING COUNT(DISTINCT source) = 1 AND MIN(source) = ?"
NOT_FETCHED = """SELECT DISTINCT conversation FROM seen WHERE conversation NOT IN
  (SELECT id FROM item WHERE kind = 'freshchat.conversations')
  AND conversation NOT IN (SELECT conversation FROM unchanged) ORDER BY conversation"""


def unlinked(state: State) -> Iterator[str]:
    """Give the ids of all conversations without a ticket."""
    return (dumps(row[0]) for row in state.rows(UNLINKED))


def verification(state: State, kind: str, finished: float) -> dict[str, Any]:
    """Make the report; the ids of conversations without a ticket are written into it one by one."""
    gaps = dict(state.rows("SELECT reason, COUNT(*) FROM gap GROUP BY reason ORDER BY reason"))
    missing = int(state.value("SELECT COUNT(*) FROM gap WHERE missing = 1"))
    without = _count(state, UNLINKED)
    conversations = _items(state, "freshchat.conversations")
    sources = _sources(state)
    totals = _totals(state)
    failed, differences = totals["attachments"]["failed"], len(sources["messages"]["differences"])
    return {
        "exportDate": iso(finished),
        "kind": kind,
        "complete": not (missing or differences or failed),
        "totals": totals,
        "linkedConversations": conversations - without,
        "unlinkedConversations": without,
        "unlinkedConversationIds": [],
        "warning": _warning(without, failed, missing, differences),
        "sources": sources,
        "gaps": {"count": sum(gaps.values()), "byReason": gaps},
    }


def _warning(unlinked: int, failed: int, missing: int, differences: int) -> str | None:
    told = (
        (unlinked, "conversations have no ticket: they are in no ticket system but this archive"),
        (failed, "attachments could not be fetched (attachments.json)"),
        (missing, "things could not be read (gaps.json)"),
        (differences, "conversations have messages in a report that the API did not give (sources.messages)"),
    )
    found = [f"{count} {text}" for count, text in told if count]
    return "; ".join(found) + "." if found else None


def _totals(state: State) -> dict[str, Any]:
    by_state = dict(state.rows("SELECT state, COUNT(*) FROM attachment GROUP BY state"))
    return {
        "conversations": _items(state, "freshchat.conversations"),
        "messages": _parts(state, "freshchat.messages"),
        "users": _items(state, "freshchat.users"),
        "tickets": _items(state, "freshdesk.tickets"),
        "ticketConversations": _parts(state, "freshdesk.conversations"),
        "contacts": _items(state, "freshdesk.contacts"),
        "companies": _items(state, "freshdesk.companies"),
        "agents": {product: _items(state, f"{product}.agents") for product in ("freshchat", "freshdesk")},
        "attachments": {
            "expected": sum(by_state.values()),
            "fetched": by_state.get("fetched", 0),
            "failed": by_state.get("failed", 0),
        },
    }


def _items(state: State, kind: str) -> int:
    return int(state.value("SELECT COUNT(*) FROM item WHERE kind = ?", kind))


def _parts(state: State, kind: str) -> int:
    """Count messages or replies of what is in the archive."""
    return int(state.value("SELECT COUNT(*) FROM part WHERE kind = ?", kind))


def _count(state: State, sql: str, *values: Any) -> int:
    return int(state.value(f"SELECT COUNT(*) FROM ({sql})", *values))  # noqa: S608 - our own statements


def _sources(state: State) -> dict[str, Any]:
    counted = "SELECT COUNT(DISTINCT conversation) FROM seen WHERE source = ?"
    return {
        "conversations": {source: int(state.value(counted, source)) for source in SOURCES},
        "onlyIn": {source: _some(state, f"{ONLY_IN} ORDER BY conversation", source) for source in SOURCES},
        "onlyInCount": {source: _count(state, ONLY_IN, source) for source in SOURCES},
        "notFetched": _some(state, NOT_FETCHED),
        "notFetchedCount": _count(state, NOT_FETCHED),
        "messages": {
            "api": _parts(state, "freshchat.messages"),
            "transcript": int(state.value("SELECT COUNT(*) FROM told")),
            "differences": [
                {"conversation_id": conversation, "api": api, "transcript": told}
                for conversation, api, told in state.rows(f"{DIFFERENCES} LIMIT {MOST}")
            ],
        },
        "tickets": _tickets(state),
    }


def _some(state: State, sql: str, *values: Any) -> list[str]:
    return [row[0] for row in state.rows(f"{sql} LIMIT {MOST}", *values)]


def _tickets(state: State) -> Mapping[str, int]:
    found = dict(state.rows("SELECT state, COUNT(*) FROM ticket_state GROUP BY state"))
    highest = "SELECT MAX(number) FROM item WHERE kind = 'freshdesk.tickets' AND number < (1 << 62)"
    return {
        **{name: found.get(name, 0) for name in ("live", "deleted", "spam", "archived")},
        "highestId": int(state.value(highest) or 0),
        "absent": int(state.value("SELECT COUNT(*) FROM absent")),
    }
