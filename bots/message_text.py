"""What a Teams message says, as plain text, and whom it mentions."""

from __future__ import annotations

import html
import re
from typing import Any

from bots import rich_text
from bots.raw import Raw, list_at, text_at
from bridge.events import Mention
from bridge.text import parse_json
from cards.card_text import card_text


def read_text(raw: Raw, bot_app_id: str) -> tuple[str, tuple[Mention, ...], bool]:
    """Give the text without the bot's own mention, who is mentioned in it, and whether the bot is.

    The HTML copy is read where it says more than `text` does. What the message replies to comes first, shortened; its
    cards come last.
    """
    text, people, bot_named = _read_plain(raw, bot_app_id)
    markup = _html_copy(raw)
    if markup and rich_text.is_rich(markup):
        text = _tidy(rich_text.plain_text(markup, _named(raw, bot_app_id)))
    quoted = "" if markup and rich_text.has_quote(markup) else _quoted(raw)
    return "\n".join(filter(None, (quoted, text, _cards(raw)))), people, bot_named


def _read_plain(raw: Raw, bot_app_id: str) -> tuple[str, tuple[Mention, ...], bool]:
    """Read `text` and its entities.

    A mention is trusted by its entity's id, never by the name inside `<at>`, which the sender can edit. The SDK's
    `remove_recipient_mention` is not used: it treats the name as a regular expression and removes plain words too.
    """
    text, people, bot_named = text_at(raw, "text") or "", [], False
    for entity in _mention_entities(raw):
        literal, mentioned = text_at(entity, "text"), text_at(entity, "mentioned", "id")
        if not literal or not mentioned or literal not in text:
            continue
        if mentioned == f"28:{bot_app_id}":
            text, bot_named = text.replace(literal, "", 1), True
        else:
            label = _label(literal)
            text = text.replace(literal, f"@{label}", 1)
            people.append(Mention(display=label, id=mentioned))
    text = _SPOOFED.sub(lambda m: f"@{html.unescape(m[1])}", text)
    return _tidy(_TAG.sub("", text)), tuple(people), bot_named


def _mention_entities(raw: Raw) -> list[Any]:
    return [entity for entity in list_at(raw, "entities") if text_at(entity, "type") == "mention"]


def _named(raw: Raw, bot_app_id: str) -> list[rich_text.Named]:
    """List the mentions as the numbers in the HTML copy count them."""
    return [
        rich_text.Named(
            _label(text_at(entity, "text") or ""), is_bot=text_at(entity, "mentioned", "id") == f"28:{bot_app_id}"
        )
        for entity in _mention_entities(raw)
    ]


def _label(literal: str) -> str:
    return " ".join(html.unescape(_TAG.sub("", literal)).split())


def _html_copy(raw: Raw) -> str | None:
    copies = (
        text_at(one, "content") for one in list_at(raw, "attachments") if text_at(one, "contentType") == "text/html"
    )
    return next((copy for copy in copies if copy), None)


MAX_CARDS = 10


def _cards(raw: Raw) -> str:
    """Write the cards of other apps that came with a message."""
    attachments = [one for one in list_at(raw, "attachments") if isinstance(one, dict)]
    texts = (card_text(text_at(one, "contentType") or "", one.get("content")) for one in attachments[:MAX_CARDS])
    return "\n".join(filter(None, texts))


def _quoted(raw: Raw) -> str:
    """Write the message that is replied to, where it came as an attachment; its content is JSON, also as a text."""
    for attachment in list_at(raw, "attachments"):
        if text_at(attachment, "contentType") != "messageReference":
            continue
        content = attachment.get("content")
        try:
            content = parse_json(content.encode()) if isinstance(content, str) else content
        except (ValueError, RecursionError):
            continue
        preview = text_at(content, "messagePreview")
        senders = (text_at(content, "messageSender", kind, "displayName") for kind in ("user", "application", "bot"))
        if preview:
            return rich_text.quote(next(filter(None, senders), ""), preview)
    return ""


# Neither runs past the next `<`: a pattern that looks further for an end takes minutes for a text full of `<at>`.
_TAG = re.compile(r"</?at(?:\s[^<>]*)?>")
_SPOOFED = re.compile(r"<at(?:\s[^<>]*)?>([^<]*)</at>")


def _tidy(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\u00a0", " ").strip()
