"""What a file really is: by its first bytes, and for what has none of its own, by what it holds.

A name can make a file look worse than its bytes do (a batch file is plain text), never better.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "image", "document", "text", "archive", "media", "macro", "program", "script", "locked", "bomb", "unknown"
]
"""`script`: what runs in a shell or a browser, so HTML and SVG too. `macro`: a document with macros.

`locked`: encrypted, so nobody can look inside. `bomb`: an archive made to grow, or with an untrustworthy directory.
"""

HEAD = 4096
"""Bytes from the start that tell what a file is."""


@dataclass(frozen=True, slots=True)
class FileType:
    """What a file is, its MIME type, and the endings that fit it, the usual one first (none: any fits)."""

    kind: Kind
    mime: str
    endings: tuple[str, ...] = ()


OLE = FileType("document", "application/x-ole-storage", ("doc", "xls", "ppt", "msg", "vsd", "pub", "mpp", "dot", "xlt"))
ZIP = FileType("archive", "application/zip", ("zip",))
TEXT = FileType("text", "text/plain")
UNKNOWN = FileType("unknown", "application/octet-stream")

_PROGRAM, _SCRIPT = FileType("program", UNKNOWN.mime), FileType("script", "text/plain")
_TIFF = FileType("image", "image/tiff", ("tiff", "tif"))
_MP3 = FileType("media", "audio/mpeg", ("mp3",))
_MACH = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")

MAGIC: tuple[tuple[int, bytes, FileType], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", FileType("image", "image/png", ("png",))),
    (0, b"\xff\xd8\xff", FileType("image", "image/jpeg", ("jpg", "jpeg", "jfif"))),
    (0, b"GIF87a", FileType("image", "image/gif", ("gif",))),
    (0, b"GIF89a", FileType("image", "image/gif", ("gif",))),
    (0, b"II*\0", _TIFF),
    (0, b"MM\0*", _TIFF),
    (0, b"%PDF-", FileType("document", "application/pdf", ("pdf",))),
    (0, b"{\\rtf", FileType("document", "application/rtf", ("rtf", "doc"))),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (0, b"7z\xbc\xaf\x27\x1c", FileType("archive", "application/x-7z-compressed", ("7z",))),
    (0, b"Rar!\x1a\x07", FileType("archive", "application/vnd.rar", ("rar",))),
    (0, b"\x1f\x8b\x08", FileType("archive", "application/gzip", ("gz", "tgz"))),
    (0, b"BZh", FileType("archive", "application/x-bzip2", ("bz2",))),
    (0, b"\xfd7zXZ\0", FileType("archive", "application/x-xz", ("xz",))),
    (0, b"\x28\xb5\x2f\xfd", FileType("archive", "application/zstd", ("zst",))),
    (0, b"MSCF", FileType("archive", "application/vnd.ms-cab-compressed", ("cab",))),
    (257, b"ustar", FileType("archive", "application/x-tar", ("tar",))),
    (0, b"MZ", _PROGRAM),
    (0, b"\x7fELF", _PROGRAM),
    *((0, magic, _PROGRAM) for magic in _MACH),
    (0, b"\0asm", _PROGRAM),
    (0, b"dex\n", _PROGRAM),
    (0, b"L\0\0\0\x01\x14\x02\0", _PROGRAM),  # a Windows shortcut
    (0, b"ITSF", _PROGRAM),  # compiled HTML help
    (0, b"#!", _SCRIPT),
    (0, b"OggS", FileType("media", "audio/ogg", ("ogg", "oga", "ogv", "opus"))),
    (0, b"fLaC", FileType("media", "audio/flac", ("flac",))),
    (0, b"ID3", _MP3),
    (0, b"\xff\xfb", _MP3),
    (0, b"\x1a\x45\xdf\xa3", FileType("media", "video/webm", ("webm", "mkv"))),
)
"""Offset, bytes there, and what that is."""

_RIFF = {
    b"WEBP": FileType("image", "image/webp", ("webp",)),
    b"WAVE": FileType("media", "audio/wav", ("wav",)),
    b"AVI ": FileType("media", "video/x-msvideo", ("avi",)),
}
_MP4 = FileType("media", "video/mp4", ("mp4", "m4v", "m4a", "mov", "3gp"))
_FTYP = {
    b"heic": FileType("image", "image/heic", ("heic", "heif")),
    b"mif1": FileType("image", "image/heif", ("heif", "heic")),
    b"avif": FileType("image", "image/avif", ("avif",)),
    b"qt  ": FileType("media", "video/quicktime", ("mov", "qt")),
}
_MARKUP = ("<!doctype html", "<html", "<head", "<body", "<script", "<iframe", "<svg", "<object", "<hta:")

_PROGRAMS = (
    "exe com dll scr cpl sys msi msp msix appx jar class lnk pif apk ipa dmg pkg deb rpm iso img vhd vhdx gadget chm "
    "hlp xll ocx application appref-ms settingcontent-ms library-ms"
)
_SCRIPTS = (
    "bat cmd ps1 psm1 psd1 vbs vbe js jse mjs ws wsf wsh wsc hta sh bash zsh csh reg inf scf url sct html htm xhtml "
    "shtml mht mhtml svg svgz xht htc"
)
_MACROS = "docm dotm xlsm xltm xlam xlsb pptm potm ppsm ppam sldm xla"
PROGRAMS, SCRIPTS, MACROS = (frozenset(endings.split()) for endings in (_PROGRAMS, _SCRIPTS, _MACROS))
_TEXTS = {"csv": "text/csv", "json": "application/json", "xml": "application/xml", "md": "text/markdown"}


def sniff(head: bytes) -> FileType:
    """Tell what begins with these bytes (`HEAD` of them, or the whole file if it is shorter)."""
    for offset, magic, found in MAGIC:
        if head.startswith(magic, offset):
            return found
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], UNKNOWN)
    if head[4:8] == b"ftyp":
        return _FTYP.get(head[8:12], _MP4)
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return FileType("image", "image/bmp", ("bmp",))
    return _text(head)


def _text(head: bytes) -> FileType:
    """Tell text, in whatever encoding, from bytes that are nothing we know; and from what a browser would run."""
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = head.decode("utf-16", "ignore") if wide else head.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    if not head or _CONTROL.search(text):
        return UNKNOWN
    start = text.lstrip().lower()
    if start.startswith(_MARKUP) or (start.startswith(("<?xml", "<!")) and any(tag in start for tag in _MARKUP)):
        return _SCRIPT
    return TEXT


_CONTROL = re.compile(r"[\x00-\x07\x0b\x0e-\x1a\x1c-\x1f\x7f]")


def ending_of(name: str) -> str:
    """Give the ending of a name, in lower case and as Windows reads it: spaces and dots behind it do not count."""
    stem, dot, ending = name.rstrip(" .").rpartition(".")
    return ending.lower() if dot and stem and len(ending) <= 20 else ""


def with_name(found: FileType, name: str) -> FileType:
    """Take into account what the name's ending lets a computer do with the file."""
    ending = ending_of(name)
    if found.kind in ("archive", "document", "text", "unknown"):
        for kind, endings in (("program", PROGRAMS), ("script", SCRIPTS), ("macro", MACROS)):
            if ending in endings:
                return FileType(kind, found.mime)  # type: ignore[arg-type]
    if found is TEXT and ending in _TEXTS:
        return FileType("text", _TEXTS[ending], (ending,))
    return found


def fitting_name(name: str, found: FileType) -> str:
    """Give the name an ending that fits what the file is: `image.bin` with a PNG inside becomes `image.png`.

    An ending that says something else, such as `.exe` or `.bin`, goes; what is no ending (`report 2.1`) stays.
    """
    ending = ending_of(name)
    if not found.endings or ending in found.endings:
        return name
    stem = name.rstrip(" .")
    while (other := ending_of(stem)) in _REPLACED:
        stem = stem[: -len(other) - 1].rstrip(" .")
    return f"{stem or 'file'}.{found.endings[0]}"


_REPLACED = (
    PROGRAMS
    | SCRIPTS
    | MACROS
    | frozenset(("bin", "dat", "tmp", "txt", "bmp", "docx", "xlsx", "pptx", "odt", "ods", "odp", "hwp", "hwpx"))
    | frozenset(ending for _, _, found in MAGIC for ending in found.endings)
    | frozenset(ending for table in (_RIFF, _FTYP) for found in table.values() for ending in found.endings)
)
