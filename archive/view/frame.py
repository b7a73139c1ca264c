"""What all pages have: the head, the way around, pages of lists, times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from archive.reading import Archive
from archive.view.index import Index, Thread
from archive.view.markup import Child, Markup, el, join
from archive.view.texts import TEXTS, Language

ROWS = 100
"""Rows on a page of a list."""

MESSAGES = 200
"""Messages on a page of a thread."""

NUMBER = "\0"
"""Stands for the number of a page, where no name has it."""

_PLACES = ("conversations", "unlinked", "tickets", "files", "gaps")
OFFLINE_POLICY = "default-src 'none'; style-src 'self' file:; img-src 'self' file:; base-uri 'none'"
SEARCH_POLICY = f"{OFFLINE_POLICY}; script-src 'self' file:"
"""Files have no headers, so their rule stands in the page. Only the search runs a script, and it is ours."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is being written: where it is, for whom, and where its links lead from there."""

    archive: Archive
    index: Index
    lang: Language
    name: str
    live: bool
    """Served, and not a file: then there are no scripts, and the other language is a link away."""

    def say(self, key: str, **values: object) -> str:
        """Give a text."""
        return TEXTS[self.lang][key].format(**values)

    def word(self, key: object) -> str:
        """Give a text if the key has one, else the key: states may be new."""
        return TEXTS[self.lang].get(str(key), str(key))

    def to(self, name: str) -> str:
        """Give the address of another page, relative to this one."""
        return "../" * self.name.count("/") + quote(name)

    def thread(self, thread: Thread, page: int = 1) -> str:
        """Give the address of a conversation or ticket."""
        return self.to(thread_name(self.archive, thread, page))

    def html(self, title: str, *children: Child, script: bool = False) -> bytes:
        """Write the page."""
        policy = None if self.live else el("meta", http_equiv="Content-Security-Policy", content=_policy(script))
        head = el(
            "head",
            el("meta", charset="utf-8"),
            policy,
            el("meta", name="viewport", content="width=device-width, initial-scale=1"),
            el("meta", name="referrer", content="no-referrer"),
            el("title", f"{title} · {self.archive.name}"),
            el("link", rel="icon", href=self.to("icon.svg")),
            el("link", rel="stylesheet", href=self.to("style.css")),
        )
        body = el("body", self._bar(), el("main", *children), el("footer", self.say("times")))
        return join(Markup("<!doctype html>\n"), el("html", head, body, lang=self.lang)).encode("utf-8", "replace")

    def _bar(self) -> Markup:
        here = self.name.partition("/")[0]
        here = {"conversation": "conversations", "ticket": "tickets", "": "index.html"}.get(here, here)
        places = [
            ("index.html", "overview"),
            *((f"{place}/1.html", place) for place in _PLACES),
            ("report.html", "report"),
        ]
        links = (
            el("a", self.say(text), href=self.to(name), aria_current="page" if name.partition("/")[0] == here else None)
            for name, text in places
        )
        other = "ko" if self.lang == "en" else "en"
        language = el(
            "a", self.say("other_language"), href=self.to(f"../{other}/{self.name}"), lang=other, class_="lang"
        )
        return el(
            "header",
            el("a", self.archive.name, href=self.to("index.html"), class_="brand"),
            el("nav", *links),
            self.search_box(""),
            language if self.live else None,
        )

    def search_box(self, asked: str) -> Markup:
        """Write the form; a file finds what was asked for in its own address."""
        label = self.say("search")
        field = el("input", type="search", name="q", value=asked, placeholder=self.say("search_hint"), aria_label=label)
        return el(
            "form",
            field,
            el("button", label, type="submit"),
            action=self.to("search.html"),
            method="get",
            role="search",
        )

    def steps(self, page: int, pages: int, name: str, query: str = "") -> Markup | None:
        """Write the way to the pages before and after; `name` or `query` has NUMBER."""
        if pages < 2:
            return None

        def step(number: int, text: str, rel: str) -> Markup:
            if not 1 <= number <= pages:
                return el("span", text, class_="off")
            address = self.to(name.replace(NUMBER, str(number))) + query.replace(NUMBER, str(number))
            return el("a", text, href=address, rel=rel)

        here = el("span", self.say("pages", page=page, pages=pages))
        return el(
            "nav",
            step(page - 1, self.say("before"), "prev"),
            here,
            step(page + 1, self.say("after"), "next"),
            class_="steps",
        )

    def table(self, head: Sequence[str], rows: Sequence[Sequence[Child]], classes: str = "") -> Markup:
        """Write a table, or that there is nothing."""
        if not rows:
            return el("p", self.say("empty"), class_="empty")
        top = el("thead", el("tr", *(el("th", self.say(key), scope="col") for key in head)))
        body = el("tbody", *(el("tr", *(el("td", cell) for cell in row)) for row in rows))
        return el("div", el("table", top, body, class_=classes or None), class_="wide")


def _policy(script: bool) -> str:
    return SEARCH_POLICY if script else OFFLINE_POLICY


def thread_name(archive: Archive, thread: Thread, page: int | str) -> str:
    """Give the name of a page of a thread."""
    return f"{thread.kind}/{archive.file_of(thread.kind, thread.id)}.{page}.html"


def pages_of(count: int, each: int) -> int:
    """Tell how many pages so many rows take; an empty list has one."""
    return max(1, -(-count // each))


def when(text: object) -> str:
    """Write a time as people read it, in UTC; what is no time stays as it is."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text or "")
    return f"{moment.astimezone(UTC) if moment.tzinfo else moment:%Y-%m-%d %H:%M:%S}"


def bytes_of(size: object) -> str:
    """Write a size as people read it."""
    number = float(size) if isinstance(size, int) else 0.0
    for unit in ("B", "KB", "MB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GB"
