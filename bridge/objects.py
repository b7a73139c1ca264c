"""How a stored file may be shown: by a browser that was sent to it by somebody we do not know."""

from __future__ import annotations

import re
from urllib.parse import quote

from bridge.ports import Disposition

SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What a browser may show: nothing of this can hold a script, as SVG, HTML and PDF can."""
PLAIN = "application/octet-stream"
MAX_NAME = 150
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069/\\:*?"<>|%;]+')
"""Control characters, those that turn the direction of writing (`exe.fdp` shown as `pdf.exe`), and what paths use."""
_PLAIN_ONLY = re.compile(r"[^A-Za-z0-9 ._()-]")


def safe_type(content_type: str) -> str:
    """Give the type without its parameters, or the one of plain bytes if it is no type."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind if _TYPE.fullmatch(kind) else PLAIN


def safe_name(name: str) -> str:
    """Give a name that is one on every system, as near to the given one as possible; its ending stays."""
    clean = _NOT_IN_NAMES.sub("_", name).strip(" .").encode("utf-8", "replace").decode()
    if len(clean) > MAX_NAME:
        stem, dot, ending = clean.rpartition(".")
        short = dot and len(ending) <= 16
        clean = stem[: MAX_NAME - len(ending) - 1] + dot + ending if short else clean[:MAX_NAME]
    return clean or "file"


def content_disposition(name: str, content_type: str, disposition: Disposition) -> str:
    """Write the header: saved unless it may be shown, with the name in plain and in full (RFC 6266)."""
    kind = "inline" if disposition == "inline" and safe_type(content_type) in SHOWN else "attachment"
    clean = safe_name(name)
    return f"{kind}; filename=\"{_PLAIN_ONLY.sub('_', clean)}\"; filename*=UTF-8''{quote(clean, safe='')}"
