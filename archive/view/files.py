"""The files of an archive on its pages: which of them a browser may show, and under which names they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from archive.reading import Archive
from archive.view.frame import Page, bytes_of
from archive.view.markup import Markup, el

PICTURES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
"""Raster types that browsers show; none of them can hold a script."""

_STARTS: Final = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}
_HARMLESS: Final = frozenset(
    f".{ending}"
    for ending in (
        *("csv", "txt", "log", "pdf", "docx", "xlsx", "pptx", "hwp", "hwpx", "odt", "ods", "odp", "zip", "7z", "gz"),
        *("mp4", "mov", "webm", "mp3", "m4a", "wav", "ogg", "heic", "bmp", "tif", "tiff", "eml", "msg"),
    )
)
"""Endings that neither a browser nor a double click runs."""


def picture_type(archive: Archive, path: str) -> str | None:
    """Give the type of a file that may be shown in a page: its name and its first bytes must agree."""
    kind = PICTURES.get(PurePosixPath(path).suffix.lower())
    file = archive.plain_file(path)
    if kind is None or file is None:
        return None
    with file.open("rb") as stream:
        return kind if stream.read(16).startswith(_STARTS[kind]) else None


def kept_as(archive: Archive, path: str) -> str:
    """Give the name of a file's copy; what a browser or a double click might run gets one that does nothing."""
    suffix = PurePosixPath(path).suffix.lower()
    return path if suffix in _HARMLESS or picture_type(archive, path) else f"{path}.bin"


def saved_as(archive: Archive, row: Mapping[str, Any]) -> str:
    """Give the name under which a person saves a file: its own, as harmless as that of its copy."""
    name, path = str(row["name"] or PurePosixPath(str(row["path"])).name), str(row["path"])
    same = PurePosixPath(name).suffix.lower() == PurePosixPath(path).suffix.lower()
    return name if same and kept_as(archive, path) == path else f"{name}.bin"


def show_files(page: Page, rows: Iterable[Mapping[str, Any]]) -> Markup | None:
    """Write files as pictures and as links to save them; those that are not there with the reason."""
    shown = [_show(page, row) for row in rows]
    return el("div", *shown, class_="files") if shown else None


def _show(page: Page, row: Mapping[str, Any]) -> Markup:
    name = str(row["name"] or row["path"] or "?")
    if row["state"] != "fetched":
        return el("span", f"{name} ({page.say('failed', reason=row['reason'])})", class_="file failed")
    address = page.to(kept_as(page.archive, str(row["path"])))
    if picture_type(page.archive, str(row["path"])):
        return el("a", el("img", src=address, alt=name, loading="lazy"), href=address, class_="picture", title=name)
    return el(
        "a",
        el("span", name),
        el("small", bytes_of(row["size"])),
        href=address,
        download=saved_as(page.archive, row),
        class_="file",
    )
