"""Text on its way: what a platform takes at once, and cutting what is longer."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Capability:
    """What one platform can take in one message.

    `size` measures a text as that platform counts it: at least one per character.
    """

    max_size: int
    size: Callable[[str], int]


def _html_bytes(text: str) -> int:
    return len(html.escape(text).replace("\n", "<br/>").encode())


FRESHCHAT = Capability(max_size=16_000, size=lambda text: len(text.encode()))
"""Freshchat publishes no limit; 16,000 bytes stay readable in the inbox and are far from any gateway's limit."""

TEAMS = Capability(max_size=20_000, size=_html_bytes)
"""Graph refuses about 28 KB of HTML (field reports); the connector takes more, but one number serves both."""


def split(text: str, to: Capability) -> list[str]:
    """Cut a text into pieces that `to` takes, so that joining them gives exactly the text again.

    Cuts after a line, else after a space, else between characters; never inside a surrogate pair, because Python
    text has none. An empty text is one empty piece.
    """
    pieces = []
    while len(text) > to.max_size or to.size(text) > to.max_size:  # measures no more than one piece at a time
        cut = _cut(text, _longest_prefix(text, to))
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]


def _longest_prefix(text: str, to: Capability) -> int:
    low, high = 1, min(len(text), to.max_size)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if to.size(text[:middle]) <= to.max_size else (low, middle - 1)
    return low


def _cut(text: str, limit: int) -> int:
    for separator in ("\n", " "):
        at = text.rfind(separator, limit // 2, limit)
        if at > 0:
            return at + 1
    nearby = range(limit, max(limit - _LONGEST_CHARACTER, 0), -1)
    return next((at for at in nearby if not _torn(text, at)), limit)


_LONGEST_CHARACTER = 64
"""No emoji sequence or syllable is longer; text that is all joiners must not become one message per character."""


def _torn(text: str, at: int) -> bool:
    """Tell whether a cut before `text[at]` would tear what is read as one character."""
    before, after = text[at - 1], text[at]
    if "\u200d" in (before, after):  # the joiner within an emoji sequence
        return True
    if _is_flag_letter(after):
        run = len(text[:at]) - len(text[:at].rstrip(_FLAG_LETTERS))
        return run % 2 == 1
    return unicodedata.category(after) in ("Mn", "Mc", "Me") or any(low <= after <= high for low, high in _TAILS)


_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_TAILS = (
    ("\U0001f3fb", "\U0001f3ff"),  # skin tones
    ("\U000e0020", "\U000e007f"),  # tags of regional flags
    ("\u1160", "\u11ff"),  # vowels and finals of decomposed Korean
)


def _is_flag_letter(character: str) -> bool:
    return _FLAG_LETTERS[0] <= character <= _FLAG_LETTERS[-1]


def json_text(body: bytes) -> str:
    """Decode JSON, which is UTF-8 on the wire; raises ValueError.

    Half surrogate pairs are replaced: JSON can spell them, UTF-8 and databases cannot hold them.
    """
    text = body.decode("utf-8-sig")
    return _ESCAPE.sub(_whole, text) if "\\ud" in text or "\\uD" in text else text


def parse_json(body: bytes) -> Any:
    """Parse JSON; raises ValueError or RecursionError."""
    return json.loads(json_text(body))


_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)", re.DOTALL
)
_HALF = len(r"\ud83d")


def _whole(escape: re.Match[str]) -> str:
    return r"\ufffd" if len(escape[0]) == _HALF else escape[0]


def read_stored(body: bytes) -> dict[str, Any]:
    """Parse a body that a door has checked and stored."""
    parsed: dict[str, Any] = parse_json(body)
    return parsed


def when(seconds: float) -> str:
    """Write epoch seconds as UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
