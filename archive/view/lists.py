"""Lists of chats, tickets, files and gaps, page by page, and what a search found."""

from __future__ import annotations

from urllib.parse import urlencode

from archive.message_text import body_text, message_text
from archive.view import words
from archive.view.files import kept_as, saved_as
from archive.view.frame import NUMBER, ROWS, Page, bytes_of, pages_of, when
from archive.view.index import Kind, Thread
from archive.view.markup import Child, Markup, el, join

HITS = 20
FURTHEST = 50
"""Pages of a search that are shown; more words find fewer."""


def threads(page: Page, kind: Kind, place: str, number: int) -> bytes:
    """Write a page of chats or tickets, newest first."""
    unlinked = place == "unlinked"
    found = page.index.threads(kind, (number - 1) * ROWS, ROWS, unlinked=unlinked)
    title = "title" if kind == "conversation" else "subject"
    rows = [(when(t.at), _link(page, t), t.person, str(t.size)) for t in found]
    count = page.index.count(kind, unlinked=unlinked)
    table = page.table(("date", title, "person", "messages" if kind == "conversation" else "replies"), rows, "threads")
    return _listed(page, place, number, count, table)


def _link(page: Page, thread: Thread) -> Markup:
    number = f"#{thread.id} " if thread.kind == "ticket" else ""
    return el("a", f"{number}{thread.title or page.say('untitled')}", href=page.thread(thread))


def files(page: Page, number: int) -> bytes:
    """Write a page of attachments."""
    start = (number - 1) * ROWS
    found = page.index.rows("attachments", "rowid > ? AND rowid <= ?", start, start + ROWS)
    rows: list[tuple[Child, ...]] = []
    for row in found:
        name = str(row["name"] or row["path"] or "?")
        if row["state"] == "fetched":
            address = page.to(kept_as(page.archive, str(row["path"])))
            link: Child = el("a", name, href=address, download=saved_as(page.archive, row))
        else:
            link = el("span", f"{name} ({page.say('failed', reason=row['reason'])})", class_="failed")
        rows.append((link, bytes_of(row["size"]) if row["size"] else "", f"{row['owner_kind']} {row['owner_id']}"))
    return _listed(
        page, "files", number, page.index.size("attachments"), page.table(("name", "size", "belongs"), rows, "owned")
    )


def gaps(page: Page, number: int) -> bytes:
    """Write a page of what could not be had."""
    start = (number - 1) * ROWS
    found = page.index.rows("gaps", "rowid > ? AND rowid <= ?", start, start + ROWS)
    rows = [tuple(str(row[name] or "") for name in ("what", "id", "reason")) for row in found]
    return _listed(page, "gaps", number, page.index.size("gaps"), page.table(("what", "belongs", "reason"), rows))


def _listed(page: Page, place: str, number: int, count: int, table: Markup) -> bytes:
    steps = page.steps(number, pages_of(count, ROWS), f"{place}/{NUMBER}.html")
    title = el("h1", page.say(place), el("span", f"{count:,}", class_="count"))
    return page.html(page.say(place), title, steps, table, steps)


def search(page: Page, asked: str, number: int) -> bytes:
    """Write what a search found."""
    total, found = page.index.search(asked, (number - 1) * HITS, HITS)
    hits = [_hit(page, thread, words.terms(asked)) for thread in found]
    count = el("p", page.say("search_found", count=f"{total:,}") if total else page.say("search_none"), class_="muted")
    pages = min(pages_of(total, HITS), FURTHEST)
    steps = page.steps(number, pages, "search.html", f"?{urlencode({'q': asked})}&page={NUMBER}")
    return page.html(page.say("search"), el("h1", page.say("search")), page.search_box(asked), count, *hits, steps)


def _hit(page: Page, thread: Thread, wanted: list[str]) -> Markup:
    return el(
        "article",
        el("p", _link(page, thread)),
        el("p", _snippet(page, thread, wanted), class_="snippet"),
        el("p", f"{page.say(thread.kind)} · {when(thread.at)} · {thread.person}", class_="muted"),
        class_="hit",
    )


def _snippet(page: Page, thread: Thread, wanted: list[str]) -> Markup | None:
    """Show where in the thread the first word is found."""
    if thread.kind == "conversation":
        texts = (message_text(message.value) for message in page.archive.messages(thread.id))
    else:
        texts = (body_text(reply.value, "body") for reply in page.archive.replies(thread.id))
    for text in (line for said in texts for line in said.splitlines()):
        if found := words.around(text, wanted):
            return join(found[0], el("mark", found[1]), found[2])
    return None
