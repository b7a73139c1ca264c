"""File names that are safe on every file system, and unique where upper and lower case are one.

Rules: NFC; no control or direction characters; none of `<>:"/\\|?*`; no dot or space at either end; no device name of
Windows; at most 120 bytes of UTF-8, with the extension kept.
"""

from __future__ import annotations

import re
import unicodedata

LIMIT = 120
"""Bytes: well under the 255 of common file systems, so that the whole path fits into Windows' 260 characters."""
_EXTENSION = 20
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_HIDDEN = re.compile("[\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ ]*(\.|$)", re.IGNORECASE)
_ENDS = ". "


def safe_name(text: str, limit: int = LIMIT) -> str:
    """Make a file name of any text; the same text gives the same name."""
    shown = "".join(c for c in _HIDDEN.sub("", text) if unicodedata.category(c) not in ("Cc", "Cs"))
    name = unicodedata.normalize("NFC", _FORBIDDEN.sub("_", unicodedata.normalize("NFC", shown))).strip(_ENDS)
    if not name:
        name = "_"
    if _DEVICE.match(name):
        name = f"_{name}"
    return _shortened(name, limit)


def numbered(name: str, number: int, limit: int = LIMIT) -> str:
    """Give the name for the n-th file that would have this name: `a.txt`, `a~2.txt`, …"""
    if number == 1:
        return name
    stem, extension = _split(name)
    mark = f"~{number}"
    kept = _cut(stem, limit - len((mark + extension).encode())).rstrip(_ENDS)
    return f"{kept}{mark}{extension}"


def folded(name: str) -> str:
    """Give what two names have in common if a file system may take them for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def plain_id(text: str) -> bool:
    """Tell whether an id may be used in a file name as it is."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) is not None and safe_name(text) == text


def safe_id(text: str) -> str:
    """Make the part of a file name that stands for an id."""
    return text if plain_id(text) else safe_name(text, 64)


def _split(name: str) -> tuple[str, str]:
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) >= _EXTENSION or " " in extension:
        return name, ""
    return stem, dot + extension


def _shortened(name: str, limit: int) -> str:
    if len(name.encode()) <= limit:
        return name
    stem, extension = _split(name)
    return (_cut(stem, limit - len(extension.encode())).rstrip(_ENDS) or "_") + extension


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode("utf-8", "ignore")
