"""Webhook bodies, in the shapes of Freshchat's payload documentation; functions from records to data."""

import time

from sandbox.freshchat.state import Conversation
from sandbox.wire import JsonObject, iso
from sandbox.world import Agent

#: Members of a conversation record that its events repeat.
_SHOWN = ("conversation_id", "app_id", "status", "channel_id", "assigned_agent_id", "assigned_group_id", "skill_id")


def message_create(message: JsonObject, file_urls: bool = True) -> JsonObject:
    """Somebody wrote; a file's URL may still be missing here and appear only in the message list."""
    shown = message if file_urls else {**message, "message_parts": [_without_url(p) for p in message["message_parts"]]}
    return _event("message_create", message["actor_type"], message["actor_id"], {"message": shown})


def assignment(conversation: Conversation, by: Agent | None, before: JsonObject) -> JsonObject:
    """An agent or group got the conversation; ids are empty texts where there is none."""
    record = conversation.record
    kind, actor_id = _actor(by)
    data = {
        "assignor": kind,
        "assignor_id": actor_id,
        "to_agent_id": record["assigned_agent_id"],
        "to_group_id": record["assigned_group_id"],
        "from_agent_id": before["assigned_agent_id"],
        "from_group_id": before["assigned_group_id"],
        "conversation": {**_shown(conversation), "sla_policy_id": 0, "sla_breached": False},
        "interaction_id": conversation.interaction,
    }
    return _event("conversation_assignment", kind, actor_id, {"assignment": data})


def resolution(conversation: Conversation, by: Agent | None, user: JsonObject) -> JsonObject:
    """The conversation ended."""
    kind, actor_id = _actor(by)
    data = {
        "resolver": kind,
        "resolver_id": actor_id,
        "conversation": _shown(conversation),
        "interaction_id": conversation.interaction,
        "user": user,
    }
    return _event("conversation_resolution", kind, actor_id, {"resolve": data})


def reopening(conversation: Conversation, kind: str, actor_id: str) -> JsonObject:
    """The conversation goes on; the event says reopened although the record says new."""
    data = {
        "reopener": kind,
        "reopener_id": actor_id,
        "conversation": {
            **_shown(conversation),
            "status": "reopened",
            "sla_policy_id": 0,
            "sla_breached": False,
        },
        "interaction_id": conversation.interaction,
    }
    return _event("conversation_reopen", kind, actor_id, {"reopen": data})


def _event(action: str, actor_type: str, actor_id: str, data: JsonObject) -> JsonObject:
    return {
        "actor": {"actor_type": actor_type, "actor_id": actor_id},
        "action": action,
        "action_time": iso(time.time()),
        "data": data,
    }


def _actor(by: Agent | None) -> tuple[str, str]:
    return ("agent", by.id) if by else ("system", "")


def _shown(conversation: Conversation) -> JsonObject:
    return {name: conversation.record[name] for name in _SHOWN}


def _without_url(part: JsonObject) -> JsonObject:
    file = part.get("file")
    return {"file": {name: value for name, value in file.items() if name != "url"}} if isinstance(file, dict) else part
