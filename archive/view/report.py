"""The overview, and the report of the export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from archive import layout
from archive.view.frame import Page, when
from archive.view.markup import Child, Markup, el

LONGEST = 100
"""Elements of a list in the report that are shown; the whole of it is in `verification_report.json`."""

_TOTALS = (
    ("conversations", "conversations/1.html"),
    ("messages", None),
    ("users", None),
    ("tickets", "tickets/1.html"),
    ("ticketConversations", None),
    ("contacts", None),
    ("companies", None),
)


def overview(page: Page) -> bytes:
    """Write the first page."""
    report = page.archive.report
    warning = report.get("warning")
    return page.html(
        page.say("overview"),
        el("h1", page.archive.name),
        el("p", str(warning), class_="warning") if warning else None,
        el("section", *_tiles(page, report), class_="tiles"),
        el("dl", *_facts(page, report), class_="facts"),
    )


def _tiles(page: Page, report: Mapping[str, Any]) -> list[Markup]:
    totals = _object(report.get("totals"))
    names = {"ticketConversations": "replies"}
    tiles = [_tile(page.say(names.get(key, key)), _number(totals.get(key)), page, place) for key, place in _TOTALS]
    files = _object(totals.get("attachments"))
    fetched = page.say("fetched_of", fetched=_number(files.get("fetched")), expected=_number(files.get("expected")))
    unlinked = _number(report.get("unlinkedConversations"))
    gaps = _number(_object(report.get("gaps")).get("count"))
    tiles.insert(1, _tile(page.say("unlinked"), unlinked, page, "unlinked/1.html"))
    tiles.append(_tile(page.say("attachments"), fetched, page, "files/1.html"))
    return [*tiles, _tile(page.say("gaps"), gaps, page, "gaps/1.html")]


def _tile(label: str, number: str, page: Page, place: str | None) -> Markup:
    inner = (el("b", number), el("span", label))
    return el("a", *inner, href=page.to(place), class_="tile") if place else el("div", *inner, class_="tile")


def _facts(page: Page, report: Mapping[str, Any]) -> list[Markup]:
    accounts = _object(page.archive.metadata.get("accounts"))
    facts: tuple[tuple[str, Child], ...] = (
        ("exported", when(report.get("exportDate"))),
        ("kind", page.word(report.get("kind"))),
        ("complete", page.say("yes" if report.get("complete") is True else "no")),
        ("fingerprint", page.archive.fingerprint),
        ("accounts", ", ".join(map(str, accounts.values()))),
    )
    return [term for key, fact in facts if fact for term in (el("dt", page.say(key)), el("dd", fact))]


def report(page: Page) -> bytes:
    """Write the report: the summary for people, and what the export counted."""
    summary = page.archive.root / layout.SUMMARY
    text = summary.read_text(encoding="utf-8", errors="replace") if summary.is_file() else ""
    ids = list(islice(page.archive.unlinked_ids(), LONGEST))
    if (left := _count(page.archive.report.get("unlinkedConversations")) - len(ids)) > 0:
        ids.append(page.say("more", count=f"{left:,}"))
    shown = page.archive.report | {"unlinkedConversationIds": ids}
    told = json.dumps(_shortened(page, shown), ensure_ascii=False, indent=2)
    return page.html(
        page.say("report"),
        el("h1", page.say("report")),
        el("pre", text, class_="summary") if text else None,
        el("h2", layout.REPORT),
        el("pre", told),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _shortened(page: Page, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(page, inner) for key, inner in value.items()}
    if isinstance(value, list) and len(value) > LONGEST + 1:
        return [*value[:LONGEST], page.say("more", count=f"{len(value) - LONGEST:,}")]
    return value


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"
