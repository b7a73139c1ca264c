"""All pages of an archive by their names; what is not a page of it is None."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archive import layout
from archive.reading import Archive
from archive.view import lists, report, threads
from archive.view.files import kept_as, picture_type, saved_as
from archive.view.frame import MESSAGES, ROWS, Page, pages_of
from archive.view.index import Index, Kind
from archive.view.texts import Language

FILES: Final[Mapping[str, str]] = {"style.css": "text/css", "icon.svg": "image/svg+xml"}
"""Our own, with their types."""

LISTS: Final = ("conversations", "unlinked", "tickets", "files", "gaps")
_FOLDER: Final = Path(__file__).parent / "page"
_UNKNOWN: Final = "application/octet-stream"
_KINDS: Final[Mapping[str, Kind]] = {"conversations": "conversation", "unlinked": "conversation", "tickets": "ticket"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is at a name: bytes of a page, or a file, which is to be saved if `save_as` names it."""

    content_type: str
    body: bytes | Path
    save_as: str = ""


class Site:
    """Writes pages. `live` says that they are served; as files they find each other and nothing else."""

    def __init__(self, archive: Archive, index: Index, *, live: bool) -> None:
        self.archive, self.index, self.live = archive, index, live

    def answer(self, lang: Language, name: str, query: Mapping[str, str]) -> Answer | None:
        """Give what is at a name. Raises NotAnArchive if the archive is malformed there."""
        if name in FILES:
            return Answer(FILES[name], (_FOLDER / name).read_bytes())
        if name.startswith(f"{layout.ATTACHMENT_FILES}/"):
            return self._file(name)
        body = self._page(Page(self.archive, self.index, lang, name, self.live), query)
        return Answer("text/html", body) if body is not None else None

    def _page(self, page: Page, query: Mapping[str, str]) -> bytes | None:
        if page.name in ("index.html", ""):
            return report.overview(page)
        if page.name == "report.html":
            return report.report(page)
        if page.name == "search.html" and self.live:
            number = query.get("page", "1")
            return lists.search(page, query.get("q", "")[:500], int(number) if re.fullmatch(r"\d{1,2}", number) else 1)
        place, _, rest = page.name.partition("/")
        if found := re.fullmatch(r"(?:(.+)\.)?([1-9]\d{0,8})\.html", rest):
            return self._numbered(page, place, found[1], int(found[2]))
        return None

    def _numbered(self, page: Page, place: str, stem: str | None, number: int) -> bytes | None:
        if stem is not None:
            return self._thread(page, place, stem, number)
        if number > self.pages(place):
            return None
        if place in _KINDS:
            return lists.threads(page, _KINDS[place], place, number)
        return lists.files(page, number) if place == "files" else lists.gaps(page, number) if place == "gaps" else None

    def _thread(self, page: Page, kind: str, stem: str, number: int) -> bytes | None:
        if kind == "conversation":
            thread = self.index.thread("conversation", self.archive.id_of(layout.MESSAGES, stem))
            write = threads.conversation
        elif kind == "ticket":
            thread = self.index.thread("ticket", self.archive.id_of(layout.REPLIES, stem))
            write = threads.ticket
        else:
            return None
        return write(page, thread, number) if thread and number <= pages_of(thread.size, MESSAGES) else None

    def pages(self, place: str) -> int:
        """Tell how many pages a list has; 0 if there is no such list."""
        if place in _KINDS:
            return pages_of(self.index.count(_KINDS[place], unlinked=place == "unlinked"), ROWS)
        return (
            pages_of(self.index.size({"files": "attachments"}.get(place, place)), ROWS)
            if place in ("files", "gaps")
            else 0
        )

    def _file(self, name: str) -> Answer | None:
        """Give a file that the archive lists as its own; nothing else of the disk has an address."""
        for path in (name, name.removesuffix(".bin")):
            for row in self.index.rows("attachments", "path = ? AND state = 'fetched'", path):
                file = self.archive.plain_file(path)
                if file is not None and kept_as(self.archive, path) == name:
                    kind = picture_type(self.archive, path)
                    return Answer(kind or _UNKNOWN, file, "" if kind else saved_as(self.archive, row))
        return None
