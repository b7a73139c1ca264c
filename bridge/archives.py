"""What is inside a ZIP file, and so inside an Office document, without unpacking any of it; and what OLE files hold.

The directory at the end of a ZIP is read only if it is small and of the plain kind. What it says may be a lie, but who
unpacks believes it too.
"""

from __future__ import annotations

import struct
import zipfile
from typing import BinaryIO

from bridge.file_types import MACROS, OLE, PROGRAMS, SCRIPTS, ZIP, FileType, ending_of

MAX_DIRECTORY = 1024 * 1024
"""Bytes; room for some ten thousand entries."""
MAX_CONTENT = 4 * 1024 * 1024 * 1024
MAX_RATIO, FREE_CONTENT = 100, 100 * 1024 * 1024
"""An archive that grows more than so many times is a bomb, if it then has more bytes than the second."""
_END, _END_SIZE, _FAR_END, _MAX_COMMENT = b"PK\x05\x06", 22, b"PK\x06\x07", 65_535

_OFFICE = {
    "word/": FileType(
        "document", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ("docx", "dotx")
    ),
    "xl/": FileType("document", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ("xlsx", "xltx")),
    "ppt/": FileType(
        "document",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ("pptx", "ppsx", "potx"),
    ),
    "visio/": FileType("document", "application/vnd.ms-visio.drawing.main+xml", ("vsdx",)),
}
_OPEN_DOCUMENT = FileType("document", "application/vnd.oasis.opendocument", ("odt", "ods", "odp", "odg"))
_HANGUL = FileType("document", "application/hwp+zip", ("hwpx",))
_BOMB = FileType("bomb", ZIP.mime)


def look_inside(file: BinaryIO, found: FileType) -> FileType:
    """Tell more of a file that was found to be a ZIP or OLE file; anything else is what it was found to be.

    Reads the file where it must, so call it in a thread; leaves it wherever it read last.
    """
    if found is ZIP:
        return _zip(file)
    return _ole(file) if found is OLE else found


def _zip(file: BinaryIO) -> FileType:
    size = file.seek(0, 2)
    if not _is_plain(file, size):
        return _BOMB
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, struct.error):
        return _BOMB
    if _grows(entries, size):
        return _BOMB
    names = [entry.filename.replace("\\", "/") for entry in entries]
    if any(entry.flag_bits & 1 for entry in entries):
        return FileType("locked", ZIP.mime)
    return _office(names) or _packed(names)


def _is_plain(file: BinaryIO, size: int) -> bool:
    """Look whether there is one directory, not of the 64-bit kind (for 4 GB), small enough to be read at once."""
    start = max(0, size - _END_SIZE - _MAX_COMMENT - 20)
    file.seek(start)
    tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or end + _END_SIZE > len(tail) or tail[max(0, end - 20) :].startswith(_FAR_END):
        return False
    return int.from_bytes(tail[end + 12 : end + 16], "little") <= MAX_DIRECTORY


def _grows(entries: list[zipfile.ZipInfo], size: int) -> bool:
    """Tell a bomb by what it says of itself: too much, out of too little, or out of the same bytes several times."""
    content = sum(entry.file_size for entry in entries)
    if content > MAX_CONTENT or content > max(FREE_CONTENT, MAX_RATIO * size):
        return True
    packed = sum(entry.compress_size for entry in entries)
    places = [entry.header_offset for entry in entries]
    return packed > size or len(set(places)) < len(places)


def _office(names: list[str]) -> FileType | None:
    if "[Content_Types].xml" in names:
        if any(name.lower().rpartition("/")[2].startswith("vbaproject") for name in names):
            return FileType("macro", ZIP.mime)
        return next((found for folder, found in _OFFICE.items() if any(n.startswith(folder) for n in names)), None)
    if names[:1] == ["mimetype"] and "Contents/content.hpf" in names:
        return _HANGUL
    if names[:1] == ["mimetype"] and "content.xml" in names:
        macros = any(name.startswith(("Basic/", "Scripts/")) for name in names)
        return FileType("macro", ZIP.mime) if macros else _OPEN_DOCUMENT
    return None


def _packed(names: list[str]) -> FileType:
    """Judge an archive by the worst that is named in it."""
    endings = {ending_of(name.rpartition("/")[2]) for name in names}
    if "META-INF/MANIFEST.MF" in names or "AndroidManifest.xml" in names or endings & PROGRAMS:
        return FileType("program", ZIP.mime)
    if endings & MACROS:
        return FileType("macro", ZIP.mime)
    return FileType("script", ZIP.mime) if endings & SCRIPTS else ZIP


# --- OLE: Office before 2007, mails of Outlook, installers -----------------------------------------------------------

_NAMES: tuple[tuple[str, FileType], ...] = (
    ("_VBA_PROJECT", FileType("macro", OLE.mime)),
    ("EncryptedPackage", FileType("locked", OLE.mime)),
    ("__substg1.0_", FileType("document", "application/vnd.ms-outlook", ("msg", "oft"))),
    ("WordDocument", FileType("document", "application/msword", ("doc", "dot"))),
    ("Workbook", FileType("document", "application/vnd.ms-excel", ("xls", "xlt"))),
    ("PowerPoint Document", FileType("document", "application/vnd.ms-powerpoint", ("ppt", "pps", "pot"))),
    ("VisioDocument", FileType("document", "application/vnd.visio", ("vsd",))),
    ("HwpSummaryInformation", FileType("document", "application/x-hwp", ("hwp", "hwt"))),
)
"""Names of streams, the one that counts most first."""
_PIECE, _OVERLAP = 1024 * 1024, 128


def _ole(file: BinaryIO) -> FileType:
    """Look for the streams' names, wherever in the file its directory is; an unknown one may be an installer."""
    wanted = {name.encode("utf-16-le"): found for name, found in _NAMES}
    seen: set[bytes] = set()
    file.seek(0)
    tail = b""
    while piece := file.read(_PIECE):
        window = tail + piece
        seen.update(name for name in wanted if name not in seen and name in window)
        tail = window[-_OVERLAP:]
    return next((found for name, found in wanted.items() if name in seen), FileType("program", OLE.mime))
