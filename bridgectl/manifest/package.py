"""App packages as files in memory: read from a zip or a folder, written with the same bytes everywhere."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

MOST = 1024 * 1024
"""Bytes of all files of a package together; ours has 7 KB. Bounds what is read of a hostile one."""
MOST_FILES = 50


def read(path: Path) -> dict[str, bytes]:
    """Read the files of a package by their names in it; raise ValueError with words if it is none, OSError."""
    return _folder(path) if path.is_dir() else _zip(path)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Write a zip whose bytes depend on the files alone.

    Order, time and attributes are fixed, and nothing is compressed: what a compressor writes differs from one build of
    zlib to the next.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as package:
        for name in sorted(files, key=lambda name: (name != "manifest.json", name)):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # whatever writes it
            entry.external_attr = 0o644 << 16
            package.writestr(entry, files[name])
    return buffer.getvalue()


def _folder(path: Path) -> dict[str, bytes]:
    found = sorted(islice((child for child in path.rglob("*") if not child.is_dir()), MOST_FILES + 1))
    _refuse_size(len(found), sum(child.stat().st_size for child in found))
    return {child.relative_to(path).as_posix(): child.read_bytes() for child in found}


def _zip(path: Path) -> dict[str, bytes]:
    _refuse_size(0, path.stat().st_size)
    try:
        with zipfile.ZipFile(path) as package:
            entries = [entry for entry in package.infolist() if not entry.is_dir()]
            _refuse_size(len(entries), sum(entry.file_size for entry in entries))
            _refuse_doubles([entry.filename for entry in entries])
            return {entry.filename: _read(package, entry) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ValueError(f"is no zip that can be read ({type(error).__name__})") from None


def _read(package: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Read no more than the entry says that it holds; `zipfile` compares the checksum at its end."""
    if entry.flag_bits & 1:
        raise ValueError(f"{entry.filename} is locked with a password")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{entry.filename} is compressed in an unusual way; zip it as usual")
    with package.open(entry) as file:
        return file.read(entry.file_size + 1)


def _refuse_size(files: int, size: int) -> None:
    if files > MOST_FILES:
        raise ValueError(f"has more than {MOST_FILES} files; an app package has its manifest, icons and texts")
    if size > MOST:
        raise ValueError(f"has {size:,} bytes; an app package is below {MOST:,}")


def _refuse_doubles(names: list[str]) -> None:
    doubles = sorted(name for name, count in Counter(names).items() if count > 1)
    if doubles:
        raise ValueError(f"holds {', '.join(doubles)} twice")
