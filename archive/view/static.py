"""Writes an archive's pages as files that find each other without a server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from archive.message_text import body_text, message_text
from archive.view.files import kept_as
from archive.view.frame import MESSAGES, Page, pages_of, thread_name, when
from archive.view.index import KINDS, Thread
from archive.view.markup import el
from archive.view.site import FILES, LISTS, Site
from archive.view.texts import Language

SCRIPT = Path(__file__).parent / "page" / "search.js"
PART = 1 << 20
"""Characters of a part of the search; only what is one thread can make it longer."""

Step = Callable[[int, int], None]


def write(site: Site, folder: Path, lang: Language, step: Step) -> int:
    """Write all pages; the folder is there when it is whole. Give the number of files.

    OSError if it cannot be written, FileExistsError if the folder is there.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} is there already")
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700, parents=True)
    try:
        written = _Writer(site, part, lang, step).write()
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return written


class _Writer:
    def __init__(self, site: Site, folder: Path, lang: Language, step: Step) -> None:
        self._site, self._folder, self._lang, self._step = site, folder, lang, step
        self._threads_there = sum(site.index.count(kind) for kind in KINDS)
        self._written = 0

    def write(self) -> int:
        for name in self._names():
            self._page(name)
        self._attachments()
        self._search()
        return self._written

    def _names(self) -> Iterator[str]:
        yield from (*FILES, "index.html", "report.html")
        for place in LISTS:
            yield from (f"{place}/{number}.html" for number in range(1, self._site.pages(place) + 1))
        for thread in self._threads():
            for number in range(1, pages_of(thread.size, MESSAGES) + 1):
                yield thread_name(self._site.archive, thread, number)

    def _threads(self) -> Iterator[Thread]:
        for kind in KINDS:
            yield from self._site.index.every(kind)

    def _page(self, name: str) -> None:
        answer = self._site.answer(self._lang, name, {})
        if answer is not None and isinstance(answer.body, bytes):
            self._put(name, answer.body)

    def _put(self, name: str, content: bytes) -> None:
        file = self._folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        self._written += 1
        self._step(self._written, max(self._written, self._threads_there))

    def _attachments(self) -> None:
        for row in self._site.index.rows("attachments", "state = 'fetched'"):
            answer = self._site.answer(self._lang, name := kept_as(self._site.archive, str(row["path"])), {})
            if answer is not None and isinstance(answer.body, Path):
                file = self._folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(answer.body, file)
                self._written += 1

    def _search(self) -> None:
        parts = 0
        for parts, rows in enumerate(self._parts(), 1):
            self._put(f"search/{parts}.js", f"rows([\n{rows}\n]);\n".encode("utf-8", "replace"))
        self._put("search.js", SCRIPT.read_bytes())
        page = Page(self._site.archive, self._site.index, self._lang, "search.html", False)
        texts = {key: page.say(key) for key in KINDS}
        told = {"data_none": page.say("search_none"), "data_found": page.say("search_found", count="{count}")}
        hits = el(
            "div",
            id="hits",
            data_parts=str(parts),
            data_more=page.say("search_more", count=200),
            **told,
            **{f"data_{key}": text for key, text in texts.items()},
        )
        needs = el("noscript", el("p", page.say("search_script"), class_="warning"))
        state = el("p", id="state", class_="muted", role="status")
        script = el("script", src="search.js")
        head = el("h1", page.say("search"))
        self._put(
            "search.html",
            page.html(page.say("search"), head, page.search_box(""), needs, state, hits, script, script=True),
        )

    def _parts(self) -> Iterator[str]:
        """Give the rows of the search as JSON, a part at a time."""
        rows: list[str] = []
        size = 0
        for thread in self._threads():
            row = json.dumps(self._row(thread), ensure_ascii=False)
            rows.append(row)
            size += len(row)
            if size > PART:
                yield ",\n".join(rows)
                rows, size = [], 0
        if rows:
            yield ",\n".join(rows)

    def _row(self, thread: Thread) -> tuple[str, ...]:
        archive = self._site.archive
        page = Page(archive, self._site.index, self._lang, "search.html", False)
        number = f"#{thread.id} " if thread.kind == "ticket" else ""
        title = number + (thread.title or page.say("untitled"))
        if thread.kind == "conversation":
            said = [message_text(message.value) for message in archive.messages(thread.id)]
        else:
            said = [body_text(self._site.index.raw("tickets", thread.id) or {}, "description")]
            said += [body_text(reply.value, "body") for reply in archive.replies(thread.id)]
        return page.thread(thread), thread.kind, title, when(thread.at), thread.person, "\n".join([*said, thread.id])
