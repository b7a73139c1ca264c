"""A file is what its bytes say; its name can make it look worse, never better."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.archives import look_inside
from bridge.file_types import (
    HEAD,
    MACROS,
    MAGIC,
    PROGRAMS,
    SCRIPTS,
    FileType,
    ending_of,
    fitting_name,
    sniff,
    with_name,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
OLE_HEAD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
TYPES = {"[Content_Types].xml": b"<Types/>"}


def packed(entries: Mapping[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def look(content: bytes, name: str = "file") -> FileType:
    return with_name(look_inside(io.BytesIO(content), sniff(content[:HEAD])), name)


def ole(*streams: str) -> bytes:
    return OLE_HEAD + bytes(1000) + b"".join(name.encode("utf-16-le") + bytes(50) for name in streams)


@pytest.mark.parametrize(
    ("content", "kind", "mime"),
    [
        (PNG, "image", "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image", "image/jpeg"),
        (b"GIF89a", "image", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image", "image/webp"),
        (b"RIFF\x10\0\0\0XXXX", "unknown", "application/octet-stream"),
        (b"\0\0\0\x18ftypheic", "image", "image/heic"),
        (b"\0\0\0\x18ftypisom", "media", "video/mp4"),
        (b"BM\x46\0\0\0\0\0\0\0\x36", "image", "image/bmp"),
        (b"BM is how this text begins", "text", "text/plain"),
        (b"%PDF-1.7\n", "document", "application/pdf"),
        (b"MZ\x90\0", "program", "application/octet-stream"),
        (b"\x7fELF\x02", "program", "application/octet-stream"),
        (b"#!/bin/sh\nrm -rf /\n", "script", "text/plain"),
        (b"  <!DOCTYPE html><p>", "script", "text/plain"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a -->\n<svg onload="x()"/>', "script", "text/plain"),
        (b'<?xml version="1.0"?><note>a</note>', "text", "text/plain"),
        (b"the tag <html> in a sentence", "text", "text/plain"),
        ("안녕하세요, 첨부합니다".encode(), "text", "text/plain"),
        ("안녕하세요, 첨부합니다".encode("cp949"), "text", "text/plain"),
        ("\ufeffwide".encode("utf-16-le"), "text", "text/plain"),
        ("\ufeff<script>".encode("utf-16-le"), "script", "text/plain"),
        (("안" * HEAD).encode(), "text", "text/plain"),
        (b"\0\1\2\3", "unknown", "application/octet-stream"),
        (b"", "unknown", "application/octet-stream"),
        (b"7z\xbc\xaf\x27\x1c", "archive", "application/x-7z-compressed"),
        (bytes(257) + b"ustar\x0000", "archive", "application/x-tar"),
    ],
)
def test_bytes_tell_what_it_is(content: bytes, kind: str, mime: str) -> None:
    assert (look(content).kind, look(content).mime) == (kind, mime)


@pytest.mark.parametrize(
    ("entries", "kind", "ending"),
    [
        ({"a.txt": b"a"}, "archive", "zip"),
        ({}, "archive", "zip"),
        (TYPES | {"word/document.xml": b""}, "document", "docx"),
        (TYPES | {"xl/workbook.xml": b""}, "document", "xlsx"),
        (TYPES | {"ppt/presentation.xml": b""}, "document", "pptx"),
        (TYPES | {"word/document.xml": b"", "word/vbaProject.bin": b"x"}, "macro", None),
        (TYPES | {"xl/workbook.xml": b"", "xl\\VBAPROJECT.BIN": b"x"}, "macro", None),
        ({"mimetype": b"", "content.xml": b""}, "document", "odt"),
        ({"mimetype": b"", "content.xml": b"", "Basic/Standard/a.xml": b""}, "macro", None),
        ({"mimetype": b"", "version.xml": b"", "Contents/content.hpf": b""}, "document", "hwpx"),
        ({"META-INF/MANIFEST.MF": b"", "a.class": b""}, "program", None),
        ({"folder/setup.EXE": b"MZ"}, "program", None),
        ({"setup.exe . ": b"MZ"}, "program", None),
        ({"in/run.bat": b"", "readme.txt": b""}, "script", None),
        ({"in/list.xlsm": b""}, "macro", None),
    ],
)
def test_zips_are_what_they_hold(entries: dict[str, bytes], kind: str, ending: str | None) -> None:
    found = look(packed(entries))
    assert (found.kind, next(iter(found.endings), None)) == (kind, ending)


@pytest.mark.parametrize(
    ("streams", "kind", "ending"),
    [
        (("WordDocument",), "document", "doc"),
        (("Workbook",), "document", "xls"),
        (("__substg1.0_1000001F",), "document", "msg"),
        (("\x05HwpSummaryInformation", "FileHeader"), "document", "hwp"),
        (("WordDocument", "_VBA_PROJECT"), "macro", None),
        (("EncryptedPackage",), "locked", None),
        (("InstallerTable",), "program", None),
    ],
)
def test_ole_files_are_what_they_hold(streams: tuple[str, ...], kind: str, ending: str | None) -> None:
    """An unknown one may be an installer."""
    found = look(ole(*streams))
    assert (found.kind, next(iter(found.endings), None)) == (kind, ending)


@pytest.mark.parametrize("at", [1024 * 1024 - 8 - n for n in range(0, 26, 3)])
def test_a_name_across_two_pieces_is_found(at: int) -> None:
    assert look(OLE_HEAD + bytes(at) + "_VBA_PROJECT".encode("utf-16-le")).kind == "macro"


def overlapping() -> bytes:
    """Make a ZIP whose directory names one entry's bytes a hundred times."""
    small = packed({"a": bytes(1000)})
    start, end = small.index(b"PK\x01\x02"), small.index(b"PK\x05\x06")
    entry = small[start:end]
    return (
        small[:start]
        + entry * 100
        + b"PK\x05\x06\0\0\0\0"
        + struct.pack("<HHIIH", 100, 100, 100 * len(entry), start, 0)
    )


