"""What the bot posts: an activity, checked as the connector checks it, and turned into what Teams shows."""

import html
import re
from typing import NoReturn

from aiohttp import web

from sandbox.teams.html import from_bot
from sandbox.wire import JsonObject, Refusal, as_object, read_object

#: A message may have about 100 KB counted as UTF-16, pictures in data URLs not included.
MESSAGE_LIMIT = 100 * 1024
_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,[A-Za-z0-9+/=]+")


def refuse(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> NoReturn:
    raise Refusal(status, {"error": {"code": code, "message": message}}, headers)


async def posted_activity(request: web.Request) -> JsonObject:
    """The posted activity, refused when it is none, too big, or has nothing to show."""
    activity = await read_object(request)
    if activity is None:
        refuse(400, "BadSyntax", "The body must be a JSON object.")
    if not isinstance(activity.get("type"), str):
        refuse(400, "BadArgument", "The activity has no type.")
    if activity["type"] == "message" and not activity.get("text") and not activity.get("attachments"):
        refuse(400, "BadArgument", "The message has neither text nor attachments.")
    _check_size(await request.text())
    return activity


def _check_size(text: str) -> None:
    if 2 * len(text) <= MESSAGE_LIMIT // 2:
        return  # cannot reach the limit, even if every character takes two UTF-16 units
    if len(_DATA_URL.sub("", text).encode("utf-16-le")) > MESSAGE_LIMIT:
        refuse(413, "MessageSizeTooBig", "The message is too big.")


def html_of(activity: JsonObject) -> str:
    """The text as HTML. Mentions are put in last, because their names must not be read as markdown."""
    text = activity.get("text")
    if not isinstance(text, str) or not text:
        return ""
    marks: dict[str, str] = {}
    for entity in activity.get("entities") or ():
        written = entity.get("text") if isinstance(entity, dict) and entity.get("type") == "mention" else None
        if isinstance(written, str) and written and written in text:
            place = f"\ue000{len(marks)}\ue001"
            marks[place] = _mention(as_object(entity.get("mentioned")))
            text = text.replace(written, place, 1)
    shown = from_bot(text, activity.get("textFormat"))
    for place, mark in marks.items():
        shown = shown.replace(place, mark)
    return shown


def _mention(account: JsonObject) -> str:
    name = html.escape(str(account.get("name") or ""), quote=False)
    return f'<at id="{html.escape(str(account.get("id") or ""))}">{name}</at>'


def attachments_of(activity: JsonObject) -> list[JsonObject]:
    attachments = activity.get("attachments") or []
    if not isinstance(attachments, list) or not all(isinstance(a, dict) and a.get("contentType") for a in attachments):
        refuse(400, "BadArgument", "Every attachment needs a contentType.")
    return attachments
