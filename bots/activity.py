"""Reading Teams activities, as they arrive: pure functions from the raw JSON to keys and to events.

Works on the raw JSON and not on the SDK's model, because the model drops mention bodies, `conversation.tenantId` and
unknown fields on its way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

from bots import reactions
from bots.message_text import read_text
from bots.raw import Raw
from bots.raw import list_at as _list
from bots.raw import text_at as _text
from bots.shared_files import names_line, read_files
from bridge import ids
from bridge.errors import Rejected
from bridge.events import Event, Ignored, Kind, Place, Sender, validate
from bridge.ids import Scope, TeamsKey, ThreadKey

ACTIONS: Mapping[str, Literal["create", "edit", "delete", "reaction"]] = {
    "message": "create",
    "messageUpdate": "edit",  # editMessage and undeleteMessage: the text is in the activity either way
    "messageDelete": "delete",
    "messageReaction": "reaction",
}

MAX_ID, MAX_STAMP, MAX_NAME = 1024, 64, 256
"""Characters; the longest ids of Teams, those of personal chats, have about 150."""

_SCOPES: Mapping[str, Scope] = {"channel": "channel", "groupChat": "groupChat", "personal": "personal"}


@dataclass(frozen=True, slots=True)
class Keys:
    """What the door needs of an activity: its tenant, its idempotency key and its ordering key."""

    tenant: str
    idempotency: str
    session: str
    kind: str


class BadActivity(ValueError):
    """A field that every activity has is missing or has the wrong type; the door answers 400."""


def tenant_of(raw: Raw) -> str | None:
    """Tell the Entra tenant, in lower case. Two places name it; when both do, they must agree."""
    places = (_text(raw, "channelData", "tenant", "id"), _text(raw, "conversation", "tenantId"))
    named = {tenant.lower() for tenant in places if tenant}
    return named.pop() if len(named) == 1 else None


def read_keys(raw: Raw) -> Keys:
    """Make the keys of a message, edit, delete or reaction; BadActivity when it lacks what they are made of."""
    return _keys(raw, place_of(raw), person_of(raw))


def _keys(raw: Raw, place: Place, sender: Sender) -> Keys:
    tenant, action = tenant_of(raw), ACTIONS.get(_text(raw, "type") or "")
    message = _message(raw)
    if tenant is None or message is None or action is None:
        raise BadActivity("tenant, id or type is missing")
    version = _version(raw) if action == "edit" else _id(raw, "id") if action == "reaction" else None
    key = TeamsKey(
        place.team_id,
        place.channel_id or ids.split_conversation(place.conversation_id)[0],
        place.root_id,
        message,
        action,
        version,
    )
    return Keys(tenant, ids.teams_key(key), ids.thread_key(thread_of(tenant, place, sender)), action)


def to_event(raw: Raw, bot_app_id: str) -> Event | Ignored:
    """Translate a message, edit, delete or reaction. Raises Rejected(`not_understood`) when it cannot be understood."""
    try:
        place, sender = place_of(raw), person_of(raw)
        keys = _keys(raw, place, sender)
    except BadActivity as error:
        raise Rejected(str(error), code="not_understood", component="teams") from None
    if sender.kind == "bot":
        return Ignored("from_bot")
    text, mentions, bot_named = read_text(raw, bot_app_id)  # of a reaction: nothing
    if keys.kind == "reaction" and not (text := reactions.added(raw)):
        return Ignored("reaction_removed")
    files = read_files(raw, personal=place.scope == "personal") if keys.kind in ("create", "edit") else ()
    if files and not text:
        text = names_line(files)
    if keys.kind != "delete" and not text:
        return Ignored("card_submit" if raw.get("value") is not None else "empty")
    return validate(
        Event(
            idempotency_key=keys.idempotency,
            tenant_id=keys.tenant,
            direction="inbound",
            kind=cast(Kind, keys.kind),
            timestamp=time_of(raw),
            sender=sender,
            text=text,
            message_id=_message(raw) or "",
            thread_key=keys.session,
            user_hash=ids.aad_hash(sender.aad_object_id or sender.id),
            place=place,
            mentions=mentions,
            files=files,
            names_bot=bot_named,
            custom_attributes=_place_names(raw),
            changed_at=changed_at(raw) if keys.kind in ("edit", "delete") else "",
            restored=keys.kind == "edit" and _text(raw, "channelData", "eventType") == "undeleteMessage",
        )
    )


def place_of(raw: Raw) -> Place:
    """Tell where it happened; BadActivity when that is missing."""
    conversation, service_url = _id(raw, "conversation", "id"), _text(raw, "serviceUrl")
    if conversation is None or service_url is None:
        raise BadActivity("conversation.id or serviceUrl is missing")
    base, root = ids.split_conversation(conversation)
    scope = _scope(raw, base)
    if scope != "channel":
        return Place(scope=scope, conversation_id=base, service_url=service_url)
    # a top-level post without the suffix is its own root
    root = root or _id(raw, "replyToId") or _id(raw, "id")
    return Place(
        scope=scope,
        conversation_id=conversation,
        service_url=service_url,
        team_id=_id(raw, "channelData", "team", "id"),
        team_group_id=_id(raw, "channelData", "team", "aadGroupId"),
        channel_id=base,
        root_id=root,
    )


def _place_names(raw: Raw) -> dict[str, str]:
    """Give the names of team and channel as attributes; plain messages mostly do not bring them."""
    names = {
        "cf_team": _text(raw, "channelData", "team", "name"),
        "cf_channel": _text(raw, "channelData", "channel", "name"),
    }
    return {attribute: name[:MAX_NAME] for attribute, name in names.items() if name}


def _scope(raw: Raw, base: str) -> Scope:
    named = _text(raw, "conversation", "conversationType")
    if named is not None:
        scope = _SCOPES.get(named)
        if scope is None:
            raise BadActivity("unknown conversationType")
        return scope
    if base.startswith("19:"):  # recorded invokes and some events leave the type out
        return "groupChat" if base.endswith(("@thread.v2", "@unq.gbl.spaces")) else "channel"
    return "personal"


def person_of(raw: Raw) -> Sender:
    """Tell who did it; BadActivity when that is missing."""
    account = _id(raw, "from", "id")
    if account is None:
        raise BadActivity("from.id is missing")
    return Sender(
        kind="bot" if account.startswith("28:") else "user",
        id=account,
        name=_text(raw, "from", "name"),
        aad_object_id=_id(raw, "from", "aadObjectId"),
        locale=_text(raw, "locale"),
        time_zone=_time_zone(raw),
    )


_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")


def _time_zone(raw: Raw) -> str | None:
    """Tell the IANA name of the writer's time zone, from the activity or from what their client says of itself."""
    clients = (_text(one, "timezone") for one in _list(raw, "entities") if _text(one, "type") == "clientInfo")
    zones = (zone for zone in (_text(raw, "localTimezone"), *clients) if zone and len(zone) <= MAX_STAMP)
    return next((zone for zone in zones if _ZONE.fullmatch(zone)), None)


