"""The chatMessage resource: from what a caller posts, and to what Graph answers."""

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.ids import Ids
from sandbox.teams.graph_errors import bad_request, refuse
from sandbox.teams.html import clean, from_bot
from sandbox.teams.state import Message, Thread
from sandbox.wire import JsonObject, iso
from sandbox.world import World

#: Bodies above about 28 KB are refused in practice; Graph's page names no number.
BODY_LIMIT = 28 * 1024
_AT = re.compile(r'<at id="(\d+)"')
_ATTACHMENT = re.compile(r'<attachment id="([^"]+)"')
_HOSTED = re.compile(r"\.\./hostedContents/([^/]+)/\$value")


@dataclass(slots=True)
class Draft:
    """The parts of a posted chatMessage."""

    html: str
    attachments: list[JsonObject] = field(default_factory=list)
    mentions: list[JsonObject] = field(default_factory=list)
    hosted: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    subject: str | None = None


def parse(posted: JsonObject | None, ids: Ids) -> Draft:
    """The draft in a posted message, or Graph's refusal."""
    if posted is None:
        bad_request("Unable to read JSON request payload.")
    if posted.get("from") is not None or posted.get("createdDateTime") is not None:
        bad_request("'from' and 'createdDateTime' can only be set while importing messages.")
    body = posted.get("body")
    content = body.get("content") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(content, str):
        bad_request("Missing body content.")
    if len(content.encode("utf-8", "replace")) > BODY_LIMIT:
        refuse(413, "RequestEntityTooLarge", "Request Entity too large.")
    is_html = body.get("contentType", "text") == "html"
    draft = Draft(clean(content) if is_html else from_bot(content, "plain"), subject=posted.get("subject"))
    draft.mentions = _mentions(_objects(posted, "mentions"), draft.html, is_html)
    draft.attachments = _attachments(_objects(posted, "attachments"), draft.html)
    draft.hosted = _hosted(_objects(posted, "hostedContents"), ids)
    if not content.strip() and not draft.attachments:
        bad_request("The message body is empty.")
    return draft


def resource(world: World, thread: Thread, message: Message, message_url: str) -> JsonObject:
    """The message as Graph shows it."""
    stamp = message.deleted or message.edited or message.at
    channel = thread.scope == "channel"
    identity = {"teamId": world.team.aad_group_id, "channelId": thread.place_id}
    return {
        "id": message.id,
        "replyToId": message.reply_to,
        "etag": str(int(stamp * 1000)),
        "messageType": "message",
        "createdDateTime": iso(message.at),
        "lastModifiedDateTime": iso(stamp),
        "lastEditedDateTime": iso(message.edited) if message.edited else None,
        "deletedDateTime": iso(message.deleted) if message.deleted else None,
        "subject": message.subject,
        "summary": None,
        "chatId": None if channel else thread.place_id,
        "importance": "normal",
        "locale": "en-us",
        "webUrl": f"https://teams.example/l/message/{thread.place_id}/{message.id}" if channel else None,
        "channelIdentity": identity if channel else None,
        "policyViolation": None,
        "eventDetail": None,
        "from": _sender(world, message),
        "body": {"contentType": "html", "content": _with_hosted_urls(message, message_url)},
        "attachments": [_shown_attachment(attachment) for attachment in message.attachments],
        "mentions": message.mentions,
        "reactions": [],
    }


def _objects(posted: JsonObject, name: str) -> list[JsonObject]:
    values = posted.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        bad_request(f"'{name}' must be a list of objects.")
    return values


def _mentions(mentions: list[JsonObject], html: str, is_html: bool) -> list[JsonObject]:
    """Each <at> needs exactly one mention with its number, and the other way round."""
    if mentions and not is_html:
        bad_request("Mentions need a body of type html.")
    if sorted(map(int, _AT.findall(html))) != sorted(_mention_number(mention) for mention in mentions):
        bad_request("Neither more nor fewer mentions than <at> tags in the body are allowed.")
    return mentions


def _mention_number(mention: JsonObject) -> int:
    number, mentioned = mention.get("id"), mention.get("mentioned")
    if not isinstance(number, int) or not isinstance(mentioned, dict) or not mention.get("mentionText"):
        bad_request("A mention needs a number as id, mentionText and mentioned.")
    return number


def _attachments(attachments: list[JsonObject], html: str) -> list[JsonObject]:
    if sorted(_ATTACHMENT.findall(html)) != sorted(str(attachment.get("id")) for attachment in attachments):
        bad_request("The ids of the attachments and of the <attachment> tags in the body must match.")
    return [_parsed_card(attachment) for attachment in attachments]


def _parsed_card(attachment: JsonObject) -> JsonObject:
    """A card's content is a JSON text here, an object everywhere else."""
    content = attachment.get("content")
    if not str(attachment.get("contentType", "")).startswith("application/vnd.microsoft.card."):
        return attachment
    try:
        return {**attachment, "content": json.loads(content if isinstance(content, str) else "")}
    except ValueError:
        bad_request("The content of a card attachment must be a JSON string.")


def _shown_attachment(attachment: JsonObject) -> JsonObject:
    empty: dict[str, Any] = dict.fromkeys(("id", "contentType", "contentUrl", "content", "name", "thumbnailUrl"))
    shown = {**empty, **attachment}
    if isinstance(shown["content"], dict):
        shown["content"] = json.dumps(shown["content"], ensure_ascii=False)
    return shown


def _hosted(contents: list[JsonObject], ids: Ids) -> dict[str, tuple[str, bytes]]:
    """Inline pictures by the temporary id under which the body names them."""
    hosted = {}
    for content in contents:
        try:
            data = base64.b64decode(str(content.get("contentBytes")), validate=True)
        except ValueError:
            bad_request("contentBytes must be base64.")
        name = str(content.get("@microsoft.graph.temporaryId") or ids.hex())
        hosted[name] = (str(content.get("contentType") or "application/octet-stream"), data)
    return hosted


def _with_hosted_urls(message: Message, message_url: str) -> str:
    return _HOSTED.sub(rf"{message_url}/hostedContents/\1/$value", message.html) if message.hosted else message.html


def _sender(world: World, message: Message) -> JsonObject:
    person = message.author.person
    if person is None:
        bot = {"id": world.app_id, "displayName": world.bot_name, "applicationIdentityType": "bot"}
        return {"application": bot, "device": None, "user": None}
    user = {
        "@odata.type": "#microsoft.graph.teamworkUserIdentity",
        "id": person.aad_id,
        "displayName": person.name,
        "userIdentityType": "aadUser",
        "tenantId": world.tenant,
    }
    return {"application": None, "device": None, "user": user}