def damaged(content: bytes, offset: int, value: bytes) -> bytes:
    """Overwrite bytes of the end record."""
    end = content.rindex(b"PK\x05\x06") + offset
    return content[:end] + value + content[end + len(value) :]


def far(content: bytes) -> bytes:
    """Let a 64-bit record, which counts more than the plain one, say where the directory is."""
    end = content.rindex(b"PK\x05\x06")
    entries, size, start = struct.unpack("<HLL", content[end + 10 : end + 20])
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, start)
    return content[:end] + record + struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1) + content[end:]


@pytest.mark.parametrize(
    "content",
    [
        packed({"zeros": bytes(120 * 1024 * 1024)}),
        overlapping(),
        damaged(packed({"a": b""}), 12, b"\xff\xff\xff\x7f"),
        damaged(packed({"a": b""}), 12, b"\xff\xff\xff\xff"),
        far(packed({"a": b"text"})),
        packed({"a": b"text"})[:-10],
        b"PK\x03\x04" + bytes(100),
    ],
    ids=["grows", "overlaps", "huge directory", "size elsewhere", "64 bits", "torn off", "no directory"],
)
def test_archives_that_are_not_to_be_opened(content: bytes) -> None:
    """They are told from their directory, without unpacking anything."""
    assert look(content).kind == "bomb"


def test_an_archive_with_a_password_is_locked() -> None:
    """Nobody can look inside it."""
    content = bytearray(packed({"a": b"text"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert look(bytes(content)).kind == "locked"


@pytest.mark.parametrize("ending", sorted(PROGRAMS | SCRIPTS | MACROS))
@pytest.mark.parametrize("content", [b"plain text", b"\0\1\2", packed({"a.txt": b""})])
def test_a_name_makes_it_worse(ending: str, content: bytes) -> None:
    """Also in capitals, and with what Windows drops behind it."""
    assert {look(content, f"a.{ending}").kind, look(content, f"a.{ending.upper()}. .").kind} <= {
        "program",
        "script",
        "macro",
    }


@pytest.mark.parametrize("name", ["a.txt", "a.png", "a.docx", "a", ""])
@pytest.mark.parametrize(
    "content", [b"MZ\x90\0", b"#!/bin/sh", packed({"a.exe": b""}), packed(TYPES | {"vbaProject.bin": b""})]
)
def test_a_name_makes_nothing_better(content: bytes, name: str) -> None:
    assert look(content, name).kind in ("program", "script", "macro")


@pytest.mark.parametrize(
    ("name", "content", "fitting"),
    [
        ("image.bin", PNG, "image.png"),
        ("image", PNG, "image.png"),
        ("Image.PNG", PNG, "Image.PNG"),
        ("photo.jpeg", b"\xff\xd8\xff", "photo.jpeg"),
        ("photo.pdf.exe", PNG, "photo.png"),
        ("report 2.1", b"%PDF-1.7", "report 2.1.pdf"),
        ("화면.bin", PNG, "화면.png"),
        ("notes.log", b"text", "notes.log"),
        ("data.xyz", b"\0\1", "data.xyz"),
        ("table.docx", packed(TYPES | {"xl/workbook.xml": b""}), "table.xlsx"),
        (".png", b"%PDF-1.7", ".png.pdf"),
    ],
)
def test_a_name_is_made_to_fit(name: str, content: bytes, fitting: str) -> None:
    """`.bin` screenshots become pictures; what is right or unknown stays."""
    assert fitting_name(name, look(content, name)) == fitting


@given(st.text(max_size=60), st.sampled_from([found for _, _, found in MAGIC if found.endings]))
def test_a_fitting_name_fits_and_stays(name: str, found: FileType) -> None:
    """Whatever the name was; a second time changes nothing."""
    fitting = fitting_name(name or "file", found)
    assert ending_of(fitting) in found.endings
    assert fitting_name(fitting, found) == fitting


@given(st.binary(max_size=300), st.text(max_size=30))
def test_no_bytes_break_it(content: bytes, name: str) -> None:
    """Nor any behind a ZIP's or an OLE file's beginning."""
    for start in (b"", b"PK\x03\x04", OLE_HEAD):
        assert look(start + content, name).kind
