"""Reactions of people to the bot's messages, as the emoji that Teams shows."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bots.raw import Raw, list_at, text_at

EMOJI: Mapping[str, str] = {
    "like": "👍",
    "heart": "❤️",
    "laugh": "😆",
    "surprised": "😮",
    "sad": "😢",
    "angry": "😠",
}
MOST = 5
_CODED = re.compile(r"([0-9a-f]{4,5}(?:-[0-9a-f]{4,5}){0,7})_[a-z0-9_-]*")
"""Newer reactions, such as `1f44f_clappinghands`."""
_WORD = re.compile(r"[A-Za-z0-9_-]{1,32}")


def added(raw: Raw) -> str:
    """Give the reactions that were added as emoji, those without one by their name; empty if there are none."""
    kinds = (text_at(one, "type") for one in list_at(raw, "reactionsAdded")[:MOST])
    return " ".join(filter(None, (_shown(kind) for kind in kinds if kind)))


def _shown(kind: str) -> str:
    if kind in EMOJI:
        return EMOJI[kind]
    coded = _CODED.fullmatch(kind) if len(kind) <= 128 else None
    if coded is not None:
        numbers = [int(number, 16) for number in coded[1].split("-")]
        if all(_is_emoji(number) for number in numbers):
            return "".join(map(chr, numbers))
    return kind if _WORD.fullmatch(kind) else ""


def _is_emoji(number: int) -> bool:
    return 0x2000 <= number < 0xD800 or 0xFE00 <= number <= 0xFE0F or 0x1F000 <= number <= 0x1FFFF
