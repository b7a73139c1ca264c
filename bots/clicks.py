"""A press of one of our cards' buttons (`adaptiveCard/action`), as Teams sends it. Pure."""

from __future__ import annotations

from typing import Any

from bots.activity import BadActivity, place_of, read_keys
from bots.raw import Raw, text_at
from bridge.clicks import Click
from bridge.ratings import MAX_COMMENT
from cards.panel_card import COMMENT, VERB

_KEPT = ("channelId", "serviceUrl", "from", "conversation", "recipient", "locale", "localTimezone", "channelData")


def read_click(raw: Raw) -> Click | None:
    """Read a press; None if it is none of ours. Its data names what was pressed, itself or through a drop-down."""
    action = _object(_object(raw.get("value")).get("action"))
    data = _object(action.get("data"))
    card, choice = text_at(data, "card"), text_at(data, text_at(data, "from") or "choice")
    message = text_at(raw, "replyToId")
    if action.get("verb") != VERB or not card or not message or not _is_number(choice):
        return None
    frame = {"type": "message", "id": f"{message}.click"} | {name: raw[name] for name in _KEPT if name in raw}
    try:
        keys, place = read_keys(frame), place_of(frame)
    except BadActivity:
        return None
    return Click(
        tenant=keys.tenant,
        thread=keys.session,
        place=place,
        message=message,
        card=card[:64],
        choice=int(choice or ""),
        key=keys.idempotency,
        frame=frame,
        comment=(text_at(data, COMMENT) or "").strip()[:MAX_COMMENT],
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdigit() and len(text) <= 4
