"""From Freshchat's webhook bodies to our events: data in, data out.

Shapes and odd rows: Freshworks' "webhooks payload structure" articles, current and old (2018) form. Both functions
decide by the same head, so what the door ignores, delivery would ignore too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from adapters.freshchat.file_parts import files_of
from adapters.freshchat.panels import panel_of
from adapters.freshchat.parts import NotUnderstood, is_words, shows_all, text_of
from bridge import ids
from bridge.errors import Rejected
from bridge.events import Event, Ignored, Sender, Status, validate

MAX_ID = 256
"""Ids are opaque text, but not that long."""

_STATUS: dict[str, tuple[str, Status]] = {
    # action: (where its record is below `data`, what it means)
    "conversation_assignment": ("assignment", "assigned"),
    "conversation_resolution": ("resolve", "resolved"),
    "conversation_reopen": ("reopen", "reopened"),
}
_SENDERS: dict[str, Literal["user", "agent", "bot", "system"]] = {
    "user": "user",
    "agent": "agent",
    "bot": "bot",
    "system": "system",
}
_UNSAID: dict[str, str] = {
    # actor type: why its messages are not carried
    "user": "echo",  # what we post as the user comes back; words from another widget are not mirrored either
    "system": "system",  # such as the welcome message of an inbox, seen with the text "."
}


class Keys(NamedTuple):
    """What the door needs of a body: its two keys, and a word for lists."""

    idempotency_key: str
    session: str
    kind: Literal["create", "status", "unknown"]


class _Head(NamedTuple):
    """A body that is to be carried, recognised but not yet read. `record` is the message or the status record."""

    key: str
    conversation: str
    record: dict[str, Any]
    inbox: str | None
    status: Status | None


def keys(body: dict[str, Any], tenant: str) -> Keys | Ignored:
    """Take the keys; Rejected if it is an event that we carry but its ids are not there."""
    head = _guarded_head(body)
    if isinstance(head, Ignored):
        return head
    session = ids.conversation_key(tenant, head.conversation)
    return Keys(head.key, session, "status" if head.status else "create")


def to_event(body: dict[str, Any], tenant: str) -> Event | Ignored:
    """Translate; Rejected (`not_understood`) if a field that we know does not have its documented form."""
    head = _guarded_head(body)
    if isinstance(head, Ignored):
        return head
    try:
        event = _status(body, tenant, head) if head.status else _message(body, tenant, head)
    except NotUnderstood as reason:
        raise _rejected(reason) from None
    return event if isinstance(event, Ignored) else validate(event)


def _rejected(reason: NotUnderstood) -> Rejected:
    return Rejected(f"webhook body: {reason}", code="not_understood", component="freshchat")


def _guarded_head(body: dict[str, Any]) -> _Head | Ignored:
    try:
        return _head(body)
    except NotUnderstood as reason:
        raise _rejected(reason) from None


def _head(body: dict[str, Any]) -> _Head | Ignored:
    action = body.get("action")
    if action == "message_create":
        return _message_head(body)
    if isinstance(action, str) and action in _STATUS:
        return _status_head(body, action)
    return Ignored("unknown_action")


def _message_head(body: dict[str, Any]) -> _Head | Ignored:
    message = _object(_object(body, "data"), "message")
    actor = _actor_type(body, message)
    if actor in _UNSAID:
        return Ignored(_UNSAID[actor])
    if actor not in _SENDERS:
        return Ignored("unknown_actor")
    if _is_private(message):
        return Ignored("private")
    conversation = _id(message, "conversation_id")
    key = ids.freshchat_key(ids.FreshchatKey(conversation, _id(message, "id"), "create"))
    return _Head(key, conversation, message, _text(message, "channel_id"), None)


def _actor_type(body: dict[str, Any], message: dict[str, Any]) -> str:
    return _text(message, "actor_type") or _text(_object(body, "actor"), "actor_type") or ""


def _is_private(message: dict[str, Any]) -> bool:
    """Tell whether only agents may see it. Absent type means normal (seen 2022); an unknown one means private."""
    return message.get("message_type") not in (None, "", "normal") or message.get("botsPrivateNote") not in (
        None,
        False,
    )


def _status_head(body: dict[str, Any], action: str) -> _Head | Ignored:
    where, status = _STATUS[action]
    record = _object(_object(body, "data"), where)
    conversation = _object(record, "conversation")
    conversation_id = _id(conversation, "conversation_id")
    target = _text(record, "to_agent_id") or _text(record, "to_group_id")
    if status == "assigned" and not target:
        return Ignored("unassigned")
    # Group and agent are assigned in one instant, as two events: the target tells them apart.
    moment = "~".join(part for part in (_text(body, "action_time"), target) if part)
    item = _text(record, "interaction_id") or ""
    key = ids.freshchat_key(ids.FreshchatKey(conversation_id, item, action, moment or None))
    return _Head(key, conversation_id, record, _text(conversation, "channel_id"), status)


def _message(body: dict[str, Any], tenant: str, head: _Head) -> Event | Ignored:
    text, plain = text_of(head.record), is_words(head.record)
    if not text:
        return Ignored("empty")
    actor_id = _text(head.record, "actor_id") or _text(_object(body, "actor"), "actor_id")
    return Event(
        idempotency_key=head.key,
        tenant_id=tenant,
        direction="outbound",
        kind="create",
        timestamp=_time(head.record.get("created_time") or body.get("action_time")),
        sender=Sender(_SENDERS[_actor_type(body, head.record)], actor_id or ""),
        text=text,
        message_id=_id(head.record, "id"),
        conversation_id=head.conversation,
        inbox_id=head.inbox,
        files=() if plain else files_of(head.record),
        panel=None if plain else panel_of(head.record),
        whole=plain or shows_all(head.record),
    )


def _status(body: dict[str, Any], tenant: str, head: _Head) -> Event:
    actor = _object(body, "actor")
    targets = {"assignedAgentId": "to_agent_id", "assignedGroupId": "to_group_id"}
    return Event(
        idempotency_key=head.key,
        tenant_id=tenant,
        direction="outbound",
        kind="status",
        timestamp=_time(body.get("action_time")),
        sender=Sender(_SENDERS.get(_text(actor, "actor_type") or "", "system"), _text(actor, "actor_id") or ""),
        conversation_id=head.conversation,
        inbox_id=head.inbox,
        status=head.status,
        custom_attributes={name: found for name, key in targets.items() if (found := _text(head.record, key))},
    )


# --- fields ---------------------------------------------------------------------------------------------------------


def _object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise NotUnderstood(f"{name} is not an object")
    return value


def _id(parent: dict[str, Any], name: str) -> str:
    value = _text(parent, name)
    if not value:
        raise NotUnderstood(f"{name} is missing")
    return value


def _text(parent: dict[str, Any], name: str) -> str | None:
    value = parent.get(name)
    if value is not None and not (isinstance(value, str) and len(value) <= MAX_ID):
        raise NotUnderstood(f"{name} is not a short text")
    return value


def _time(value: object) -> str:
    """Give the time as RFC 3339 in UTC; Freshchat's own zone spellings vary (`Z`, `+00:00`, `+0000`)."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        utc = moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        utc = None
    if utc is None:
        raise NotUnderstood("its time is not a date-time")
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