def thread_of(tenant: str, place: Place, sender: Sender) -> ThreadKey:
    """Name the thread: the ordering key."""
    if place.scope == "channel":
        return ThreadKey(tenant, "channel", (place.channel_id or "", place.root_id or ""))
    if place.scope == "groupChat":
        return ThreadKey(tenant, "groupChat", (place.conversation_id,))
    return ThreadKey(tenant, "personal", (sender.aad_object_id or sender.id,))


def _version(raw: Raw) -> str:
    """Tell two edits of one message apart: by their time, else by what they say."""
    stamp = re.sub(r"[^0-9TZ.+-]", "", _text(raw, "timestamp") or "")
    return (
        stamp if 0 < len(stamp) <= MAX_STAMP else hashlib.sha256((_text(raw, "text") or "").encode()).hexdigest()[:16]
    )


def changed_at(raw: Raw) -> str:
    """Tell when an edit or a deletion was made, as RFC 3339; empty if Teams does not tell it."""
    moment = _stamp(raw)
    return "" if moment is None else _rfc3339(moment)


def message_of(raw: Raw) -> str:
    """Name the message that an activity is, or changes, as `bridge.ids.sent_key` does; BadActivity if it names none."""
    conversation, message = _id(raw, "conversation", "id"), _message(raw)
    if conversation is None or message is None:
        raise BadActivity("conversation.id or id is missing")
    return ids.sent_key(ids.split_conversation(conversation)[0], message)


def _message(raw: Raw) -> str | None:
    """Read the id of the message; a reaction has one of its own and names its message."""
    return _id(raw, "replyToId" if _text(raw, "type") == "messageReaction" else "id")


def time_of(raw: Raw) -> str:
    """Give the activity's time as RFC 3339 (Teams sends seven fraction digits), else that of its id."""
    moment = _stamp(raw)
    if moment is None:
        message = _text(raw, "id") or ""
        millis = int(message) if message.isascii() and message.isdigit() and len(message) <= 13 else 0
        moment = datetime.fromtimestamp(millis / 1000, UTC)
    return _rfc3339(moment)


def _stamp(raw: Raw) -> datetime | None:
    sent = _text(raw, "timestamp") or ""
    try:
        parsed = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", sent))
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _id(raw: Raw, *path: str) -> str | None:
    """Read an id by path; BadActivity when it is too long to be one, since keys, rows and logs are made of it."""
    value = _text(raw, *path)
    if value is not None and len(value) > MAX_ID:
        raise BadActivity(f"{'.'.join(path)} is too long")
    return value
